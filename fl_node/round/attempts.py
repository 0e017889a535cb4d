"""All attempts that a node knows: where it stands in each, dropping out, forgetting."""

from typing import Final, Protocol

import structlog

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.journal.journal import AttemptJournal
from fl_node.ledger.records import OVER, Round, Training
from fl_node.metrics import Metrics
from fl_node.round import ahead
from fl_node.round.duty import LocalState
from fl_node.round.masking import Attempt, AttemptDependencies
from fl_node.round.recorded import KEYS, MASKED, REVEAL, SHARES

log = structlog.get_logger("participant")
DROPPED: Final = "dropped"
RECORDED: Final = frozenset({KEYS, SHARES, MASKED, REVEAL})


class AttemptsDependencies(AttemptDependencies, Protocol):
    """What keeping attempts needs of the node."""

    msp: str
    metrics: Metrics
    restored_ms: int
    """When the organisation's folder was restored from a backup, milliseconds since 1970; 0: never."""


class Attempts:
    """Opens each attempt once a process; everything that must survive the process is in the journal."""

    def __init__(self, node: AttemptsDependencies) -> None:
        self._node = node
        self._open: dict[str, Attempt] = {}
        self._left: dict[str, str] = {}  # attempt → why
        self._notes = node.store.notes(node.organisation)

    def local_state(self, view: Round, training: Training) -> LocalState:
        """Return the node's side of an attempt, as the journal has it."""
        node = self._node
        try:
            records = self.records(view)
            if view.phase not in OVER:
                ahead.adopt(node.journal, records, view, node.me)
        except NodeError as error:
            self._leave(view, error.code)
            return LocalState(node.me, node.msp, dropped=error.code, running=training.running)
        said = view.dropouts.get(node.me)  # on the ledger for good, whatever this node remembers of it
        told = said.reason if said else ""
        done = RECORDED & set(records.kinds())
        noted = {kind for kind in (SHARES, MASKED) if f"{view.name} {kind}" in self._notes}
        if noted - done and view.phase not in OVER:
            # dealing again would seal, masking again would mask, twice with the same keys
            self._leave(view, codes.JOURNAL_RESTORED)
        if view.opened_ms < node.restored_ms and view.phase not in OVER:
            # what this node did in it before its disk was lost is in no journal: nothing of it may be done again
            self._leave(view, codes.JOURNAL_RESTORED)
        unfit = node.workshop.unfit(view.plan)
        if unfit and node.me in view.cohort and view.phase not in OVER:
            self._leave(view, unfit)
        return LocalState(
            node.me,
            node.msp,
            done,
            dropped=unfit or self._left.get(view.name) or (records.get(DROPPED) or b"").decode() or told,
            running=training.running,
            trained=node.workshop.trained(view),
            ready=node.workshop.ready(view.plan),
        )

    async def opened(self, view: Round) -> Attempt:
        """Return the attempt, started where it is not yet; errors as `Attempt.open`."""
        if view.name not in self._open:
            self._open[view.name] = await Attempt.open(self._node, view, self.records(view))
        return self._open[view.name]

    def records(self, view: Round) -> AttemptJournal:
        """Return the attempt's journal.

        Raises:
            NodeError: FL4201, it is damaged.
        """
        return self._node.journal.attempt(view.training, view.round, view.attempt)

    def drop(self, view: Round, code: str) -> None:
        """Leave an attempt for good, also over a restart."""
        self._leave(view, code)
        self.records(view).record(DROPPED, code.encode())

    def forget(self, view: Round) -> None:
        """Erase the secrets of an attempt that is over, or that has sealed and masked nothing yet."""
        self._open.pop(view.name, None)
        self._node.journal.forget(view.training, view.round, view.attempt)

    def _leave(self, view: Round, code: str) -> None:
        if view.name not in self._left:
            self._left[view.name] = code
            self._node.metrics.dropped.labels(code).inc()
            log.warning("dropped out", attempt=view.name, code=code)
