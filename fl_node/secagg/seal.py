"""The one sealed message from a dealer to a receiver: AES-256-GCM over both shares and their common audit path."""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fl_node.canonical import LABEL_SHARE_AAD, tagged_hash
from fl_node.secagg.errors import BAD_SEAL, SecaggError
from fl_node.secagg.shamir import SHARE_BYTES
from fl_node.secagg.shares import Dealt

NONCE: Final = bytes(12)
"""Safe to be constant: a key serves one message, being bound to session, direction and both fresh public keys."""

HASH_BYTES: Final = 32


def seal(session: bytes, dealer: str, receiver: str, key: bytes, dealt: Dealt) -> bytes:
    """Seals what a dealer deals to a receiver under their `share_key`. Call it once per key."""
    plain = dealt.mask + dealt.seed + b"".join(dealt.path)
    return AESGCM(key).encrypt(NONCE, plain, tagged_hash(LABEL_SHARE_AAD, session, dealer, receiver))


def unseal(session: bytes, dealer: str, receiver: str, key: bytes, sealed: bytes) -> Dealt:
    """Opens a sealed message.

    Raises:
        SecaggError: It does not open, or holds something else than shares (FL4102).
    """
    try:
        plain = AESGCM(key).decrypt(NONCE, sealed, tagged_hash(LABEL_SHARE_AAD, session, dealer, receiver))
    except (InvalidTag, ValueError) as error:
        raise SecaggError(BAD_SEAL, "a sealed message does not open", where=f"{dealer} to {receiver}") from error
    start = 2 * SHARE_BYTES
    if len(plain) < start or (len(plain) - start) % HASH_BYTES:
        raise SecaggError(BAD_SEAL, "a sealed message holds no shares", where=f"{dealer} to {receiver}")
    path = tuple(plain[i : i + HASH_BYTES] for i in range(start, len(plain), HASH_BYTES))
    return Dealt(plain[:SHARE_BYTES], plain[SHARE_BYTES:start], path)
