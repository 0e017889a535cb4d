"""A participant's examples, read once and kept while the files, and their description, do not change."""

from pathlib import Path
from typing import Any

from fl_node.data.beside import beside
from fl_node.data.examples import Examples, load_examples
from fl_node.data.schema import Schema


class KeptExamples:
    """Loads rows as a plan takes them; the files are read again only after they changed."""

    def __init__(self, schema: Schema, holdout_percent: int) -> None:
        self._schema, self._holdout = schema, holdout_percent
        self._kept: dict[Path, tuple[Any, tuple[Examples, Examples]]] = {}

    def load(self, path: Path) -> tuple[Examples, Examples]:
        """Returns the training and the hold-out rows under a path; see `load_examples`."""
        files = sorted(path.rglob("*")) if path.is_dir() else [path, beside(path)]
        stamp = [(file, file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()]
        if self._kept.get(path, (None,))[0] != stamp:
            self._kept[path] = (stamp, load_examples(path, self._schema, self._holdout))
        return self._kept[path][1]
