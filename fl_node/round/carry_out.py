"""Carries out what `session.duty` asks for; every act may be repeated, and 'somebody did it already' is success."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import OVER, Round, Training
from fl_node.node.context import Context
from fl_node.round.attempts import Attempts
from fl_node.round.duty import Own
from fl_node.round.effects import (
    Advance,
    AnswerComplaints,
    Attest,
    CommitShares,
    CommitUpdate,
    Drop,
    Effect,
    OpenRound,
    Propose,
    PublishKeys,
    RevealShares,
    Settle,
    Train,
)
from fl_node.round.proposing import Proposing

log = structlog.get_logger("node")
DONE_ALREADY: Final = {
    "FL0406",
    "FL0407",
    "FL0408",
    "FL0409",
    "FL0410",
    "FL0450",
    "FL0451",
    "FL0452",
    "FL0453",
    "FL0606",
}
"""The ledger has moved on, or somebody, perhaps this node before a crash, has done it: look again."""
SETTLE_PAUSE_S: Final = 2.0
SETTLE_ATTEMPTS: Final = 5

Act = Callable[[Round, Training, Any], Awaitable[bool]]


class Acts:
    """The effects of one node, by type; each returns whether the ledger may have changed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._attempts = Attempts(context)
        self._proposing = Proposing(context)
        self._settling: set[asyncio.Task[None]] = set()
        self._settled: set[tuple[str, int]] = set()
        self._acts: dict[type[Effect], Act] = {
            Train: self._train,
            PublishKeys: self._publish_keys,
            CommitShares: self._commit_shares,
            AnswerComplaints: self._answer,
            CommitUpdate: self._commit_update,
            RevealShares: self._reveal,
            Propose: self._propose,
            Attest: self._attest,
            Advance: self._advance,
            OpenRound: self._open,
            Settle: self._settle,
            Drop: self._drop,
        }

    async def do(self, view: Round, training: Training, effect: Effect) -> bool:
        """Carry out one effect.

        Raises:
            FedledgerError: it failed for a reason other than that it was done already.
        """
        try:
            return await self._acts[type(effect)](view, training, effect)
        except LedgerError as error:
            if error.code not in DONE_ALREADY:
                raise
            log.info("done already", attempt=view.name, duty=type(effect).__name__, code=error.code)
            return False

    async def open(self, training: Training) -> bool:
        """Draw the next cohort; return whether this node did."""
        try:
            return await self._context.ledger.move("OpenRound", training=training.training)
        except LedgerError as error:
            if error.code not in DONE_ALREADY:
                raise
            return False

    def settled(self, training: str, number: int) -> None:
        """Note that a round's rewards are folded."""
        self._settled.add((training, number))

    def own(self, view: Round, training: Training) -> Own:
        """Return the node's side of an attempt."""
        return self._attempts.own(view, training)

    def drop(self, view: Round, code: str) -> None:
        """Leave an attempt for good."""
        self._attempts.drop(view, code)

    def ended(self, view: Round) -> None:
        """Forget an attempt's secrets and let its masked blobs expire."""
        self._attempts.forget(view)
        self._context.mirror.retain(view, self._context.config.policy.retention_ms)
        self._context.metrics.ended.labels(view.phase).inc()

    async def end_missed(self, view: Round) -> None:
        """End the attempts before this one that were over before the node saw it: their secrets must not stay (T9)."""
        for training, number, attempt in self._context.journal.attempts():
            if training == view.training and (number, attempt) < (view.round, view.attempt):
                missed = await self._context.ledger.round(training, number, attempt)
                if missed is not None and missed.phase in OVER:
                    self.ended(missed)

    async def close(self) -> None:
        """Stop what runs in the background."""
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)

    async def _train(self, view: Round, _: Training, __: Effect) -> bool:
        self._attempts.train(view)
        return False

    async def _publish_keys(self, view: Round, _: Training, __: Effect) -> bool:
        await self._attempts.publish_keys(view)
        return True

    async def _commit_shares(self, view: Round, _: Training, __: Effect) -> bool:
        await self._attempts.commit_shares(view)
        return True

    async def _commit_update(self, view: Round, _: Training, __: Effect) -> bool:
        await self._attempts.commit_update(view)
        return True

    async def _answer(self, view: Round, _: Training, __: Effect) -> bool:
        await self._attempts.answer(view)
        return True

    async def _reveal(self, view: Round, _: Training, __: Effect) -> bool:
        await self._attempts.reveal(view)
        return True

    async def _propose(self, view: Round, training: Training, _: Effect) -> bool:
        await self._proposing.propose(view, training)
        return True

    async def _attest(self, view: Round, _: Training, __: Effect) -> bool:
        assert view.proposal, "duty attests only to a proposal"
        await self._proposing.attest(view, view.proposal)
        return True

    async def _advance(self, view: Round, _: Training, __: Effect) -> bool:
        return await self._context.ledger.move("Advance", **view.ref)

    async def _open(self, _: Round, training: Training, __: Effect) -> bool:
        return await self.open(training)

    async def _settle(self, view: Round, _: Training, __: Effect) -> bool:
        for number in (view.round - 1, view.round):
            if number > 0 and (view.training, number) not in self._settled:
                self._settled.add((view.training, number))
                task = asyncio.create_task(self._settle_later(view.training, number))
                self._settling.add(task)
                task.add_done_callback(self._settling.discard)
        return False

    async def _settle_later(self, training: str, number: int) -> None:
        """Settle beside the next round: nothing in a round depends on it, and before, it would delay its opening."""
        for _ in range(SETTLE_ATTEMPTS):
            try:
                await self._context.ledger.submit("Settle", training=training, round=number)
            except LedgerError as error:
                if error.code in DONE_ALREADY:
                    return
                log.warning("not settled yet", training=training, round=number, **error.as_json())
                await asyncio.sleep(SETTLE_PAUSE_S)
            else:
                return

    async def _drop(self, view: Round, _: Training, effect: Effect) -> bool:
        assert isinstance(effect, Drop), "the table maps each type to its act"
        self.drop(view, effect.code)
        return True
