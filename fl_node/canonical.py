"""Canonical JSON and the tagged hash: the two encodings that every digest of fedledger rests on.

The Go twin is chaincode/codec; tests/vectors/canonical.json and tagged_hash.json are run by both.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any, Final, NoReturn

MAX_BYTES: Final = 1 << 20
"""The longest JSON that `decode_strict` reads, in bytes."""

MAX_DEPTH: Final = 16
"""The deepest nesting of arrays and objects."""

LABEL_BEACON_FIRST: Final = "fedledger/v1/beacon-first"
LABEL_BEACON_COMMITMENT: Final = "fedledger/v1/beacon-commitment"
LABEL_BEACON: Final = "fedledger/v1/beacon"
LABEL_BEACON_VOID: Final = "fedledger/v1/beacon-void"
LABEL_DRAW: Final = "fedledger/v1/draw"
LABEL_SESSION: Final = "fedledger/v1/session"
LABEL_GROUPS: Final = "fedledger/v1/groups"
LABEL_BUCKETS: Final = "fedledger/v1/buckets"
LABEL_LAYOUT: Final = "fedledger/v1/layout"
LABEL_SEED_COMMITMENT: Final = "fedledger/v1/seed-commitment"
LABEL_SHARE_LEAF: Final = "fedledger/v1/share-leaf"
LABEL_DEALING: Final = "fedledger/v1/dealing"
LABEL_SHARE: Final = "fedledger/v1/share"
LABEL_SHARE_AAD: Final = "fedledger/v1/share-aad"
LABEL_MASK_SELF: Final = "fedledger/v1/mask-self"
LABEL_MASK_PAIR: Final = "fedledger/v1/mask-pair"
LABEL_SETTLED: Final = "fedledger/v1/settled"


class CanonicalError(ValueError):
    """The value or text has no canonical form.

    Attributes:
        kind: Why, as the failure names of the vectors: too-large, too-deep, not-text, bad-syntax, duplicate-key,
            not-integer or wrong-type.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind


def prefixed(part: bytes) -> bytes:
    """Returns lp(part): a 4-byte big-endian length, then the bytes."""
    return struct.pack(">I", len(part)) + part


def tagged_hash(label: str, *parts: bytes | str | int) -> bytes:
    """Hashes a list of parts under a label: SHA-256(lp(label) ‖ lp(part)…).

    Args:
        label: One of the `LABEL_` constants.
        *parts: Bytes as they are, text as UTF-8, integers of 64 bits as 8 bytes big-endian.

    Returns:
        32 bytes.
    """
    digest = hashlib.sha256(prefixed(label.encode()))
    for part in parts:
        digest.update(prefixed(_part(part)))
    return digest.digest()


def _part(part: bytes | str | int) -> bytes:
    if isinstance(part, int):
        return struct.pack(">Q", part)
    return part.encode() if isinstance(part, str) else bytes(part)


def canonical_json(value: Any) -> bytes:
    r"""Encodes a value as canonical JSON.

    Keys are sorted by code point, there is no white space, only `"`, `\` and control characters are escaped, and
    numbers are integers from -2^63 to 2^64-1.

    Raises:
        CanonicalError: The value has no canonical form; `kind` says why.
    """
    _check(value, 0)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise CanonicalError("not-text", "half a surrogate pair") from error
    if len(raw) > MAX_BYTES:
        raise CanonicalError("too-large", f"{len(raw)} bytes, at most {MAX_BYTES}")
    return raw


def decode_strict(raw: bytes) -> Any:
    """Reads exactly one JSON value, refusing duplicate keys, non-integers, half surrogates and oversize or deep input.

    Raises:
        CanonicalError: The text is refused; `kind` says why.
    """
    if len(raw) > MAX_BYTES:
        raise CanonicalError("too-large", f"{len(raw)} bytes, at most {MAX_BYTES}")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise CanonicalError("not-text", "invalid UTF-8") from error
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise CanonicalError("bad-syntax", f"not one JSON value (character {error.pos})") from error
    except RecursionError as error:
        raise CanonicalError("too-deep", f"at most {MAX_DEPTH} levels") from error
    canonical_json(value)
    return value


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH or (depth == MAX_DEPTH and isinstance(value, dict | list | tuple)):
        raise CanonicalError("too-deep", f"at most {MAX_DEPTH} levels")
    if isinstance(value, bool | str | None):
        return
    if isinstance(value, int):
        _check_integer(value)
    elif isinstance(value, dict):
        _check_keys(value)
        _check_all(list(value.values()), depth + 1)
    elif isinstance(value, list | tuple):
        _check_all(value, depth + 1)
    else:
        kind = "not-integer" if isinstance(value, float) else "wrong-type"
        raise CanonicalError(kind, f"{type(value).__name__} has no canonical form")


def _check_all(values: Sequence[Any], depth: int) -> None:
    for value in values:
        _check(value, depth)


def _check_keys(value: dict[Any, Any]) -> None:
    if not all(isinstance(key, str) for key in value):
        raise CanonicalError("wrong-type", "keys are text")


def _check_integer(value: int) -> None:
    if not -(1 << 63) <= value < 1 << 64:
        raise CanonicalError("not-integer", "outside 64 bits")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        raise CanonicalError("duplicate-key", next(repr(name) for name in names if names.count(name) > 1))
    return members


def _integer(text: str) -> int:
    if text == "-0" or len(text) > len("-9223372036854775808"):
        raise CanonicalError("not-integer", text[:40])
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise CanonicalError("not-integer", text[:40])


def _no_constant(text: str) -> NoReturn:
    raise CanonicalError("bad-syntax", text)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_no_number, parse_constant=_no_constant
)
