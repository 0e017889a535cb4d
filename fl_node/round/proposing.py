"""The aggregator's and the attesters' part: unmask the survivors' sum, compute the next state, agree on it."""

import asyncio
import hashlib
import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from fl_node import codes
from fl_node.blobs.client import BlobClient
from fl_node.blobs.store import About
from fl_node.clock import now_ms
from fl_node.errors import NodeError
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Endorsed, LedgerError
from fl_node.ledger.decimals import decimal
from fl_node.ledger.records import Proposal, Round, Training
from fl_node.plan.errors import PlanError
from fl_node.plan.pool import Workshop
from fl_node.plan.runtime import deviation_e9
from fl_node.round import known
from fl_node.round.speaking import Speaking
from fl_node.round.unmasking import UnmaskingDependencies, unmasked
from fl_node.secagg.errors import Fault
from fl_node.secagg.layout import Vector
from fl_node.secagg.unmask import Aggregate
from network import contract_codes
from network.topology import Consortium

log = structlog.get_logger("aggregator")
METRIC_TOLERANCE: Final = 1e-6
PATIENCE_S: Final = 120.0
PATIENCE_LEAST_S: Final = 1.0
FOLLOWS_FROM_THE_SUM: Final = frozenset(
    {
        codes.STATE_NOT_FINITE,
        codes.AGGREGATE_SIZE,
        codes.AGGREGATE_RANGE,
        codes.AGGREGATE_COUNT,
        codes.AGGREGATE_WEIGHT,
        codes.RUNTIME_FAILED,
        codes.SUM_SINGULAR,
        codes.SUM_TOO_COARSE,
    }
)
"""Errors of a plan's update that every node has on the same sum; any other may be this machine's own."""
FRESH_S: Final = 2.0
"""How old an endorsed proposal may be when it is ordered; endorsers have verified an older one, and are quick again."""
TRIES: Final = 3
"""How often an update may fail for another reason before the node says that no state follows."""


@dataclass(frozen=True)
class Result:
    """What follows from an aggregate: the next state and the survivors' metrics."""

    state: bytes
    metrics: dict[str, float]


class NoStateError(Exception):
    """No next state follows from a sum."""

    def __init__(self, aggregate: str, code: str) -> None:
        super().__init__(aggregate, code)
        self.aggregate = aggregate
        self.code = code


class ProposingDependencies(UnmaskingDependencies, Protocol):
    """What proposing and attesting need of the node."""

    @property
    def consortium(self) -> Consortium:
        """Return the consortium as it is defined now."""
        ...

    organisation: str
    blobs: BlobClient
    workshop: Workshop
    journal: Journal
    speaking: Speaking


