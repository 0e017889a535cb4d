"""A YAML file together with the line of every entry, so that an error can say where it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from network import codes
from network.errors import NetworkError

Location = tuple[str | int, ...]


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
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            lines = dict(_lines(node, (), 1, str(path)))
            value = loader.construct_document(node) if node else None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{path}:{mark.line + 1}" if mark else str(path)
            problem = getattr(error, "problem", None) or str(error)
            raise NetworkError(codes.DEFINITION_UNREADABLE, f"not YAML: {problem}", where=where) from None
        finally:
            loader.dispose()
        return cls(str(path), value, lines)

    def place(self, location: Location) -> str:
        """Return file:line of an entry, or of the nearest entry around it."""
        for length in range(len(location), -1, -1):
            line = self.lines.get(location[:length])
            if line is not None:
                return f"{self.source}:{line}"
        return self.source


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
            if key.value in seen:
                raise NetworkError(codes.DEFINITION_UNREADABLE, f"{key.value} is given twice", where=f"{source}:{here}")
            seen.add(key.value)
            yield from _lines(item, (*location, key.value), here, source)
