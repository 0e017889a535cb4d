"""What a caller may hand to a chaincode: text and bytes, nothing that would have to be guessed."""

from collections.abc import Mapping, Sequence


def encode_arguments(function: str, arguments: Sequence[object]) -> tuple[bytes, ...]:
    """Return a function's name and its arguments as bytes; text is UTF-8.

    Raises:
        TypeError: one is neither text nor bytes-like; it says which, and what it is.
        ValueError: a text holds half a surrogate pair, which UTF-8 cannot carry.
    """
    named = ((f"argument {number} of {function!r}", value) for number, value in enumerate(arguments, 1))
    return tuple(_encoded(what, value) for what, value in (("the function's name", function), *named))


def encode_transient(transient: Mapping[str, object] | None) -> dict[str, bytes]:
    """Return transient data as bytes; raises what encode_arguments raises."""
    return {name: _encoded(f"transient {name!r}", value) for name, value in (transient or {}).items()}


def _encoded(what: str, value: object) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{what} cannot be written as UTF-8: {error.reason} at {error.start}") from None
    try:
        # Not bytes(value): of the number 5 that makes five zero bytes, of a list of numbers its bytes.
        return memoryview(value).tobytes()  # type: ignore[arg-type]
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{what} is of type {kind}: give str or a bytes-like object, such as json.dumps(…)") from None
