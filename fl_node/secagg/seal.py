"""Sealed messages from a dealer to its receivers, and the bundle that they travel in (docs/decisions/0008).

A message is AES-256-GCM over both shares and their common audit path, padded so that an attempt's messages have one
length. A bundle is a dealer's messages for all other members of U1, in cohort order.
"""

from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fl_node import codes
from fl_node.canonical import LABEL_SHARE_AAD, tagged_hash
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.merkle import path_length
from fl_node.secagg.shamir import SHARE_BYTES
from fl_node.secagg.shares import Dealt

NONCE: Final = bytes(12)
"""Safe to be constant: a key serves one message, being bound to session, direction and both fresh public keys."""

HASH_BYTES: Final = 32
TAG_BYTES: Final = 16


def sealed_bytes(members: int) -> int:
    """Returns the length of every sealed message among so many members of U1."""
    return _plain_bytes(members) + TAG_BYTES


def bundle_bytes(members: int) -> int:
    """Returns the length of every sealed bundle among so many members of U1."""
    return (members - 1) * sealed_bytes(members)


def part(bundle: bytes, members: Sequence[str], dealer: str, receiver: str) -> bytes:
    """Returns the sealed message to one receiver out of a dealer's bundle; short where the bundle is."""
    size = sealed_bytes(len(members))
    start = size * [name for name in members if name != dealer].index(receiver)
    return bundle[start : start + size]


def seal(session: bytes, ends: tuple[str, str], key: bytes, dealt: Dealt, members: int) -> bytes:
    """Seals what a dealer deals to a receiver, `ends`, under their `share_key`. Call it once per key."""
    plain = dealt.mask + dealt.seed + b"".join(dealt.path)
    aad = tagged_hash(LABEL_SHARE_AAD, session, *ends)
    return AESGCM(key).encrypt(NONCE, plain.ljust(_plain_bytes(members), b"\x00"), aad)


def unseal(session: bytes, ends: tuple[str, str], key: bytes, sealed: bytes, at: tuple[int, int]) -> Dealt:
    """Opens a sealed message.

    Args:
        session: The session digest.
        ends: Dealer and receiver.
        key: Their `share_key`.
        sealed: The message.
        at: The receiver's place in U1, from 0, and how many members U1 has.

    Raises:
        SecaggError: It does not open, or holds something else than shares (FL4102).
    """
    where = " to ".join(ends)
    try:
        plain = AESGCM(key).decrypt(NONCE, sealed, tagged_hash(LABEL_SHARE_AAD, session, *ends))
    except (InvalidTag, ValueError) as error:
        raise SecaggError(codes.BAD_SEAL, "a sealed message does not open", where=where) from error
    start = 2 * SHARE_BYTES
    end = start + HASH_BYTES * path_length(*at)
    if len(plain) != _plain_bytes(at[1]) or any(plain[end:]):
        raise SecaggError(codes.BAD_SEAL, "a sealed message holds no shares", where=where)
    path = tuple(plain[i : i + HASH_BYTES] for i in range(start, end, HASH_BYTES))
    return Dealt(plain[:SHARE_BYTES], plain[SHARE_BYTES:start], path)


def _plain_bytes(members: int) -> int:
    return 2 * SHARE_BYTES + HASH_BYTES * (members - 1).bit_length()
