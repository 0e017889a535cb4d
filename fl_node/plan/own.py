"""What a participant keeps for itself of a training from round to round, in files of its node."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from network.files import write_atomically

UNSETTLED: Final = "attempt"


class OwnStates:
    """The last rounds' of every training. Where it is lost, the next round begins as the first did.

    What an attempt gave counts once the attempt is Final with this participant among the survivors: a round finds what
    the last round before it gave that counted, since only that is in the shared state too.

    Args:
        folder: Where the files lie: `TRAINING-ROUND`, and `TRAINING-ROUND-attempt-ATTEMPT` while it is open.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def before(self, training: str, number: int) -> bytes:
        """Returns what the last round before a round gave; empty where none did."""
        earlier = [(at, path) for at, path in self._counted(training) if at < number]
        return max(earlier)[1].read_bytes() if earlier else b""

    def keep(self, training: str, number: int, attempt: int, state: bytes) -> None:
        """Keeps what an attempt gave until it is settled, in the place of any other attempt's."""
        path = self._open(training, number, attempt)
        for other in self._folder.glob(f"{_name(training)}-*-{UNSETTLED}-*"):
            if other != path:
                other.unlink(missing_ok=True)
        write_atomically(path, state, mode=0o600)

    def settle(self, training: str, number: int, attempt: int, *, counted: bool) -> None:
        """Notes whether an attempt that has ended counted; of the rounds before it the last is kept."""
        path = self._open(training, number, attempt)
        if not path.exists():
            return
        if not counted:
            path.unlink()
            return
        path.replace(self._folder / f"{_name(training)}-{number}")
        for _, old in sorted(one for one in self._counted(training) if one[0] < number)[:-1]:
            old.unlink(missing_ok=True)

    def _open(self, training: str, number: int, attempt: int) -> Path:
        return self._folder / f"{_name(training)}-{number}-{UNSETTLED}-{attempt}"

    def _counted(self, training: str) -> Iterator[tuple[int, Path]]:
        for path in self._folder.glob(f"{_name(training)}-*"):
            number = path.name.removeprefix(f"{_name(training)}-")
            if number.isdecimal():
                yield int(number), path


def _name(training: str) -> str:
    return hashlib.sha256(training.encode()).hexdigest()[:32]