class Proposing:
    """Proposes and attests; computes each state once, and keeps the last of each training."""

    def __init__(self, node: ProposingDependencies) -> None:
        self._node = node
        self._results: dict[str, tuple[tuple[str, str, tuple[int, ...]], Result]] = {}
        self._found: dict[str, str] = {}  # training → the attempt whose next state this node has computed
        self._failures: Counter[str] = Counter()  # attempt → failed updates

    def found(self, view: Round) -> bool:
        """Tell whether this node has computed the state that follows from the attempt's sum."""
        return self._found.get(view.training) == view.name

    async def propose(self, view: Round, training: Training) -> None:
        """Publish the sum and the next state, warmed up at every member first where verifying takes long."""
        published = await self._published(view)
        if published is None:
            return
        argument, endorsed = published
        if not (endorsed and await endorsed.committed()):
            await self._submit(argument)
        known.attested(self._node.journal, view.training, argument["state"])  # it is this organisation's word too
        digest = argument["aggregate"]
        log.info("aggregate proposed", attempt=view.name, aggregate=digest, training=training.training)

    async def _submit(self, argument: dict[str, Any]) -> None:
        try:
            await self._node.ledger.submit("ProposeAggregate", patient=False, **argument)
        except LedgerError as error:
            if error.code != contract_codes.VERIFYING:
                raise
            await self._warm(argument)
            await self._node.ledger.submit("ProposeAggregate", **argument)

    async def _published(self, view: Round) -> tuple[dict[str, Any], Endorsed | None] | None:
        """Publish the sum and the next state; return the argument of ProposeAggregate.

        Endorsers verify meanwhile: they sum by themselves and need none of these blobs. The transaction waits, so that
        what a proposal on the ledger names lies with enough members. Nothing holds the sum any longer at the end.
        """
        computed = await self._computed(view)
        if computed is None:
            return None
        aggregate, result = computed
        published: tuple[Vector, ...] = (result.state, aggregate.vector, *aggregate.groups)
        argument = {
            **view.ref,
            "aggregate": aggregate.digest.hex(),
            "state": await asyncio.to_thread(_digest, result.state),
            "metrics": {name: decimal(value) for name, value in result.metrics.items()},
            "examples": aggregate.rows or 0,
        }
        if aggregate.sums:
            argument["sums"] = [digest.hex() for digest in aggregate.sums]
        if aggregate.outlying:
            log.warning("groups are left out", attempt=view.name, groups=aggregate.outlying)
            argument["outlying"] = aggregate.outlying
        asked = time.monotonic()
        endorsed, *_ = await asyncio.gather(self._endorsed(argument), *map(self._publish, published))
        # The time of a proposal is that of its endorsement, and its deadline counts from there: one that has waited
        # for a slow line would be late when it is on the ledger.
        return argument, endorsed if time.monotonic() - asked <= FRESH_S else None

    async def _endorsed(self, argument: dict[str, Any]) -> Endorsed | None:
        """Have the proposal endorsed; None where endorsers need more time or refuse, and are asked again."""
        try:
            return await self._node.ledger.endorsed("ProposeAggregate", **argument)
        except LedgerError as error:
            log.info("not endorsed yet", **error.as_json())
            return None

    async def seek(self, view: Round) -> None:
        """Compute the next state, to keep it for the proposal that comes or to say that none follows."""
        await self._computed(view)

    async def attest(self, view: Round, proposal: Proposal) -> None:
        """Recompute the next state from the last and say whether the proposed one follows."""
        mirror = self._node.mirror
        patience = (view.deadline_ms - now_ms()) / 1000  # after that another may propose
        async with asyncio.timeout(min(max(patience, PATIENCE_LEAST_S), PATIENCE_S)):
            await mirror.fetch_all([(proposal.aggregate, proposal.proposer)])
            kept = self._kept(view, proposal.aggregate)
            needed = [proposal.state] if kept else [proposal.state, proposal.aggregate]
            proposed, *read = await mirror.get_all([(digest, proposal.proposer) for digest in needed])
        try:
            mine = kept or await self._next_state(view, proposal.aggregate, read[0])
        except NoStateError as none:
            await self._deny(view, none)
            return
        deviation = await self._deviation(view, mine, proposed, proposal)
        agree = deviation is not None
        if agree:
            known.attested(self._node.journal, view.training, proposal.state)
        else:
            log.warning(
                "the proposed state is refuted",
                attempt=view.name,
                code=codes.RESULT_DOES_NOT_FOLLOW,
                number=proposal.number,
            )
        verdict = {
            "number": proposal.number,
            "state": proposal.state if agree else hashlib.sha256(mine.state).hexdigest(),
            "agree": agree,
            "deviation_e9": deviation or 0,
        }
        await self._node.speaking.say(view, "Attest", verdict)

    async def _computed(self, view: Round) -> tuple[Aggregate, Result] | None:
        """Return the sum and what follows from it; what has no end that way is reported to the ledger instead."""
        try:
            aggregate = await unmasked(self._node, view)
            return aggregate, await self._next_state(view, aggregate.digest.hex(), aggregate.vector)
        except Fault as fault:
            await self._report(view, fault)
        except NoStateError as none:
            await self._deny(view, none)
        return None

    async def _deny(self, view: Round, none: NoStateError) -> None:
        """Say that no state follows from the sum; when a majority does, the attempt ends."""
        log.warning("no state follows from the sum", attempt=view.name, aggregate=none.aggregate, code=none.code)
        await self._node.ledger.submit("AttestNoState", **view.ref, aggregate=none.aggregate, code=none.code)

    async def _report(self, view: Round, fault: Fault) -> None:
        """Let the endorsers find the same fault and end the attempt; a bad dealer they find by themselves."""
        log.warning("the sum is at fault", attempt=view.name, kind=fault.kind, **fault.as_json())
        if fault.kind in {"garbage", "update"}:
            report: dict[str, Any] = {"kind": fault.kind, "accused": fault.participant, "evidence": {}}
            await self._node.ledger.submit("ReportFault", **view.ref, **report)

    async def _deviation(self, view: Round, mine: Result, proposed: bytes, proposal: Proposal) -> int | None:
        runner = await self._node.workshop.runner(view.plan)
        if not same_metrics(mine.metrics, proposal.metrics):
            return None
        try:
            return deviation_e9(runner.compare_states(mine.state, proposed))
        except PlanError:
            return None

    def _kept(self, view: Round, digest: str) -> Result | None:
        """Return what this node has computed from a sum; None where it must read the sum."""
        key, result = self._results.get(view.training, (None, None))
        if result is None or key != (view.base_state, digest, view.counts):
            return None
        self._found[view.training] = view.name
        return result

    async def _next_state(self, view: Round, digest: str, aggregate: Vector) -> Result:
        """Compute what follows from a sum, once."""
        result = self._kept(view, digest)
        if result is None:
            result = await self._updated(view, digest, aggregate)
            self._results[view.training] = (view.base_state, digest, view.counts), result
            self._found[view.training] = view.name
        return result

    async def _updated(self, view: Round, digest: str, aggregate: Vector) -> Result:
        """Run the plan's update.

        Raises:
            NoStateError: it has no result on this sum, or one that is no number.
            PlanError: it failed for a reason that may be this machine's own; ask again.
        """
        base = await self._node.workshop.state(view.plan, view.base_state)
        try:
            update = await self._node.workshop.update(view.plan, base, aggregate, view.counts)
        except PlanError as error:
            self._failures[view.name] += 1
            if error.code in FOLLOWS_FROM_THE_SUM or self._failures[view.name] >= TRIES:
                raise NoStateError(digest, error.code) from error
            raise
        if not all(map(math.isfinite, update.metrics.values())):
            raise NoStateError(digest, codes.STATE_NOT_FINITE)
        return Result(update.state, update.metrics)

    async def _publish(self, data: Vector) -> None:
        digest = await asyncio.to_thread(self._node.store.put, data, About(self._node.organisation))
        await self._node.blobs.spread(digest, self._node.store.path(digest), self._node.consortium.threshold)

    async def _warm(self, argument: dict[str, object]) -> None:
        """Let every member's endorser verify in the background; a member that does not answer stops nobody."""
        members = [o.msp_id for o in self._node.consortium.members]
        asked = (self._node.ledger.query("ProposeAggregate", organisations=(msp,), **argument) for msp in members)
        for msp, answer in zip(members, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(answer, NodeError):
                log.info("warm-up refused", msp=msp, **answer.as_json())


def _digest(data: Vector) -> str:
    return hashlib.sha256(data).hexdigest()


def same_metrics(mine: Mapping[str, float], published: Mapping[str, str]) -> bool:
    """Tell whether published metrics are ours, up to the rounding of floats and decimals."""
    return mine.keys() == published.keys() and all(
        math.isclose(value, float(published[name]), rel_tol=METRIC_TOLERANCE, abs_tol=METRIC_TOLERANCE)
        for name, value in mine.items()
    )
