"""What organisations sign for a registry on an EVM chain, and the registry's check of it, repeated here.

Every digest is SHA-256 over words of 32 bytes: the act, chain id, the registry's address, its epoch, then what is done.
A signature for one chain, registry or set of keys counts nowhere else. PassportRegistry.vy is the twin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from fedledger_passport.contents import STATE, subjects
from fedledger_passport.envelope import HALF_ORDER, Envelope
from fl_node import codes
from fl_node.errors import NodeError

ANCHOR: Final = sha256(b"fedledger/v1/evm-anchor").digest()
WITHDRAW: Final = sha256(b"fedledger/v1/evm-withdraw").digest()
ROTATE: Final = sha256(b"fedledger/v1/evm-rotate").digest()
MOST: Final = 32
"""The most organisations of a registry."""
WORD: Final = 32
Pair = tuple[int, int]
"""A key's x and y, or a signature's r and s."""
_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


@dataclass(frozen=True)
class Place:
    """Where a signature counts: chain id, the registry's address (20 bytes) and the number of its set of keys."""

    chain_id: int
    registry: bytes
    epoch: int

    @property
    def words(self) -> tuple[int, int, int]:
        """The place as it is signed."""
        return self.chain_id, int.from_bytes(self.registry, "big"), self.epoch


@dataclass(frozen=True)
class Anchored:
    """What a registry keeps of a passport; digests are 32 bytes."""

    passport: bytes
    state: bytes
    lineage: bytes
    round: int

    @classmethod
    def of(cls, envelope: Envelope) -> "Anchored":
        """Return that of a passport; it must have been verified."""
        predicate = envelope.statement["predicate"]
        state, root = subjects(envelope.statement)[STATE], predicate["lineage"]["root"]
        passport, state_, root_ = (bytes.fromhex(text) for text in (envelope.digest, state, root))
        return cls(passport, state_, root_, predicate["final"]["round"])

    @property
    def words(self) -> tuple[bytes, bytes, bytes, int]:
        """The same as arguments of the registry's functions."""
        return self.passport, self.state, self.lineage, self.round


def words(*values: int | bytes) -> bytes:
    """Return numbers and digests as words of 32 bytes."""
    return b"".join(value.to_bytes(WORD, "big") if isinstance(value, int) else value for value in values)


def anchor_digest(place: Place, anchored: Anchored) -> bytes:
    """Return what an organisation signs to have a passport anchored."""
    return sha256(words(ANCHOR, *place.words, *anchored.words)).digest()


def withdraw_digest(place: Place, passport: bytes) -> bytes:
    """Return what an organisation signs to have a passport withdrawn."""
    return sha256(words(WITHDRAW, *place.words, passport)).digest()


def rotate_digest(place: Place, keys: Sequence[Pair]) -> bytes:
    """Return what an organisation signs to have the keys replaced."""
    chained = words(len(keys))
    for key in keys:
        chained = sha256(chained + words(*key)).digest()
    return sha256(words(ROTATE, *place.words, chained)).digest()


def key_of(certificate: x509.Certificate) -> Pair:
    """Return a certificate's key.

    Raises:
        NodeError: FL4522, it is none of P-256.
    """
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise NodeError(codes.EVM_REFUSED, "a registry takes keys of P-256 alone")
    numbers = key.public_numbers()
    return numbers.x, numbers.y


def holds(digest: bytes, keys: Sequence[Pair], signers: Sequence[int], signatures: Sequence[Pair]) -> bool:
    """Say whether a registry with these keys takes these signatures of a digest, by the keys at `signers`."""
    if len(signers) != len(signatures) or len(signers) <= len(keys) // 2:
        return False
    if list(signers) != sorted(set(signers)) or not set(signers) <= set(range(len(keys))):
        return False
    return all(_signed(digest, keys[at], pair) for at, pair in zip(signers, signatures, strict=True))


def _signed(digest: bytes, key: Pair, signature: Pair) -> bool:
    r, s = signature
    if s > HALF_ORDER:
        return False
    try:
        public = ec.EllipticCurvePublicNumbers(*key, ec.SECP256R1()).public_key()
        public.verify(utils.encode_dss_signature(r, s), digest, _PREHASHED)
    except (InvalidSignature, ValueError):
        return False
    return True
