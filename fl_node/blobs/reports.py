"""What the blob service logs of callers' doings: little and seldom, for who writes the cause also fills the disk."""

import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

EVERY_S: Final = 30.0
"""How often each kind of thing is logged at most."""
LONGEST: Final = 200
"""Characters of a text that a caller may have influenced."""

log = structlog.get_logger("blobs")


class Reports(logging.Handler):
    """Logs each kind of event at once and then every EVERY_S, with how often it came in between.

    As a handler it takes what aiohttp logs of a failed request, and keeps of the error only type and place.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def tell(self, what: str, **facts: Any) -> None:
        """Log an event; `what` is one of a few kinds, never a caller's words."""
        now = self._clock()
        if now - self._told.get(what, -EVERY_S) < EVERY_S:
            self._untold[what] = self._untold.get(what, 0) + 1
            return
        self._told[what] = now
        shortened = {name: str(fact)[:LONGEST] for name, fact in facts.items()}
        log.warning(what, untold=self._untold.pop(what, 0), **shortened)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record of aiohttp's."""
        error = record.exc_info[1] if record.exc_info else None
        frames = traceback.extract_tb(error.__traceback__) if error else []
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        self.tell("a request failed", error=type(error).__name__, place=place)


def logger(reports: Reports) -> logging.Logger:
    """Return a logger whose records go to the reports and nowhere else."""
    made = logging.getLogger("fl_node.blobs")
    made.handlers, made.propagate = [reports], False
    return made
