"""Tools of a forger who holds any key it likes: change blocks, then repair hashes and signatures."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from audit.fabric.wire import SIGNATURES, TRANSACTIONS_FILTER, data_hash, header_bytes, header_hash

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
Chain = list[common_pb2.Block]


@dataclass(frozen=True)
class Key:
    """A signing identity of the run folder."""

    msp_id: str
    certificate: bytes
    private: ec.EllipticCurvePrivateKey

    @classmethod
    def read(cls, msp_id: str, msp: Path) -> "Key":
        private = serialization.load_pem_private_key((msp / "keystore" / "key.pem").read_bytes(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return cls(msp_id, (msp / "signcerts" / "cert.pem").read_bytes(), private)

    @property
    def identity(self) -> bytes:
        return identities_pb2.SerializedIdentity(mspid=self.msp_id, id_bytes=self.certificate).SerializeToString()

    def sign(self, message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return utils.encode_dss_signature(r, min(s, P256_ORDER - s))


def reseal(chain: Chain, start: int, keys: dict[bytes, Key], *, sign: bool = True) -> None:
    """Repair the hashes from block `start` on and, with the orderers' keys, their signatures too."""
    for number in range(start, len(chain)):
        block = chain[number]
        block.header.number = number
        block.header.data_hash = data_hash(block.data)
        if number:
            block.header.previous_hash = header_hash(chain[number - 1].header)
        if sign and number:
            resign(block, keys)


def resign(block: common_pb2.Block, keys: dict[bytes, Key]) -> None:
    """Sign a block again with the keys of those who had signed it; `keys` is by consenter number or by identity."""
    entry = common_pb2.Metadata.FromString(block.metadata.metadata[SIGNATURES])
    for signature in entry.signatures:
        if signature.identifier_header:
            header = common_pb2.IdentifierHeader.FromString(signature.identifier_header)
            key, prefix = keys[str(header.identifier).encode()], signature.identifier_header
        else:
            prefix = signature.signature_header
            key = keys[common_pb2.SignatureHeader.FromString(prefix).creator]
        signature.signature = key.sign(entry.value + prefix + header_bytes(block.header))
    block.metadata.metadata[SIGNATURES] = entry.SerializeToString()


@dataclass
class Opened:
    """An endorser transaction taken apart; `close` puts it together again."""

    envelope: common_pb2.Envelope
    payload: common_pb2.Payload
    transaction: transaction_pb2.Transaction
    action: transaction_pb2.ChaincodeActionPayload
    response: proposal_response_pb2.ProposalResponsePayload
    result: proposal_pb2.ChaincodeAction

    @classmethod
    def of(cls, raw: bytes) -> "Opened":
        envelope = common_pb2.Envelope.FromString(raw)
        payload = common_pb2.Payload.FromString(envelope.payload)
        transaction = transaction_pb2.Transaction.FromString(payload.data)
        action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
        response = proposal_response_pb2.ProposalResponsePayload.FromString(action.action.proposal_response_payload)
        return cls(
            envelope,
            payload,
            transaction,
            action,
            response,
            proposal_pb2.ChaincodeAction.FromString(response.extension),
        )

    def rwset(self, change: Callable[[kv_rwset_pb2.KVRWSet], None], namespace: str) -> None:
        """Change the public read-write set of a namespace."""
        sets = rwset_pb2.TxReadWriteSet.FromString(self.result.results)
        for entry in sets.ns_rwset:
            if entry.namespace == namespace:
                content = kv_rwset_pb2.KVRWSet.FromString(entry.rwset)
                change(content)
                entry.rwset = content.SerializeToString()
        self.result.results = sets.SerializeToString()

    def collection(self, change: Callable[[kv_rwset_pb2.HashedRWSet], None], namespace: str, name: str) -> None:
        """Change the hashed read-write set of a namespace's collection, new if it has none."""
        sets = rwset_pb2.TxReadWriteSet.FromString(self.result.results)
        entry = next(entry for entry in sets.ns_rwset if entry.namespace == namespace)
        found = next((c for c in entry.collection_hashed_rwset if c.collection_name == name), None)
        collection = entry.collection_hashed_rwset.add(collection_name=name) if found is None else found
        content = kv_rwset_pb2.HashedRWSet.FromString(collection.hashed_rwset)
        change(content)
        collection.hashed_rwset = content.SerializeToString()
        self.result.results = sets.SerializeToString()

    def endorse(self, keys: list[Key]) -> None:
        """Replace the endorsements by true signatures of `keys` over the result as it is now."""
        self.response.extension = self.result.SerializeToString()
        raw = self.response.SerializeToString()
        self.action.action.proposal_response_payload = raw
        del self.action.action.endorsements[:]
        for key in keys:
            self.action.action.endorsements.add(endorser=key.identity, signature=key.sign(raw + key.identity))

    def close(self, creator: Key | None = None) -> bytes:
        """Return the envelope's bytes, signed again where the creator's key is given."""
        self.transaction.actions[0].payload = self.action.SerializeToString()
        self.payload.data = self.transaction.SerializeToString()
        self.envelope.payload = self.payload.SerializeToString()
        if creator is not None:
            self.envelope.signature = creator.sign(self.envelope.payload)
        return self.envelope.SerializeToString()


def copy_chain(chain: Chain) -> Chain:
    """Return a chain that can be changed without touching the first."""
    return copy.deepcopy(chain)


def flag(block: common_pb2.Block, index: int, code: int) -> None:
    """Record another validation code."""
    flags = bytearray(block.metadata.metadata[TRANSACTIONS_FILTER])
    flags[index] = code
    block.metadata.metadata[TRANSACTIONS_FILTER] = bytes(flags)


def flip(raw: bytes, bit: int = 0, at: int = -1) -> bytes:
    """Return bytes with one bit flipped, by default in the last byte."""
    changed = bytearray(raw)
    changed[at] ^= 1 << bit
    return bytes(changed)
