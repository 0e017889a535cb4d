"""The commit hash: what a peer's state updates amount to, chained from block to block.

Peers of one channel that agree on every write agree on it (Fabric: core/ledger/kvledger, addBlockCommitHash).
"""

from hashlib import sha256

from audit.fabric.state import Place, Write
from audit.fabric.wire import Version

VARINT_MORE = 0x80
"""The bit that says that a varint goes on."""


def commit_hash(flags: bytes, writes: dict[Place, Write], previous: bytes) -> bytes:
    """Return the commit hash of a block from its validation codes, its final writes and the previous hash."""
    return sha256(_varint(len(flags)) + flags + _updates(writes) + previous).digest()


def _updates(writes: dict[Place, Write]) -> bytes:
    out = bytearray()
    last_ns, last_coll = "", ""
    for place in sorted(writes, key=lambda p: (p[0].encode(), p[1].encode(), p[2])):
        ns, coll, key = place
        value, version = writes[place]
        # A name is written where it changes only: public writes of a namespace come before its collections'.
        fields = _text(1, ns if ns != last_ns else "")
        fields += _text(2, coll if (ns, coll) != (last_ns, last_coll) else "")
        fields += _bytes(3, key) + (b"\x20\x01" if value is None else b"")
        fields += _bytes(5, value or b"") + _bytes(6, _height(version))
        out += _bytes(1, fields)
        last_ns, last_coll = ns, coll
    return bytes(out)


def _height(version: Version) -> bytes:
    parts = [n.to_bytes((n.bit_length() + 7) // 8, "big") for n in version]
    return b"".join(bytes([len(part)]) + part for part in parts)


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _bytes(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value if value else b""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= VARINT_MORE:
        out.append(number % VARINT_MORE | VARINT_MORE)
        number >>= 7
    out.append(number)
    return bytes(out)
