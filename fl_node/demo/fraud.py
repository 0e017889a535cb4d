"""An attempt at fraud: the elected aggregator's own identity proposes the true sum with one bit changed."""

import contextlib
import hashlib
from collections.abc import Callable
from typing import Any

from fl_node.clock import now_ms
from fl_node.commands.blobs import place
from fl_node.demo.stage import Stage
from fl_node.ledger.client import Ledger, LedgerError, open_ledger
from fl_node.ledger.records import Round
from fl_node.round.unmasking import sum_of
from network.connection import consortium_of, profile
from network.folders import folder_of

State = Callable[[], Round]


class Fraud:
    """Waits for its moment in a round, holds the elected aggregator's node still, and tries.

    The moment is between the aggregator's reveal and its proposal. So that it cannot be missed, another survivor's
    node is held still from the beginning of Unmask, which waits for all, until the aggregator has revealed.
    """

    def __init__(self, stage: Stage, first_round: int) -> None:
        self._stage = stage
        self._first = first_round
        self._hold = contextlib.ExitStack()
        self._block = contextlib.ExitStack()
        self._blocked = ""
        self._held = ""
        self.outcome: dict[str, Any] = {}

    async def see(self, view: Round, ledger: Ledger) -> None:
        """Take note of the round; act where the elected aggregator has revealed its shares and not proposed yet."""
        if self.outcome or view.round < self._first:
            return
        if view.phase == "Unmask" and not self._held:
            self._wait_for(view)
        elif view.phase in {"Attest", "Final", "Void"}:
            self._unblock()
            if self._held:
                await self._act(view, ledger)

    def release(self) -> None:
        """Let every node go on, whatever happened."""
        self._unblock()
        self._hold.close()
        self._held = ""

    def _wait_for(self, view: Round) -> None:
        elected = next(name for name in view.aggregators if name in view.survivors)
        if elected in view.revealed:
            self._held = elected
            self._hold.enter_context(self._stage.paused(elected))
            self._unblock()
            return
        others = [name for name in view.survivors if name != elected and name not in view.revealed]
        if others and not self._blocked:
            self._blocked = others[0]
            self._block.enter_context(self._stage.paused(others[0]))

    def _unblock(self) -> None:
        self._block.close()
        self._blocked = ""

    async def _act(self, view: Round, ledger: Ledger) -> None:
        try:
            if view.proposal is None and view.phase == "Attest" and view.turns[0].from_ms <= now_ms():
                self.outcome = await self._propose(view, ledger)
        finally:
            self.release()

    async def _propose(self, view: Round, ledger: Ledger) -> dict[str, Any]:
        run = self._stage.run
        folder = folder_of(run, ledger.profile.organisation).blobs
        summed = await sum_of(ledger, view, lambda digest: (folder / digest.hex()[:2] / digest.hex()).open("rb"))
        honest = bytes(summed.vector)
        forged = bytes([honest[0] ^ 1]) + honest[1:]
        # The liar's own node is held still and others may be gone: what endorsers refuse needs no blob.
        digest, _ = await place(run, self._held, forged, "node", needed=1)
        claim = {
            **view.ref,
            "aggregate": digest,
            "state": hashlib.sha256(b"whatever follows from it").hexdigest(),
            "metrics": {},
            "examples": sum(view.updates[name].examples for name in view.survivors),
            **({"sums": [one.hex() for one in summed.sums]} if summed.sums else {}),
        }
        async with open_ledger(profile(run, self._held, "node")) as liar:
            verdicts = {
                member.name: await _verdict(liar.query("ProposeAggregate", organisations=(member.msp_id,), **claim))
                for member in consortium_of(run).members
            }
            refusal, evidence = await liar.refused("ProposeAggregate", **claim)
        answer = str(refusal) if refusal else "endorsed"
        reporter = next(name for name in view.survivors if name != self._held)
        async with open_ledger(profile(run, reporter, "node")) as witness:
            fault: dict[str, Any] = {"kind": "refused_payload", "accused": self._held, "evidence": evidence}
            reported = await _verdict(witness.submit("ReportFault", **view.ref, **fault))
        honest_digest = hashlib.sha256(honest).hexdigest()
        return {
            "round": view.round,
            "aggregator": self._held,
            "honest": honest_digest,
            "forged": digest,
            "code": refusal.code if refusal else "",
            "answer": answer,
            "reporter": reporter,
            "report": reported,
            "endorsers": verdicts,
        }


async def _verdict(asked: Any) -> str:
    try:
        await asked
    except LedgerError as error:
        return f"{error.code}: {error.message}"
    return "accepted"
