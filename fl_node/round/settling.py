"""Folds the rewards of rounds that are Final, in the background: nothing in a round depends on it."""

import asyncio
from typing import Final

import structlog

from fl_node.ledger.client import Ledger, LedgerError
from fl_node.ledger.records import Round
from fl_node.round.effects import DONE_ALREADY

log = structlog.get_logger("node")
PAUSE_S: Final = 2.0
TRIES: Final = 5


class Settling:
    """Settles each round at most once a process; another node, or a later round, may do it as well."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled: set[tuple[str, int]] = set()

    def start(self, view: Round) -> None:
        """Settle a round that is Final, and the one before it, where nobody has."""
        for number in (view.round - 1, view.round):
            if number > 0 and (view.training, number) not in self._settled:
                self._settled.add((view.training, number))
                task = asyncio.create_task(self._settle(view.training, number))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def settled(self, training: str, number: int) -> None:
        """Note that somebody has settled a round."""
        self._settled.add((training, number))

    async def close(self) -> None:
        """Stop what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _settle(self, training: str, number: int) -> None:
        for _ in range(TRIES):
            try:
                await self._ledger.submit("Settle", training=training, round=number)
            except LedgerError as error:
                if error.code in DONE_ALREADY:
                    return
                log.warning("not settled yet", training=training, round=number, **error.as_json())
                await asyncio.sleep(PAUSE_S)
            else:
                return
