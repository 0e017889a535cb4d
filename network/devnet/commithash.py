"""The running hash over validation codes and state updates that each peer writes into its blocks' metadata.

Source: core/ledger/kvledger/kv_ledger.go (addBlockCommitHash), txmgmt/txmgr/{update_batch_bytes.go,updates.proto}.
"""

from collections.abc import Mapping

from gateway.encoding import sha256
from network.devnet.private_sets import split_hashes
from network.devnet.rwset import Version


def varint(number: int) -> bytes:
    """Return a protobuf varint."""
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content if content else b""


def version_bytes(version: Version) -> bytes:
    """Return block and transaction number, each as its length and its big-endian bytes without leading zeros."""
    return b"".join(bytes([(n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big") for n in version)


def update_bytes(writes: Mapping[tuple[str, str], tuple[bytes | None, Version]]) -> bytes:
    """Return a block's writes in Fabric's deterministic encoding; a namespace is named at its first key only.

    The empty namespace, where Fabric keeps the channel's configuration, is left out. A collection's hashes follow the
    public writes of their chaincode; the collection too is named at its first key only.
    """
    out = bytearray()
    previous, before = "", ""
    for space, key in sorted(writes):
        if not space:
            continue
        value, version = writes[space, key]
        namespace, collection = split_hashes(space)
        entry = _field(1, namespace.encode() if namespace != previous else b"")
        entry += _field(2, collection.encode() if space != before else b"")
        entry += _field(3, bytes.fromhex(key) if collection else key.encode())
        entry += b"\x20\x01" if value is None else _field(5, value)
        entry += _field(6, version_bytes(version))
        out += _field(1, entry)
        previous, before = namespace, space
    return bytes(out)


def commit_hash(codes: bytes, updates: bytes, previous: bytes) -> bytes:
    """Return the commit hash of a block from its validation codes, updates and the previous block's commit hash."""
    return sha256(varint(len(codes)) + codes + updates + previous)
