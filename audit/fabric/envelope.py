"""An envelope taken apart: who sent it, what it asks for, what it writes and who endorsed that.

A transaction id is the SHA-256 of nonce and creator; an endorsed response names the hash of the proposal it answers.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2

from audit.fabric.wire import WireError, decode

CONFIG, ENDORSER_TRANSACTION = common_pb2.CONFIG, common_pb2.ENDORSER_TRANSACTION
LATEST_MS = 1 << 62
"""Times beyond are cut off there: nobody checks at validation what a header claims."""


@dataclass(frozen=True)
class Endorsement:
    """One peer's signature over a proposal response."""

    endorser: bytes
    signature: bytes


@dataclass(frozen=True)
class Touched:
    """What an action writes: public state by namespace, collections, and namespaces whose keys get policies."""

    public: frozenset[str]
    collections: frozenset[tuple[str, str]]
    marked: frozenset[str]

    @property
    def namespaces(self) -> frozenset[str]:
        """Every namespace written to."""
        return self.public | {ns for ns, _ in self.collections}


@dataclass(frozen=True)
class Action:
    """What an endorser transaction asks for: the chaincode, its arguments, its read-write sets and who endorsed."""

    chaincode: str
    version: str
    arguments: tuple[bytes, ...]
    response: tuple[int, str, str]
    """The chaincode's response as endorsed: status, message, payload in base64. It is no state; clients read it."""
    response_payload: bytes
    endorsements: tuple[Endorsement, ...]
    namespaces: tuple[rwset_pb2.NsReadWriteSet, ...]
    event: chaincode_event_pb2.ChaincodeEvent | None
    proposal_hash_holds: bool

    @cached_property
    def rwsets(self) -> tuple[tuple[str, kv_rwset_pb2.KVRWSet], ...]:
        """The public read-write set of each namespace; raises WireError where one does not parse."""
        return tuple((ns.namespace, decode(kv_rwset_pb2.KVRWSet, ns.rwset, "read-write set")) for ns in self.namespaces)

    @cached_property
    def hashed_rwsets(self) -> tuple[tuple[str, str, kv_rwset_pb2.HashedRWSet], ...]:
        """The hashed read-write set of each collection, as (namespace, collection, set)."""
        return tuple(
            (ns.namespace, coll.collection_name, decode(kv_rwset_pb2.HashedRWSet, coll.hashed_rwset, "hashed set"))
            for ns in self.namespaces
            for coll in ns.collection_hashed_rwset
        )

    @cached_property
    def marks(self) -> tuple[tuple[tuple[str, str, bytes], Sequence[kv_rwset_pb2.KVMetadataEntry]], ...]:
        """What the action writes beside keys, as (place, entries); a place is namespace, collection and key."""
        public = [((ns, "", m.key.encode()), m.entries) for ns, rwset in self.rwsets for m in rwset.metadata_writes]
        private = [
            ((ns, coll, m.key_hash), m.entries)
            for ns, coll, hashed in self.hashed_rwsets
            for m in hashed.metadata_writes
        ]
        return (*public, *private)

    @cached_property
    def touched(self) -> Touched:
        """What the action writes; raises WireError where a read-write set does not parse."""
        public, private = self.rwsets, self.hashed_rwsets
        marked = [ns for ns, rwset in public if rwset.metadata_writes]
        marked += [ns for ns, _, hashed in private if hashed.metadata_writes]
        return Touched(
            frozenset(ns for ns, rwset in public if rwset.writes or rwset.metadata_writes),
            frozenset((ns, c) for ns, c, hashed in private if hashed.hashed_writes or hashed.metadata_writes),
            frozenset(marked),
        )


@dataclass(frozen=True)
class Transaction:
    """One envelope of a block with its parsed headers."""

    index: int
    envelope: common_pb2.Envelope
    kind: int
    channel: str
    txid: str
    epoch: int
    timestamp_ms: int
    extension: bytes
    creator: bytes
    nonce: bytes
    header: common_pb2.Header
    data: bytes

    @property
    def id_holds(self) -> bool:
        """Whether the transaction id is the hash of nonce and creator."""
        return self.txid == sha256(self.nonce + self.creator).hexdigest()


def parse_transaction(index: int, raw: bytes) -> Transaction:
    """Parse the envelope at `index` of a block as far as its headers; raises WireError."""
    envelope = decode(common_pb2.Envelope, raw, "envelope")
    payload = decode(common_pb2.Payload, envelope.payload, "payload")
    channel = decode(common_pb2.ChannelHeader, payload.header.channel_header, "channel header")
    signer = decode(common_pb2.SignatureHeader, payload.header.signature_header, "signature header")
    milliseconds = channel.timestamp.seconds * 1000 + channel.timestamp.nanos // 1_000_000
    return Transaction(
        index=index,
        envelope=envelope,
        kind=channel.type,
        channel=channel.channel_id,
        txid=channel.tx_id,
        epoch=channel.epoch,
        timestamp_ms=max(-LATEST_MS, min(LATEST_MS, milliseconds)),
        extension=channel.extension,
        creator=signer.creator,
        nonce=signer.nonce,
        header=payload.header,
        data=payload.data,
    )


def parse_action(transaction: Transaction) -> Action:
    """Parse the single action of an endorser transaction; raises WireError."""
    body = decode(transaction_pb2.Transaction, transaction.data, "transaction")
    if len(body.actions) != 1:
        raise WireError(f"a transaction has one action, this one {len(body.actions)}")
    action = body.actions[0]
    signer = decode(common_pb2.SignatureHeader, action.header, "action header")
    if not signer.nonce or not signer.creator:
        raise WireError("the action's signature header lacks its nonce or creator")
    payload = decode(transaction_pb2.ChaincodeActionPayload, action.payload, "action payload")
    raw_response = payload.action.proposal_response_payload
    response = decode(proposal_response_pb2.ProposalResponsePayload, raw_response, "proposal response")
    result = decode(proposal_pb2.ChaincodeAction, response.extension, "chaincode action")
    proposal = decode(proposal_pb2.ChaincodeProposalPayload, payload.chaincode_proposal_payload, "proposal payload")
    spec = decode(chaincode_pb2.ChaincodeInvocationSpec, proposal.input, "invocation")
    expected = sha256(transaction.header.channel_header + action.header + payload.chaincode_proposal_payload)
    rwset = decode(rwset_pb2.TxReadWriteSet, result.results, "read-write set")
    event = decode(chaincode_event_pb2.ChaincodeEvent, result.events, "event") if result.events else None
    return Action(
        chaincode=result.chaincode_id.name,
        version=result.chaincode_id.version,
        arguments=tuple(spec.chaincode_spec.input.args),
        response=(result.response.status, result.response.message, b64encode(result.response.payload).decode()),
        response_payload=raw_response,
        endorsements=tuple(Endorsement(e.endorser, e.signature) for e in payload.action.endorsements),
        namespaces=tuple(rwset.ns_rwset),
        event=event,
        proposal_hash_holds=response.proposal_hash == expected.digest(),
    )


def is_config_block(block: common_pb2.Block) -> bool:
    """Whether a block holds one transaction and that one is a configuration."""
    if len(block.data.data) != 1:
        return False
    try:
        return bool(parse_transaction(0, block.data.data[0]).kind == CONFIG)
    except WireError:
        return False


def config_payload(block: common_pb2.Block) -> bytes:
    """Return the ConfigEnvelope bytes of a config block; raises WireError."""
    return parse_transaction(0, block.data.data[0]).data
