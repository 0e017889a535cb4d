"""Carries out what `duty` asks for; each deed may be repeated, and 'somebody did it already' is success."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

import structlog

from fl_node.errors import RefusalError
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import OVER, Round, Training
from fl_node.plan.errors import PlanError
from fl_node.plan.runtime import WorkResult
from fl_node.round.attempts import Attempts, AttemptsDependencies
from fl_node.round.beacon import BeaconDependencies, contribute
from fl_node.round.carrying import Carrying, CarryingDependencies
from fl_node.round.contribution import with_contributions
from fl_node.round.duty import LocalState
from fl_node.round.effects import (
    DONE_ALREADY,
    Advance,
    AnswerComplaints,
    Attest,
    Carry,
    CommitShares,
    CommitUpdate,
    Drop,
    Effect,
    Gather,
    OpenRound,
    Propose,
    PublishKeys,
    RevealShares,
    SeekState,
    Settle,
    TellDropout,
    Train,
)
from fl_node.round.masking import Attempt
from fl_node.round.proposing import Proposing, ProposingDependencies
from fl_node.round.recorded import SHARES
from fl_node.round.settling import Settling
from network import contract_codes
from network.rules import FLOWS_SINCE

log = structlog.get_logger("node")

Deed = Callable[[Round, Training, Effect], Awaitable[bool]]
"""Does one thing and returns whether the ledger may have changed."""


class CarryOutDependencies(
    AttemptsDependencies, ProposingDependencies, BeaconDependencies, CarryingDependencies, Protocol
):
    """What carrying out a node's duties needs of it."""


