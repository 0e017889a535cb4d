"""All attempts that a node knows: which of its deeds are recorded, training in the background, dropping, forgetting."""

from typing import Final

import structlog

from fl_node.errors import NodeError
from fl_node.journal.journal import AttemptJournal
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import OVER, Round, Training
from fl_node.node.context import Context
from fl_node.plan.runtime import WorkResult
from fl_node.round.duty import Own
from fl_node.round.masking import KEYS, MASKED, REVEAL, SHARES, Attempt

log = structlog.get_logger("participant")
DROPPED: Final = "dropped"
KEY_REUSED: Final = "FL0412"
DEEDS: Final = frozenset({KEYS, SHARES, MASKED, REVEAL})


class Attempts:
    """Opens each attempt once a process; everything that must survive the process is in the journal."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open: dict[str, Attempt] = {}
        self._damaged: set[str] = set()
        self._notes = context.store.notes(context.config.organisation)

    def own(self, view: Round, training: Training) -> Own:
        """Return the node's side of an attempt, as the journal has it."""
        context = self._context
        majority, voters = context.consortium.majority, len(context.consortium.members)
        try:
            records = self._records(view)
        except NodeError as error:
            self._leave(view, error.code)
            return Own(
                context.me, context.msp, dropped=True, running=training.running, majority=majority, voters=voters
            )
        done = DEEDS & set(records.kinds())
        noted = {kind for kind in (SHARES, MASKED) if f"{view.name} {kind}" in self._notes}
        if noted - done and view.phase not in OVER:
            self._leave(view, "FL4203")  # dealing again would seal, masking again would mask, twice with the same keys
        dropped = view.name in self._damaged or records.get(DROPPED) is not None
        dropped = dropped or not context.workshop.fits(view.plan)
        return Own(
            context.me,
            context.msp,
            done,
            dropped,
            training.running,
            trained=context.workshop.trained(view),
            ready=context.workshop.ready(view.plan),
            majority=majority,
            voters=voters,
        )

    def train(self, view: Round) -> None:
        """Start client work in the background, once an attempt."""
        self._context.workshop.start(view)

    async def publish_keys(self, view: Round) -> None:
        """See Attempt.publish_keys; keys that somebody else published first, having seen ours, are drawn anew."""
        try:
            await (await self._attempt(view)).publish_keys(view)
        except LedgerError as error:
            if error.code == KEY_REUSED and self._records(view).get(SHARES) is None:
                log.warning("our keys were published by somebody else", attempt=view.name, code=error.code)
                self.forget(view)  # safe: nothing has been sealed or masked with them
            raise

    async def commit_shares(self, view: Round) -> None:
        """See Attempt.commit_shares."""
        await (await self._attempt(view)).commit_shares(view)

    async def commit_update(self, view: Round) -> None:
        """Mask and commit what the client work gave; it has ended, so that no other duty waits for it."""
        attempt = await self._attempt(view)
        work: WorkResult = await self._context.workshop.start(view)
        await attempt.commit_update(view, work.vector, work.examples)
        log.info("update committed", attempt=view.name, work_seconds=round(work.seconds, 3), metrics=work.metrics)

    async def answer(self, view: Round) -> None:
        """See Attempt.answer."""
        await (await self._attempt(view)).answer(view)

    async def reveal(self, view: Round) -> None:
        """See Attempt.reveal."""
        await (await self._attempt(view)).reveal(view)

    def drop(self, view: Round, code: str) -> None:
        """Leave an attempt for good, also over a restart."""
        self._leave(view, code)
        self._records(view).record(DROPPED, code.encode())

    def forget(self, view: Round) -> None:
        """Erase the secrets of an attempt that is over."""
        self._open.pop(view.name, None)
        self._context.journal.forget(view.training, view.round, view.attempt)

    async def _attempt(self, view: Round) -> Attempt:
        if view.name not in self._open:
            self._open[view.name] = await Attempt.open(self._context, view, self._records(view))
        return self._open[view.name]

    def _records(self, view: Round) -> AttemptJournal:
        return self._context.journal.attempt(view.training, view.round, view.attempt)

    def _leave(self, view: Round, code: str) -> None:
        if view.name not in self._damaged:
            self._damaged.add(view.name)
            self._context.metrics.dropped.labels(code).inc()
            log.warning("dropped out", attempt=view.name, code=code)
