"""Proposals and endorsed transactions taken apart, so that a case can change one piece and sign the rest again."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2

from gateway import Endpoint, Gateway, GrpcTransport, Proposal, Signer, Transaction

CALL_S = 60
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class Endorsed:
    """The parts of an endorsed transaction."""

    transaction_id: str
    header: Any
    signature_header: Any
    channel_header: Any
    action: Any
    """protos.ChaincodeActionPayload"""

    @classmethod
    def of(cls, transaction: Transaction) -> Self:
        """Take a transaction apart."""
        prepared = gateway_pb2.PreparedTransaction.FromString(transaction.bytes)
        return cls.of_envelope(prepared.envelope)

    @classmethod
    def of_envelope(cls, envelope: Any) -> Self:
        """Take the envelope of an endorser transaction apart."""
        payload = common_pb2.Payload.FromString(envelope.payload)
        action = transaction_pb2.Transaction.FromString(payload.data).actions[0]
        channel_header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        return cls(
            channel_header.tx_id,
            payload.header,
            common_pb2.SignatureHeader.FromString(payload.header.signature_header),
            channel_header,
            transaction_pb2.ChaincodeActionPayload.FromString(action.payload),
        )

    @property
    def endorsements(self) -> list[Any]:
        """The endorsements (protos.Endorsement)."""
        return list(self.action.action.endorsements)

    @property
    def endorsers(self) -> list[str]:
        """MSP ids of the endorsers."""
        return [identities_pb2.SerializedIdentity.FromString(e.endorser).mspid for e in self.endorsements]

    @property
    def response_payload(self) -> bytes:
        """What the endorsers signed, followed by each one's identity (protos.ProposalResponsePayload)."""
        raw: bytes = self.action.action.proposal_response_payload
        return raw

    @property
    def proposal_hash(self) -> bytes:
        """The hash of the proposal that the endorsers saw."""
        raw: bytes = proposal_response_pb2.ProposalResponsePayload.FromString(self.response_payload).proposal_hash
        return raw

    @property
    def chaincode_action(self) -> Any:
        """The result of the simulation (protos.ChaincodeAction)."""
        response = proposal_response_pb2.ProposalResponsePayload.FromString(self.response_payload)
        return proposal_pb2.ChaincodeAction.FromString(response.extension)

    @property
    def namespaces(self) -> dict[str, Any]:
        """The read-write set (kvrwset.KVRWSet) of each namespace."""
        results = rwset_pb2.TxReadWriteSet.FromString(self.chaincode_action.results)
        return {entry.namespace: kv_rwset_pb2.KVRWSet.FromString(entry.rwset) for entry in results.ns_rwset}

    def with_endorsements(self, endorsements: list[Any]) -> Self:
        """The same transaction with other endorsements."""
        action = transaction_pb2.ChaincodeActionPayload()
        action.CopyFrom(self.action)
        del action.action.endorsements[:]
        action.action.endorsements.extend(endorsements)
        return dataclasses.replace(self, action=action)

    def with_written(self, namespace: str, value: bytes) -> Self:
        """The same transaction and endorsements with other values in what it writes."""
        response = proposal_response_pb2.ProposalResponsePayload.FromString(self.response_payload)
        chaincode_action = proposal_pb2.ChaincodeAction.FromString(response.extension)
        results = rwset_pb2.TxReadWriteSet.FromString(chaincode_action.results)
        for entry in results.ns_rwset:
            if entry.namespace == namespace:
                content = kv_rwset_pb2.KVRWSet.FromString(entry.rwset)
                for write in content.writes:
                    write.value = value
                entry.rwset = content.SerializeToString()
        chaincode_action.results = results.SerializeToString()
        response.extension = chaincode_action.SerializeToString()
        action = transaction_pb2.ChaincodeActionPayload()
        action.CopyFrom(self.action)
        action.action.proposal_response_payload = response.SerializeToString()
        return dataclasses.replace(self, action=action)

    def with_arguments(self, *arguments: bytes) -> Self:
        """The same transaction with other arguments than those that were endorsed."""
        payload = proposal_pb2.ChaincodeProposalPayload.FromString(self.action.chaincode_proposal_payload)
        specification = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input)
        specification.chaincode_spec.input.args[:] = arguments
        payload.input = specification.SerializeToString()
        action = transaction_pb2.ChaincodeActionPayload()
        action.CopyFrom(self.action)
        action.chaincode_proposal_payload = payload.SerializeToString()
        return dataclasses.replace(self, action=action)

    def with_id(self, transaction_id: str) -> Self:
        """The same transaction under another id."""
        channel_header = common_pb2.ChannelHeader()
        channel_header.CopyFrom(self.channel_header)
        channel_header.tx_id = transaction_id
        header = common_pb2.Header(
            channel_header=channel_header.SerializeToString(), signature_header=self.header.signature_header
        )
        return dataclasses.replace(self, transaction_id=transaction_id, channel_header=channel_header, header=header)

    def endorsed_by(self, certificate: bytes, msp_id: str, signer: Signer) -> Any:
        """An endorsement of this transaction by any identity."""
        endorser = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=certificate).SerializeToString()
        signature = signer.sign(signer.digest(self.response_payload + endorser))
        return proposal_response_pb2.Endorsement(endorser=endorser, signature=signature)

    def payload(self, actions: int = 1) -> bytes:
        """The transaction put together again, to be signed; its action may stand repeatedly."""
        action = transaction_pb2.TransactionAction(
            header=self.header.signature_header, payload=self.action.SerializeToString()
        )
        data = transaction_pb2.Transaction(actions=[action] * actions).SerializeToString()
        raw: bytes = common_pb2.Payload(header=self.header, data=data).SerializeToString()
        return raw

    def transaction(self, gateway: Gateway) -> Transaction:
        """The transaction put together again, to be signed by the gateway's signer."""
        envelope = common_pb2.Envelope(payload=self.payload())
        prepared = gateway_pb2.PreparedTransaction(transaction_id=self.transaction_id, envelope=envelope)
        return gateway.new_transaction(prepared.SerializeToString())

    async def submit_as_it_is(self, endpoint: Endpoint, signer: Signer, *, actions: int) -> None:
        """Sign and send what a careful client would not."""
        payload = self.payload(actions)
        envelope = common_pb2.Envelope(payload=payload, signature=signer.sign(signer.digest(payload)))
        request = gateway_pb2.SubmitRequest(
            transaction_id=self.transaction_id,
            channel_id=self.channel_header.channel_id,
            prepared_transaction=envelope,
        )
        transport = GrpcTransport([endpoint])
        try:
            await transport.unary("/gateway.Gateway/Submit", request.SerializeToString(), CALL_S)
        finally:
            await transport.close()


