"""The commit hash: what a peer's state updates amount to, chained from block to block.

Peers of one channel that agree on every write agree on it (Fabric: core/ledger/kvledger, addBlockCommitHash).
"""

from hashlib import sha256

from audit.state import Cell, Place


def commit_hash(
    flags: bytes, writes: dict[Place, Cell | None], places: dict[Place, tuple[int, int]], previous: bytes
) -> bytes:
    """Return the commit hash of a block from its validation codes, its final writes and the previous hash.

    `places` gives the version that wrote or deleted each key.
    """
    return sha256(_varint(len(flags)) + flags + _updates(writes, places) + previous).digest()


def _updates(writes: dict[Place, Cell | None], versions: dict[Place, tuple[int, int]]) -> bytes:
    out = bytearray()
    last_ns, last_coll = "", ""
    for place in sorted(writes, key=lambda p: (p[0].encode(), p[1].encode(), p[2])):
        ns, coll, key = place
        cell = writes[place]
        # A name is written where it changes only: public writes of a namespace come before its collections'.
        fields = _text(1, ns if ns != last_ns else "")
        fields += _text(2, coll if (ns, coll) != (last_ns, last_coll) else "")
        fields += _bytes(3, key) + (b"\x20\x01" if cell is None else b"")
        fields += _bytes(5, cell[0] if cell else b"") + _bytes(6, _height(versions[place]))
        out += _bytes(1, fields)
        last_ns, last_coll = ns, coll
    return bytes(out)


def _height(version: tuple[int, int]) -> bytes:
    parts = [n.to_bytes((n.bit_length() + 7) // 8, "big") for n in version]
    return b"".join(bytes([len(part)]) + part for part in parts)


def _text(number: int, value: str) -> bytes:
    return _bytes(number, value.encode())


def _bytes(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(value)) + value if value else b""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
