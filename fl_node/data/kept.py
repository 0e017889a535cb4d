"""A participant's examples, read once and kept while the files, and their description, do not change."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from fl_node.data.beside import beside
from fl_node.data.examples import Examples, load_examples
from fl_node.data.schema import Schema

Read = TypeVar("Read")


class Kept(Generic[Read]):
    """What was read under a path; it is read again only after the files changed."""

    def __init__(self) -> None:
        self._kept: dict[Path, tuple[Any, Read]] = {}

    def get(self, path: Path, read: Callable[[], Read]) -> Read:
        """Returns what is kept of a path, else what `read` returns."""
        files = sorted(path.rglob("*")) if path.is_dir() else [path, beside(path)]
        stamp = [(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()]
        known = self._kept.get(path)
        if known is None or known[0] != stamp:
            known = self._kept[path] = (stamp, read())
        return known[1]


class KeptExamples:
    """Loads rows as a plan takes them; the files are read again only after they changed."""

    def __init__(self, schema: Schema, holdout_percent: int) -> None:
        self._schema, self._holdout = schema, holdout_percent
        self._kept: Kept[tuple[Examples, Examples]] = Kept()

    def load(self, path: Path) -> tuple[Examples, Examples]:
        """Returns the training and the hold-out rows under a path; see `load_examples`."""
        return self._kept.get(path, lambda: load_examples(path, self._schema, self._holdout))
