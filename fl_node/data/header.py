"""Where the schema's columns stand in a file, by its header."""

import json
from collections.abc import Sequence
from typing import Final

from fl_node import codes
from fl_node.data.description import Description
from fl_node.data.errors import DataError, data_error

_SHOWN: Final = 300
_OTHER_SEPARATORS: Final = (";", "\t", "|", ",")


def locate(header: Sequence[str], wanted: Sequence[str], description: Description, file: str) -> dict[str, int]:
    """Return the place of every wanted column in a header.

    The name in the file is the schema's, or what the description says. White space around it does not count, where no
    name matches with it.

    Raises:
        DataError: FL3103 for a column that is absent or stands twice; the refusal shows the header found.
    """
    own = {schema: name for name, schema in description.columns.items()}
    exact, trimmed = _places(header), _places([name.strip() for name in header])
    found: dict[str, list[int]] = {}
    for name in wanted:
        due = own.get(name, name)
        found[name] = exact.get(due) or trimmed.get(due.strip()) or []
    absent = [name for name, places in found.items() if not places]
    if absent:
        raise _absent(absent, own, header, file)
    doubled = [name for name, places in found.items() if len(places) > 1]
    if doubled:
        raise data_error(codes.WRONG_COLUMNS, f"column {doubled[0]!r} stands twice; {_shown(header)}", file)
    return {name: places[0] for name, places in found.items()}


def _places(header: Sequence[str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for at, name in enumerate(header):
        places.setdefault(name, []).append(at)
    return places


def _absent(absent: list[str], own: dict[str, str], header: Sequence[str], file: str) -> DataError:
    name = absent[0]
    called = f", called {own[name]!r} in data.yaml," if name in own else ""
    text = f"column {name!r}{called} is not there ({len(absent)} in all); {_shown(header)}"
    return data_error(codes.WRONG_COLUMNS, text + mend(header), file)


def mend(header: Sequence[str]) -> str:
    """Return what data.yaml would have to say, where a header is no header of columns."""
    if header and header[0].startswith("#"):
        return '; if that is a comment, say `comment: "#"` in data.yaml'
    found = next((mark for mark in _OTHER_SEPARATORS if len(header) == 1 and mark in header[0]), None)
    return f"; to split it there, say `separator: {json.dumps(found)}` in data.yaml" if found else ""


def _shown(header: Sequence[str]) -> str:
    text = ", ".join(repr(name[:40]) for name in header[:50])
    return f"the header is {text[:_SHOWN]}{' …' if len(text) > _SHOWN or len(header) > 50 else ''}"  # noqa: PLR2004
