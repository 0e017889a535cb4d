"""JSON that others wrote: strict, bounded, and held against a schema."""

import json
import re
from typing import Any, Final, NoReturn

MAX_BYTES: Final = 4 << 20
"""The longest JSON that is read, in bytes."""
KINDS: Final[dict[str, type | tuple[type, ...]]] = {"object": dict, "array": list, "string": str, "integer": int}


def parse(raw: bytes) -> Any:
    """Return what JSON says.

    Raises:
        ValueError: it is too long, no JSON in UTF-8, names a key twice, or holds a number that is no integer.
    """
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{len(raw)} bytes, at most {MAX_BYTES}")
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float)
        canonical(found)  # half of a surrogate pair is no text
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return found


def canonical(value: Any) -> bytes:
    """Return the one form of a value: keys in code point order, no white space, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def problem(value: Any, schema: dict[str, Any], place: str = "") -> str:
    """Return where a value does not follow a schema, "" where it does.

    Of JSON Schema this knows what schema.json uses: type, pattern, minimum, maxLength, minItems, items, properties,
    required, additionalProperties.
    """
    kind = schema.get("type")
    if kind and (not isinstance(value, KINDS[kind]) or isinstance(value, bool)):
        return f"{place or 'it'} is no {kind}"
    if isinstance(value, dict):
        return _object_problem(value, schema, place)
    if isinstance(value, list):
        few = len(value) < schema.get("minItems", 0)
        found = (problem(item, schema["items"], f"{place}[{at}]") for at, item in enumerate(value))
        return f"{place} has {len(value)} items" if few else next(filter(None, found), "")
    return _scalar_problem(value, schema, place)


def _object_problem(value: dict[str, Any], schema: dict[str, Any], place: str) -> str:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    missing = [key for key in schema.get("required", ()) if key not in value]
    if missing:
        return f"{place or 'it'} lacks {missing[0]}"
    for key, item in value.items():
        if key not in known and others is False:
            return f"{place or 'it'} has another field, {key!r:.40}"
        if found := problem(item, known.get(key, others), f"{place}.{key}" if place else key):
            return found
    return ""


def _scalar_problem(value: Any, schema: dict[str, Any], place: str) -> str:
    if isinstance(value, int) and not schema.get("minimum", value) <= value < 1 << 63:
        return f"{place} is {value}"
    if isinstance(value, str):
        wrong = "pattern" in schema and not re.fullmatch(schema["pattern"].removeprefix("^").removesuffix("$"), value)
        if wrong or len(value) > schema.get("maxLength", len(value)):
            return f"{place} is {value!r:.80}"
    return ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is no integer")
