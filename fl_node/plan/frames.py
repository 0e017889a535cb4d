"""Messages between a node and its runtime: a JSON header and raw bytes, each with its length in front. Never pickle.

    u32 header length ‖ header ‖ blobs one after the other

The header is a JSON object whose "blobs" lists the blobs' lengths. Integers are big-endian.
"""

import json
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

MAX_HEADER: Final = 4 << 20
"""The longest header, in bytes."""

MAX_BLOBS: Final = 2 << 30
"""The most that the blobs of one message may hold together, in bytes."""


class Closed(Exception):  # noqa: N818 - it is how a conversation ends, not only a failure
    """The other side is gone, or broke off in the middle of a message."""


@dataclass(frozen=True)
class Message:
    """One message: a JSON object and raw blobs."""

    header: dict[str, Any]
    blobs: tuple[bytes, ...] = ()


def send(connection: socket.socket, message: Message) -> None:
    """Sends a message.

    Raises:
        Closed: The other side is gone.
        TimeoutError: It does not take the message in time.
    """
    header = json.dumps({**message.header, "blobs": [len(blob) for blob in message.blobs]}).encode()
    try:
        for part in (struct.pack(">I", len(header)), header, *message.blobs):
            connection.sendall(part)
    except ConnectionError as error:
        raise Closed from error


def receive(connection: socket.socket) -> Message:
    """Receives a message.

    Raises:
        Closed: The other side is gone, or sent what is no message.
        TimeoutError: Nothing came in time.
    """
    (length,) = struct.unpack(">I", _exactly(connection, 4))
    if length > MAX_HEADER:
        raise Closed(f"a header of {length} bytes")
    header, lengths = _header(_exactly(connection, length))
    return Message(header, tuple(_exactly(connection, size) for size in lengths))


def _header(raw: bytes) -> tuple[dict[str, Any], Sequence[int]]:
    """Reads a header; the other side may be a plan that has taken its process over."""
    try:
        header = json.loads(raw)
        lengths = header.pop("blobs")
        sound = type(lengths) is list and all(type(size) is int and size >= 0 for size in lengths)
    except (ValueError, RecursionError, AttributeError, LookupError, TypeError) as error:
        raise Closed(f"no header: {type(error).__name__}") from error
    if not sound or sum(lengths) > MAX_BLOBS:
        raise Closed("a header with lengths that no message has")
    return header, lengths


def _exactly(connection: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size:
        try:
            got = connection.recv_into(view[filled:])
        except ConnectionError as error:
            raise Closed from error
        if not got:
            raise Closed
        filled += got
    return bytes(buffer)
