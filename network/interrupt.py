"""SIGTERM as an exception, so that whoever started something stops it on the way out."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

TERMINATED = 128 + signal.SIGTERM


@contextmanager
def interruptible() -> Iterator[None]:
    """Let the first SIGTERM raise SystemExit in the main thread, and a second one not disturb what cleans up."""

    def raised(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(TERMINATED)

    before = signal.signal(signal.SIGTERM, raised)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