@dataclass
class Proposed:
    """The parts of a proposal, to be changed in place."""

    message: Any
    proposal: Any
    channel_header: Any
    signature_header: Any

    @classmethod
    def of(cls, proposal: Proposal) -> Self:
        """Take a proposal apart."""
        message = gateway_pb2.ProposedTransaction.FromString(proposal.bytes)
        inner = proposal_pb2.Proposal.FromString(message.proposal.proposal_bytes)
        header = common_pb2.Header.FromString(inner.header)
        return cls(
            message,
            inner,
            common_pb2.ChannelHeader.FromString(header.channel_header),
            common_pb2.SignatureHeader.FromString(header.signature_header),
        )

    def put_together(self, gateway: Gateway) -> Proposal:
        """The proposal with its changes, to be signed by the gateway's signer."""
        header = common_pb2.Header(
            channel_header=self.channel_header.SerializeToString(),
            signature_header=self.signature_header.SerializeToString(),
        )
        self.proposal.header = header.SerializeToString()
        self.message.proposal.proposal_bytes = self.proposal.SerializeToString()
        self.message.proposal.signature = b""
        return gateway.new_proposal(self.message.SerializeToString())


def high_s(signature: bytes) -> bytes:
    """The other valid form of a low-S signature."""
    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r, P256_ORDER - s)


def flipped(signature: bytes) -> bytes:
    """A well-formed signature that is wrong."""
    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r ^ 1, s)


def verify(public_key: Any, signature: bytes, digest: bytes) -> None:
    """Raise InvalidSignature unless an ECDSA signature of a SHA-256 digest holds and has the low S."""
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert utils.decode_dss_signature(signature)[1] <= P256_ORDER // 2
    public_key.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
