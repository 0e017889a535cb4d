"""A YAML file together with the line of every entry, so that an error can say where it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import yaml

from network import codes
from network.errors import NetworkError

Location = tuple[str | int, ...]

MAX_DEPTH: Final = 32
"""The deepest nesting of a definition, which has eight levels."""
QUICK: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The reader written in C, where it is here: ten times as quick, and every command reads the definition."""


@dataclass(frozen=True)
class PlacedYaml:
    """The value of a YAML document and the line of each of its entries."""

    source: str
    value: Any
    lines: dict[Location, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; FL1001 if it is missing, unreadable, not YAML, or names a key twice."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NetworkError(
                codes.DEFINITION_UNREADABLE, f"cannot read the definition: {error}", where=str(path)
            ) from None
        try:
            value, lines = _parsed(text, str(path))
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none, say
            mark = getattr(error, "problem_mark", None)
            where = f"{path}:{mark.line + 1}" if mark else str(path)
            problem = getattr(error, "problem", None) or str(error)
            raise NetworkError(codes.DEFINITION_UNREADABLE, f"not YAML: {problem}", where=where) from None
        return cls(str(path), value, lines)

    def place(self, location: Location) -> str:
        """Return file:line of an entry, or of the nearest entry around it."""
        for length in range(len(location), -1, -1):
            line = self.lines.get(location[:length])
            if line is not None:
                return f"{self.source}:{line}"
        return self.source


def _parsed(text: str, source: str) -> tuple[Any, dict[Location, int]]:
    try:
        return _parsed_by(QUICK, text, source)
    except yaml.YAMLError:  # the reader written in Python says better where
        return _parsed_by(yaml.SafeLoader, text, source)


def _parsed_by(reader: Any, text: str, source: str) -> tuple[Any, dict[Location, int]]:
    """Read a document.

    Refused before anything is built: aliases, since a few lines of them stand for more entries than there is memory,
    and deep nesting, which takes the square of its depth in time.
    """
    depth = 0
    for event in yaml.parse(text, reader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent) or depth > MAX_DEPTH:
            what = "more than 32 levels" if depth > MAX_DEPTH else "aliases (*) are not read"
            place = f"{source}:{event.start_mark.line + 1}" if event.start_mark else source
            raise NetworkError(codes.DEFINITION_UNREADABLE, what, where=place)
    loader = reader(text)
    try:
        node = loader.get_single_node()
        lines = dict(_lines(node, (), 1, source))
        return loader.construct_document(node) if node else None, lines
    finally:
        loader.dispose()


def _lines(node: yaml.Node | None, location: Location, line: int, source: str) -> Iterator[tuple[Location, int]]:
    """Yield the line of every entry: that of its key, or of its first character in a list."""
    yield location, line
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _lines(item, (*location, index), item.start_mark.line + 1, source)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, item in node.value:
            here = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise NetworkError(codes.DEFINITION_UNREADABLE, "a name is a list or a map", where=f"{source}:{here}")
            if key.value in seen:
                raise NetworkError(codes.DEFINITION_UNREADABLE, f"{key.value} is given twice", where=f"{source}:{here}")
            seen.add(key.value)
            yield from _lines(item, (*location, key.value), here, source)
