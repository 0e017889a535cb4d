"""What a transaction reads and writes of private data: the values for their holders, the hashes for everybody.

Sources: core/ledger/kvledger/txmgmt/rwsetutil/rwset_builder.go, privacyenabledstate/db.go. A collection's values and
its hashes lie beside the public state as namespaces of their own: they are compared and applied as that is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.encoding import sha256
from network.devnet import protos as p
from network.devnet.rwset import Version

Metadata = Mapping[str, bytes]
"""What is kept beside a value by name; VALIDATION_PARAMETER is the key's own endorsement policy."""
VALIDATION_PARAMETER = "VALIDATION_PARAMETER"
_VALUES, _HASHES = "$$p", "$$h"  # no chaincode's name has a $; it sorts before all that one may have


def values_of(chaincode: str, collection: str) -> str:
    """Return the namespace of a collection's values, by key."""
    return f"{chaincode}{_VALUES}{collection}"


def hashes_of(chaincode: str, collection: str) -> str:
    """Return the namespace of a collection's hashed values, by the hex SHA-256 of the key."""
    return f"{chaincode}{_HASHES}{collection}"


def split_hashes(namespace: str) -> tuple[str, str]:
    """Return chaincode and collection of a namespace of hashes; the collection of any other is ""."""
    chaincode, _, collection = namespace.partition(_HASHES)
    return chaincode, collection


def key_hash(key: str) -> str:
    """Return the hex SHA-256 of a private key."""
    return sha256(key.encode()).hex()


@dataclass
class CollectionSet:
    """What a transaction read and wrote in one collection.

    Attributes:
        reads: versions by key; None: there was no such key.
        writes: values by key; None deletes.
        purged: those of the deleted whose earlier values go too.
        metadata: what is written beside a key.
    """

    reads: dict[str, Version | None] = field(default_factory=dict)
    writes: dict[str, bytes | None] = field(default_factory=dict)
    purged: set[str] = field(default_factory=set)
    metadata: dict[str, Metadata] = field(default_factory=dict)

    def values(self) -> bytes:
        """Return the serialized KVRWSet that holders get; empty if nothing is written."""
        if not self.writes and not self.metadata:
            return b""
        serialized: bytes = p.kvrwset.KVRWSet(
            writes=[_write(key, self.writes[key]) for key in sorted(self.writes)],
            metadata_writes=[p.kvrwset.KVMetadataWrite(key=key) for key in sorted(self.metadata)],
        ).SerializeToString()
        return serialized

    def hashed(self) -> Any:
        """Return the HashedRWSet that everybody gets."""
        return p.kvrwset.HashedRWSet(
            hashed_reads=[_hashed_read(key, self.reads[key]) for key in sorted(self.reads)],
            hashed_writes=[self._hashed_write(key) for key in sorted(self.writes)],
            metadata_writes=[
                p.kvrwset.KVMetadataWriteHash(key_hash=sha256(key.encode()), entries=entries(self.metadata[key]))
                for key in sorted(self.metadata)
            ],
        )

    def _hashed_write(self, key: str) -> Any:
        value = self.writes[key]
        digest = sha256(value) if value else b""
        return p.kvrwset.KVWriteHash(
            key_hash=sha256(key.encode()), is_delete=not value, value_hash=digest, is_purge=key in self.purged
        )


def entries(metadata: Metadata) -> list[Any]:
    """Return metadata as it is written, in the order of the names."""
    return [p.kvrwset.KVMetadataEntry(name=name, value=metadata[name]) for name in sorted(metadata)]


def _write(key: str, value: bytes | None) -> Any:
    return p.kvrwset.KVWrite(key=key, is_delete=not value, value=value or b"")


def _hashed_read(key: str, version: Version | None) -> Any:
    read = p.kvrwset.KVReadHash(key_hash=sha256(key.encode()))
    if version is not None:
        read.version.CopyFrom(p.kvrwset.Version(block_num=version[0], tx_num=version[1]))
    return read


def private_set(namespaces: Mapping[str, Mapping[str, CollectionSet]]) -> Any | None:
    """Return the TxPvtReadWriteSet of a transaction, by chaincode and collection; None if it writes nothing private."""
    message = p.rwset.TxPvtReadWriteSet(data_model=p.rwset.TxReadWriteSet.KV)
    for chaincode in sorted(namespaces):
        written = {name: held for name, made in namespaces[chaincode].items() if (held := made.values())}
        if written:
            add_private(message, chaincode, sorted(written.items()))
    return message if message.ns_pvt_rwset else None


def add_private(message: Any, chaincode: str, collections: Iterable[tuple[str, bytes]]) -> None:
    """Add collections' serialized write sets to a TxPvtReadWriteSet."""
    for entry in message.ns_pvt_rwset:
        if entry.namespace == chaincode:
            break
    else:
        entry = message.ns_pvt_rwset.add(namespace=chaincode)
    for name, held in collections:
        entry.collection_pvt_rwset.add(collection_name=name, rwset=held)


def hashes_as_state(hashed: Any) -> Any:
    """Return a HashedRWSet as the KVRWSet of its namespace of hashes."""
    kv_set = p.kvrwset.KVRWSet()
    for read in hashed.hashed_reads:
        made = kv_set.reads.add(key=read.key_hash.hex())
        if read.HasField("version"):
            made.version.CopyFrom(read.version)
    for write in hashed.hashed_writes:
        kv_set.writes.add(key=write.key_hash.hex(), is_delete=write.is_delete, value=write.value_hash)
    for write in hashed.metadata_writes:
        kv_set.metadata_writes.add(key=write.key_hash.hex(), entries=write.entries)
    return kv_set
