"""What a caller may hand to a chaincode: text and bytes, nothing that would have to be guessed."""

from collections.abc import Mapping, Sequence


def encode_arguments(function: str, arguments: Sequence[object]) -> tuple[bytes, ...]:
    """Return a function's name and its arguments as bytes; text is UTF-8.

    Raises:
        TypeError: one is neither text nor bytes-like; it says which, and what it is.
        ValueError: a text holds half a surrogate pair, which UTF-8 cannot carry.
    """
    encoded = [_encoded(function, "the function's name")]
    encoded += [_encoded(value, "argument {} of {!r}", at, function) for at, value in enumerate(arguments, 1)]
    return tuple(encoded)


def encode_transient(transient: Mapping[str, object] | None) -> dict[str, bytes]:
    """Return transient data as bytes; raises what encode_arguments raises."""
    return {name: _encoded(value, "transient {!r}", name) for name, value in (transient or {}).items()}


def _encoded(value: object, what: str, *which: object) -> bytes:
    """Return a value as bytes; an error calls it `what`, with `which` filled in."""
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            named = what.format(*which)
            raise ValueError(f"{named} cannot be written as UTF-8: {error.reason} at {error.start}") from None
    try:
        # Not bytes(value): of the number 5 that makes five zero bytes, of a list of numbers its bytes.
        return memoryview(value).tobytes()  # type: ignore[arg-type]
    except TypeError:
        named, kind = what.format(*which), type(value).__name__
        raise TypeError(f"{named} is of type {kind}: give str or a bytes-like object, such as json.dumps(…)") from None
