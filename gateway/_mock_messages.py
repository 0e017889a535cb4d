"""The peer's side of the messages, as far as the gateway in memory needs it."""

from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import (
    chaincode_pb2,
    events_pb2,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)

_FILTER = common_pb2.BlockMetadataIndex.TRANSACTIONS_FILTER


@dataclass(slots=True)
class MockCall:
    """One call of a mocked chaincode.

    Attributes:
        kind: "evaluate" or "submit".
        channel: the channel's name.
        chaincode: the chaincode's name.
        function: the function's name.
        arguments: its arguments.
        transient: what was sent to the endorsers alone.
        organizations: MSP ids the caller asked to run it.
        transaction_id: the transaction.
        msp_id: the caller's organisation.
        certificate: the caller's certificate in PEM.
        event: what `announce` said; one per transaction, as on Fabric.
    """

    kind: str
    channel: str
    chaincode: str
    function: str
    arguments: tuple[bytes, ...]
    transient: dict[str, bytes]
    organizations: tuple[str, ...]
    transaction_id: str
    msp_id: str
    certificate: bytes
    event: tuple[str, bytes] | None = None

    def announce(self, name: str, payload: bytes = b"") -> None:
        """Set the event that is seen if the transaction becomes valid; a second one replaces the first."""
        self.event = (name, payload)


def read_call(kind: str, signed: Any, organizations: Any) -> MockCall:
    """Return what a protos.SignedProposal asks for."""
    proposal = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
    header = common_pb2.Header.FromString(proposal.header)
    channel_header = common_pb2.ChannelHeader.FromString(header.channel_header)
    signature_header = common_pb2.SignatureHeader.FromString(header.signature_header)
    creator = identities_pb2.SerializedIdentity.FromString(signature_header.creator)
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
    spec = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec
    function, *arguments = spec.input.args
    return MockCall(
        kind=kind,
        channel=channel_header.channel_id,
        chaincode=spec.chaincode_id.name,
        function=function.decode(),
        arguments=tuple(arguments),
        transient=dict(payload.TransientMap),
        organizations=tuple(organizations),
        transaction_id=channel_header.tx_id,
        msp_id=creator.mspid,
        certificate=creator.id_bytes,
    )


def prepare(signed: Any, result: bytes) -> Any:
    """Return the unsigned envelope of a proposal's transaction."""
    header = common_pb2.Header.FromString(proposal_pb2.Proposal.FromString(signed.proposal_bytes).header)
    action = proposal_pb2.ChaincodeAction(response={"status": 200, "payload": result})
    response = proposal_response_pb2.ProposalResponsePayload(extension=action.SerializeToString())
    endorsed = transaction_pb2.ChaincodeEndorsedAction(proposal_response_payload=response.SerializeToString())
    payload = transaction_pb2.ChaincodeActionPayload(action=endorsed)
    transaction = transaction_pb2.Transaction(
        actions=[{"header": header.signature_header, "payload": payload.SerializeToString()}]
    )
    return common_pb2.Envelope(
        payload=common_pb2.Payload(header=header, data=transaction.SerializeToString()).SerializeToString()
    )


def filter_block(channel: str, block: Any) -> Any:
    """Return the protos.FilteredBlock of a block."""
    filtered = events_pb2.FilteredBlock(channel_id=channel, number=block.header.number)
    codes = block.metadata.metadata[_FILTER] if len(block.metadata.metadata) > _FILTER else b""
    for raw, code in zip(block.data.data, codes, strict=True):
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(raw).payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        filtered.filtered_transactions.add(txid=header.tx_id, type=header.type, tx_validation_code=code)
    return filtered


def first_block(seek: Any, height: int) -> int:
    """Return the number of the block that an orderer.SeekPosition means at a height."""
    kind = seek.WhichOneof("Type")
    if kind == "specified":
        number: int = seek.specified.number
        return number
    return height - 1 if kind == "newest" else height
