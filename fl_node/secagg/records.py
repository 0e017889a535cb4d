"""What a participant remembers of an attempt across a crash: where it keeps it, and each record as canonical JSON.

The records `secrets` and `dealing` hold secrets: whoever stores them encrypts them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fl_node.canonical import canonical_json, decode_strict
from fl_node.secagg.keys import PublicKeys
from fl_node.secagg.messages import CommitShares
from fl_node.secagg.shares import Dealt


class AttemptRecords(Protocol):
    """Durable, private storage of an attempt's small records."""

    def read(self, key: str) -> bytes | None:
        """Returns the record, or None where there is none."""

    def write(self, key: str, value: bytes) -> None:
        """Stores a record; on return it MUST survive a crash of the process and of the machine."""


class MemoryRecords:
    """Records that live as long as the process, for simulations and tests."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"MemoryRecords({len(self.records)} records)"

    def read(self, key: str) -> bytes | None:
        """Returns the record, or None."""
        return self.records.get(key)

    def write(self, key: str, value: bytes) -> None:
        """Stores a record."""
        self.records[key] = value


@dataclass(frozen=True)
class Dealing:
    """What was dealt: kept so that a sealed bundle is only ever resent byte for byte.

    Attributes:
        keys: Digest of the keys of U1 that it was dealt for.
        own: The dealer's own shares.
        bundle: The sealed messages for all other members, in cohort order.
    """

    keys: bytes
    seed_commitment: bytes
    shares_root: bytes
    own: Dealt
    bundle: bytes = field(repr=False)

    @classmethod
    def decode(cls, raw: bytes) -> "Dealing":
        """Reads the record."""
        fields = decode_strict(raw)
        own = fields["own"]
        path = tuple(bytes.fromhex(node) for node in own["path"])
        dealt = Dealt(bytes.fromhex(own["mask"]), bytes.fromhex(own["seed"]), path)
        keys, seed, root = (bytes.fromhex(fields[name]) for name in ("keys", "seed_commitment", "shares_root"))
        return cls(keys, seed, root, dealt, bytes.fromhex(fields["bundle"]))

    def encode(self) -> bytes:
        """Writes the record."""
        own = {"mask": self.own.mask.hex(), "seed": self.own.seed.hex(), "path": [node.hex() for node in self.own.path]}
        return canonical_json(
            {
                "keys": self.keys.hex(),
                "seed_commitment": self.seed_commitment.hex(),
                "shares_root": self.shares_root.hex(),
                "own": own,
                "bundle": self.bundle.hex(),
            }
        )

    @property
    def commitment(self) -> CommitShares:
        """What the ledger shall hold of it."""
        return CommitShares(self.seed_commitment, self.shares_root, hashlib.sha256(self.bundle).digest())


@dataclass(frozen=True)
class Answered:
    """To whom its shares of both secrets were shown because it complained."""

    to: tuple[str, ...] = ()

    @classmethod
    def decode(cls, raw: bytes) -> "Answered":
        """Reads the record."""
        return cls(tuple(decode_strict(raw)["to"]))

    def encode(self) -> bytes:
        """Writes the record."""
        return canonical_json({"to": self.to})

    def with_more(self, others: tuple[str, ...]) -> "Answered":
        """Returns the record with others added, each once."""
        return Answered(tuple(sorted({*self.to, *others})))


@dataclass(frozen=True)
class Revealed:
    """For whom which kind of share was revealed: seeds of the survivors, mask keys of the rest of U2."""

    shared: tuple[str, ...]
    survivors: tuple[str, ...]

    @classmethod
    def decode(cls, raw: bytes) -> "Revealed":
        """Reads the record."""
        fields = decode_strict(raw)
        return cls(tuple(fields["shared"]), tuple(fields["survivors"]))

    def encode(self) -> bytes:
        """Writes the record."""
        return canonical_json({"shared": self.shared, "survivors": self.survivors})


def keys_digest(keys: Mapping[str, PublicKeys]) -> bytes:
    """Returns the digest of a set of published keys."""
    document = {name: [pair.seal.hex(), pair.mask.hex()] for name, pair in keys.items()}
    return hashlib.sha256(canonical_json(document)).digest()
