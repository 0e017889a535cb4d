"""What a participant keeps for itself of a training from round to round, in files of its node."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from network.files import write_atomically


class OwnStates:
    """The last rounds' of every training. Where it is lost, the next round begins as the first did.

    An attempt that is made again finds what the round before gave, whatever an earlier attempt left.

    Args:
        folder: Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def before(self, training: str, number: int) -> bytes:
        """Returns what the last round before a round gave; empty where none did."""
        earlier = [(at, path) for at, path in self._held(training) if at < number]
        return max(earlier)[1].read_bytes() if earlier else b""

    def keep(self, training: str, number: int, state: bytes) -> None:
        """Keeps what a round gave, and of earlier ones the last."""
        write_atomically(self._folder / f"{_name(training)}-{number}", state, mode=0o600)
        for _, path in sorted(one for one in self._held(training) if one[0] < number)[:-1]:
            path.unlink(missing_ok=True)

    def _held(self, training: str) -> Iterator[tuple[int, Path]]:
        for path in self._folder.glob(f"{_name(training)}-*"):
            number = path.name.rpartition("-")[2]
            if number.isdecimal():
                yield int(number), path


def _name(training: str) -> str:
    return hashlib.sha256(training.encode()).hexdigest()[:32]
