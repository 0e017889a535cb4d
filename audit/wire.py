"""Fabric's block bytes as typed values, and the hashes that chain them.

Facts are those of Hyperledger Fabric 3.1: the block hash covers the ASN.1 encoding of number, previous hash and
data hash; the data hash covers the concatenated envelopes; a transaction id is SHA-256 over nonce and creator.
"""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError, Message

SIGNATURES, LAST_CONFIG, TRANSACTIONS_FILTER, ORDERER, COMMIT_HASH = range(5)
CONFIG, ENDORSER_TRANSACTION = common_pb2.CONFIG, common_pb2.ENDORSER_TRANSACTION
DER_LONG_FORM = 0x80
LATEST_MS = 1 << 62
"""Times beyond are cut off there: nobody checks at validation what a header claims."""
Version = tuple[int, int]
"""The block number and the transaction's index that wrote a key."""


M = TypeVar("M", bound=Message)


class WireError(ValueError):
    """Bytes that should be a Fabric message are not one."""


def decode(kind: type[M], raw: bytes, what: str) -> M:
    """Parse `raw` as a message of `kind`; raises WireError naming `what`."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise WireError(f"{what} is not a {kind.DESCRIPTOR.full_name}") from error


def header_bytes(header: common_pb2.BlockHeader) -> bytes:
    """Return the DER bytes that a block's hash and its orderers' signatures cover."""
    number = header.number.to_bytes(header.number.bit_length() // 8 + 1, "big")
    body = _der(0x02, number) + _der(0x04, header.previous_hash) + _der(0x04, header.data_hash)
    return _der(0x30, body)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < DER_LONG_FORM:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, DER_LONG_FORM | len(length)]) + length + content


def header_hash(header: common_pb2.BlockHeader) -> bytes:
    """Return the hash that the next block must name as its previous hash."""
    return sha256(header_bytes(header)).digest()


def data_hash(data: common_pb2.BlockData) -> bytes:
    """Return the hash over a block's envelopes that its header must carry."""
    return sha256(b"".join(data.data)).digest()


@dataclass(frozen=True)
class Endorsement:
    """One peer's signature over a proposal response."""

    endorser: bytes
    signature: bytes


@dataclass(frozen=True)
class Action:
    """What an endorser transaction asks for: the chaincode, its arguments, its read-write sets and who endorsed."""

    chaincode: str
    version: str
    arguments: tuple[bytes, ...]
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
        response_payload=raw_response,
        endorsements=tuple(Endorsement(e.endorser, e.signature) for e in payload.action.endorsements),
        namespaces=tuple(rwset.ns_rwset),
        event=event,
        proposal_hash_holds=response.proposal_hash == expected.digest(),
    )


def metadata(block: common_pb2.Block, index: int) -> common_pb2.Metadata:
    """Return one of a block's signed metadata entries; empty where the block has none."""
    entries = block.metadata.metadata
    return decode(common_pb2.Metadata, entries[index] if index < len(entries) else b"", "block metadata")


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


def recorded_flags(block: common_pb2.Block) -> bytes:
    """Return the validation codes that the peer recorded, a byte a transaction."""
    entries = block.metadata.metadata
    return bytes(entries[TRANSACTIONS_FILTER]) if len(entries) > TRANSACTIONS_FILTER else b""
