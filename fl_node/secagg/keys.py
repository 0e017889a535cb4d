"""X25519 key pairs, their checks, and the keys derived from them."""

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fl_node import codes
from fl_node.canonical import (
    LABEL_DEALING,
    LABEL_MASK_PAIR,
    LABEL_MASK_SELF,
    LABEL_SEED_COMMITMENT,
    LABEL_SHARE,
    canonical_json,
    decode_strict,
    prefixed,
    tagged_hash,
)
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.shamir import Entropy

KEY_BYTES: Final = 32
FIELD_PRIME: Final = (1 << 255) - 19
_PROBE: Final = X25519PrivateKey.from_private_bytes(b"\x55" * KEY_BYTES)


@dataclass(frozen=True)
class KeyPair:
    """An X25519 key pair; the secret half never shows in `repr`."""

    secret: bytes = field(repr=False)
    public: bytes
    private: X25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, secret: bytes) -> "KeyPair":
        """Returns the pair of 32 secret bytes; clamping stays inside X25519."""
        private = X25519PrivateKey.from_private_bytes(secret)
        return cls(secret, private.public_key().public_bytes_raw(), private)


@dataclass(frozen=True)
class PublicKeys:
    """The two public keys of a participant for one attempt: `seal` for shares, `mask` for masks."""

    seal: bytes
    mask: bytes


@dataclass(frozen=True)
class Secrets:
    """The secrets of one attempt: both key pairs and the self-mask seed b."""

    seal: KeyPair
    mask: KeyPair
    seed: bytes = field(repr=False)

    @classmethod
    def fresh(cls, entropy: Entropy) -> "Secrets":
        """Draws new secrets."""
        return cls(KeyPair.of(entropy(KEY_BYTES)), KeyPair.of(entropy(KEY_BYTES)), entropy(KEY_BYTES))

    @classmethod
    def decode(cls, raw: bytes) -> "Secrets":
        """Reads the record."""
        fields = {name: bytes.fromhex(value) for name, value in decode_strict(raw).items()}
        return cls(KeyPair.of(fields["seal"]), KeyPair.of(fields["mask"]), fields["seed"])

    def encode(self) -> bytes:
        """Writes the record."""
        return canonical_json({"seal": self.seal.secret.hex(), "mask": self.mask.secret.hex(), "seed": self.seed.hex()})

    @property
    def public(self) -> PublicKeys:
        """Both public keys."""
        return PublicKeys(self.seal.public, self.mask.public)


def check_public_key(key: bytes) -> None:
    """Refuses another length, a coordinate of 2^255-19 or more, and points of low order (FL4101).

    A second spelling of the same key would pass a test of uniqueness, and a point of low order gives a secret that
    anyone knows. Clamped scalars are multiples of the cofactor: they send exactly the points of low order to zero.
    """
    if len(key) != KEY_BYTES or int.from_bytes(key, "little") >= FIELD_PRIME:
        raise SecaggError(codes.BAD_KEY, "a public key has 32 bytes and a reduced coordinate")
    agree(_PROBE, key)


def agree(private: X25519PrivateKey, public: bytes) -> bytes:
    """Returns the X25519 shared secret; an all-zero one is refused (FL4101)."""
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise SecaggError(codes.BAD_KEY, "a public key is a point of low order") from error


def derive(secret: bytes, session: bytes, label: str, *parts: bytes) -> bytes:
    """Returns 32 bytes of HKDF-SHA256 (RFC 5869): salt is the session, info the label and parts, length-prefixed."""
    info = b"".join(prefixed(part) for part in (label.encode(), *parts))
    return HKDF(hashes.SHA256(), KEY_BYTES, session, info).derive(secret)


def seed_commitment(session: bytes, participant: str, seed: bytes) -> bytes:
    """Returns the digest that binds a participant to its seed b before it sees anyone else's."""
    return tagged_hash(LABEL_SEED_COMMITMENT, session, participant, seed)


def self_key(session: bytes, participant: str, seed: bytes, mask_key: bytes) -> bytes:
    """Returns the AES key of a participant's own mask; the seed b itself is never a key."""
    return derive(seed, session, LABEL_MASK_SELF, participant.encode(), mask_key)


def pair_key(session: bytes, own: KeyPair, public: bytes, low: tuple[str, bytes], high: tuple[str, bytes]) -> bytes:
    """Returns the AES key of the mask between two participants.

    Args:
        session: Session digest.
        own: Mask key pair of either.
        public: Public mask key of the other.
        low: Id and public mask key of the one earlier in the cohort.
        high: The same of the later one.
    """
    parts = (low[0].encode(), high[0].encode(), low[1], high[1])
    return derive(agree(own.private, public), session, LABEL_MASK_PAIR, *parts)


def share_key(
    session: bytes, own: KeyPair, public: bytes, dealer: tuple[str, bytes], receiver: tuple[str, bytes]
) -> bytes:
    """Returns the AES-256-GCM key of the one message from a dealer to a receiver; arguments as in `pair_key`."""
    parts = (dealer[0].encode(), receiver[0].encode(), dealer[1], receiver[1])
    return derive(agree(own.private, public), session, LABEL_SHARE, *parts)


def dealing_entropy(session: bytes, own: KeyPair, keys: bytes) -> Entropy:
    """Returns the source of a dealer's polynomials: the same for the same keys, unpredictable without `own`.

    A machine that was set back deals the same shares again, byte for byte: nobody can hold two bundles that were sealed
    under the same keys (docs/decisions/0033).

    Args:
        session: Session digest.
        own: The dealer's seal key pair, of which nothing is ever shared or revealed.
        keys: Digest of the keys of U1 (`records.keys_digest`).
    """
    key = derive(own.secret, session, LABEL_DEALING, keys)
    stream = Cipher(AES256(key), CTR(bytes(16))).encryptor()  # each key serves one dealing: the counter begins at zero
    return lambda count: stream.update(bytes(count))