class Deeds:
    """The deeds of one node, for all its trainings: one for each effect."""

    def __init__(self, node: CarryOutDependencies, heard: Callable[[str], None] = lambda _: None) -> None:
        """Prepare; `heard` is told the training of which words have come to be carried."""
        self._node = node
        self._carrying = Carrying(node, heard)
        self._attempts = Attempts(node)
        self._proposing = Proposing(node)
        self._settling = Settling(node.ledger)
        self._deeds: dict[type[Effect], Deed] = {
            Train: self._train,
            PublishKeys: self._publish_keys,
            CommitShares: self._in_attempt(Attempt.commit_shares),
            AnswerComplaints: self._in_attempt(Attempt.answer),
            CommitUpdate: self._commit_update,
            RevealShares: self._in_attempt(Attempt.reveal),
            Propose: self._propose,
            Attest: self._attest,
            SeekState: self._seek_state,
            Gather: self._gather,
            Carry: self._carry,
            Advance: self._advance,
            OpenRound: self._open,
            Settle: self._settle,
            Drop: self._drop,
            TellDropout: self._tell_dropout,
        }

    async def do(self, view: Round, training: Training, effect: Effect) -> bool:
        """Carry out one effect.

        Raises:
            FedledgerError: it failed for a reason other than that it was done already.
        """
        try:
            return await self._deeds[type(effect)](view, training, effect)
        except LedgerError as error:
            if error.code not in DONE_ALREADY:
                raise
            log.info("done already", attempt=view.name, duty=type(effect).__name__, code=error.code)
            return False

    async def open(self, training: Training) -> bool:
        """Draw the next cohort, or give a part of the beacon that it awaits; return whether this node drew it."""
        try:
            return await self._node.ledger.move("OpenRound", training=training.training)
        except LedgerError as error:
            if error.code == contract_codes.BEACON_NOT_READY:
                await contribute(self._node)
            if error.code not in DONE_ALREADY:
                raise
            return False

    def local_state(self, view: Round, training: Training) -> LocalState:
        """Return the node's side of an attempt."""
        gathered, held_ms = self._carrying.gathered(view)
        return replace(
            self._attempts.local_state(view, training),
            found=self._proposing.found(view),
            handed=self._node.speaking.handed(view),
            gathered=gathered,
            held_ms=held_ms,
        )

    def drop(self, view: Round, code: str) -> None:
        """Leave an attempt for good."""
        self._attempts.drop(view, code)

    def settled(self, training: str, number: int) -> None:
        """Note that a round's rewards are folded."""
        self._settling.settled(training, number)

    def ended(self, view: Round) -> None:
        """Forget an attempt's secrets and let its masked blobs expire."""
        counted = view.phase == "Final" and self._node.me in view.survivors
        self._node.workshop.settle(view, counted=counted)  # first: of what the journal has forgotten nobody asks again
        self._attempts.forget(view)
        self._node.speaking.forget(view)
        self._node.mirror.retain(view, self._node.consent.retention_ms)
        self._node.metrics.ended.labels(view.phase).inc()

    def over(self, training: str) -> None:
        """Forget what was laid ready for an attempt that does not come."""
        self._node.journal.forget_ahead(training)
        self._carrying.forget(training)

    async def end_missed(self, view: Round) -> None:
        """End the attempts before this one that were over before the node saw it: their secrets must not stay (T9)."""
        for training, number, attempt in self._node.journal.attempts():
            if training == view.training and (number, attempt) < (view.round, view.attempt):
                missed = await self._node.ledger.round(training, number, attempt)
                if missed is not None and missed.phase in OVER:
                    self.ended(missed)

    async def close(self) -> None:
        """Stop what runs in the background."""
        await self._settling.close()
        await self._carrying.close()

    def _in_attempt(self, step: Callable[[Attempt, Round], Awaitable[None]]) -> Deed:
        async def deed(view: Round, _: Training, __: Effect) -> bool:
            await step(await self._attempts.opened(view), view)
            return True

        return deed

    async def _train(self, view: Round, _: Training, __: Effect) -> bool:
        self._node.workshop.start(view)
        return False

    async def _publish_keys(self, view: Round, _: Training, __: Effect) -> bool:
        """Publish keys; those that somebody else published first, having seen ours, are drawn anew."""
        try:
            await (await self._attempts.opened(view)).publish_keys(view)
        except LedgerError as error:
            if error.code == contract_codes.KEY_REUSED and self._attempts.records(view).get(SHARES) is None:
                log.warning("our keys were published by somebody else", attempt=view.name, code=error.code)
                self._attempts.forget(view)  # safe: nothing has been sealed or masked with them
            raise
        return True

    async def _commit_update(self, view: Round, _: Training, __: Effect) -> bool:
        """Mask and commit what the client work gave; it has ended, so that no other duty waits for it."""
        attempt = await self._attempts.opened(view)
        try:
            work: WorkResult = await self._node.workshop.start(view)
        except PlanError as error:  # the work has ended, and its error with it: nothing comes of waiting
            raise RefusalError(error.code, error.message, where=error.where, hint=error.hint) from error
        vector = work.vector
        if not self._node.speaking.ever_handed(view, "CommitUpdate"):  # else it is masked, and nobody reads it again
            vector = await with_contributions(self._node, view, vector)
        await attempt.commit_update(view, vector, work.examples)
        self._node.workshop.committed(view)
        log.info("update committed", attempt=view.name, work_seconds=round(work.seconds, 3), metrics=work.metrics)
        return True

    async def _propose(self, view: Round, training: Training, _: Effect) -> bool:
        await self._proposing.propose(view, training)
        return True

    async def _attest(self, view: Round, _: Training, __: Effect) -> bool:
        assert view.proposal, "duty attests only to a proposal"
        await self._proposing.attest(view, view.proposal)
        return True

    async def _seek_state(self, view: Round, _: Training, __: Effect) -> bool:
        await self._proposing.seek(view)
        return True

    async def _gather(self, view: Round, _: Training, __: Effect) -> bool:
        self._carrying.gather(view)
        return True

    async def _carry(self, view: Round, _: Training, effect: Effect) -> bool:
        assert isinstance(effect, Carry), "the table maps each type to its deed"
        return await self._carrying.carry(view, last=effect.last)

    async def _advance(self, view: Round, _: Training, __: Effect) -> bool:
        ended = {"from": view.phase} if view.rules >= FLOWS_SINCE else {}
        return await self._node.ledger.move("Advance", **view.ref, **ended)

    async def _open(self, _: Round, training: Training, __: Effect) -> bool:
        return await self.open(training)

    async def _settle(self, view: Round, _: Training, __: Effect) -> bool:
        self._settling.start(view)
        return False

    async def _drop(self, view: Round, _: Training, effect: Effect) -> bool:
        assert isinstance(effect, Drop), "the table maps each type to its deed"
        self.drop(view, effect.code)
        return True

    async def _tell_dropout(self, view: Round, _: Training, effect: Effect) -> bool:
        assert isinstance(effect, TellDropout), "the table maps each type to its deed"
        await self._node.ledger.submit("DropOut", **view.ref, reason=effect.code)
        return True
