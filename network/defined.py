"""An organisation's own definition as it is at each moment: commands bring it after the channel while nodes run."""

from collections.abc import Callable, ItemsView, Iterator, Mapping
from pathlib import Path
from typing import Any

from network.connection import consortium_of
from network.errors import NetworkError
from network.folders import definition_path
from network.topology import Consortium, load_consortium

Defined = Callable[[], Consortium]
"""What gives the definition as it is now."""


class Definition:
    """The definition in a run folder, read again whenever its file is another; while that is damaged the last holds."""

    def __init__(self, run: Path, log: Any) -> None:
        """Read it; FL1020 if there is none, FL1001 or FL1002 if it is no consortium."""
        self._path, self._log = definition_path(run), log
        self._mark = _mark(self._path)
        self._consortium = consortium_of(run)

    def __call__(self) -> Consortium:
        """Return the consortium as it is defined now."""
        mark = _mark(self._path)
        if mark != self._mark:
            self._mark = mark
            try:
                self._consortium = load_consortium(self._path)
            except NetworkError as error:
                self._log.warning("the definition cannot be read, the last one holds", **error.as_json())
            else:
                self._log.info("the definition is read again")
        return self._consortium


class BlobServices(Mapping[str, str]):
    """The URL of every blob service that others can reach, by organisation, as the definition has them now."""

    def __init__(self, defined: Defined) -> None:
        self._defined = defined
        self._of: Consortium | None = None
        self._services: dict[str, str] = {}

    def __getitem__(self, organisation: str) -> str:
        return self._now()[organisation]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())

    def items(self) -> ItemsView[str, str]:
        """Return all as they are at one moment: to ask for each by itself looks at the definition's file every time."""
        return self._now().items()

    def _now(self) -> dict[str, str]:
        consortium = self._defined()
        if consortium is not self._of:
            self._of, self._services = consortium, consortium.blob_services
        return self._services


def _mark(path: Path) -> tuple[int, ...]:
    """Return what differs between two files that were put in one place."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size
