"""A transaction's stages as values: Proposal → Transaction → Commit → Status.

Each stage has `bytes` to carry it elsewhere, the `digest` that is to be signed, and the `transaction_id`. A stage
signs itself with the gateway's signer when it is sent, unless it was rebuilt from bytes and a signature.
The bytes are those of the official clients: a stage begun in one language can be finished in another.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2

from . import _messages
from ._client import Client
from ._commit import Commit
from ._messages import Octets
from ._sources import require_horizon
from .encoding import parse
from .errors import EndorseError, EvaluateError, SubmitError


@dataclass(frozen=True, slots=True)
class Transaction:
    """An endorsed transaction.

    Attributes:
        transaction_id: the transaction.
        result: what the chaincode returned.
    """

    transaction_id: str
    result: bytes
    _channel: str = field(repr=False)
    _payload: bytes = field(repr=False)
    _client: Client = field(repr=False, compare=False)
    _signature: bytes | None = field(default=None, repr=False)

    @property
    def digest(self) -> bytes:
        """What a signer of the transaction signs."""
        return self._client.digest(self._payload)

    @property
    def bytes(self) -> bytes:
        """The stage as a gateway.PreparedTransaction."""
        message = gateway_pb2.PreparedTransaction(
            transaction_id=self.transaction_id, envelope=self._envelope(self._signature or b"")
        )
        return message.SerializeToString()  # type: ignore[no-any-return]

    async def submit(self, *, deadline: float | None = None) -> Commit:
        """Send the transaction to the orderers; that they take it does not mean that it commits.

        Args:
            deadline: seconds; the gateway's default for submit where None.

        Raises:
            SubmitError: they did not acknowledge it. It may still commit.
        """
        request = gateway_pb2.SubmitRequest(
            transaction_id=self.transaction_id,
            channel_id=self._channel,
            prepared_transaction=self._envelope(self._signature or await self._client.sign(self.digest)),
        )
        seconds = self._client.deadlines.submit if deadline is None else deadline
        await self._client.call("Submit", request.SerializeToString(), seconds, SubmitError, self.transaction_id)
        return self.commit()

    def commit(self) -> Commit:
        """Return the next stage without sending anything, to ask what became of a transaction sent before."""
        return Commit(self.transaction_id, self.result, self._channel, self._client)

    async def signed(self) -> "Transaction":
        """Return the stage with its signature; a retry must send this one, since no two ECDSA signatures are equal."""
        return self if self._signature else self.with_signature(await self._client.sign(self.digest))

    def with_signature(self, signature: Octets) -> "Transaction":
        """Return the stage with a signature of its digest."""
        # By hand: dataclasses.replace costs a submit a hundredth of its time.
        return Transaction(self.transaction_id, self.result, self._channel, self._payload, self._client, signature)

    @classmethod
    def from_bytes(cls, raw: Octets, client: Client) -> "Transaction":
        """Return the stage that `bytes` described; ValueError where they describe none."""
        message = parse(gateway_pb2.PreparedTransaction, raw)
        return cls.from_envelope(message.transaction_id, message.envelope, client)

    @classmethod
    def from_envelope(cls, transaction_id: str, envelope: Any, client: Client) -> "Transaction":
        """Return the stage for an envelope as the gateway prepared it."""
        channel, result = _messages.read_envelope(envelope.payload)
        return cls(transaction_id, result, channel, envelope.payload, client, envelope.signature or None)

    def _envelope(self, signature: Octets) -> Any:
        return common_pb2.Envelope(payload=self._payload, signature=signature)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A call of a chaincode function, to be evaluated or endorsed.

    Attributes:
        transaction_id: the transaction it would become.
    """

    transaction_id: str
    _channel: str = field(repr=False)
    _proposal: bytes = field(repr=False)
    _organizations: tuple[str, ...] = field(repr=False)
    _client: Client = field(repr=False, compare=False)
    _signature: bytes | None = field(default=None, repr=False)

    @property
    def digest(self) -> bytes:
        """What a signer of the proposal signs."""
        return self._client.digest(self._proposal)

    @property
    def bytes(self) -> bytes:
        """The stage as a gateway.ProposedTransaction."""
        message = gateway_pb2.ProposedTransaction(
            transaction_id=self.transaction_id,
            proposal=self._signed_proposal(self._signature or b""),
            endorsing_organizations=self._organizations,
        )
        return message.SerializeToString()  # type: ignore[no-any-return]

    async def evidence(self) -> tuple[Octets, Octets]:
        """Return what endorsers see, a peer.Proposal, and the caller's signature of it: proof of who asked for what."""
        return self._proposal, self._signature or await self._client.sign(self.digest)

    async def evaluate(self, *, deadline: float | None = None) -> Octets:
        """Run the function on one peer and return its result; the ledger stays as it is.

        Args:
            deadline: seconds; the gateway's default for evaluate where None.

        Raises:
            EvaluateError: the chaincode refused, or no peer answered.
        """
        request = gateway_pb2.EvaluateRequest(
            transaction_id=self.transaction_id,
            channel_id=self._channel,
            proposed_transaction=self._signed_proposal(self._signature or await self._client.sign(self.digest)),
            target_organizations=self._organizations,
        )
        seconds = self._client.deadlines.evaluate if deadline is None else deadline
        seconds = await require_horizon(self._client, self._channel, seconds, EvaluateError)
        raw = await self._client.call(
            "Evaluate", request.SerializeToString(), seconds, EvaluateError, self.transaction_id
        )
        return gateway_pb2.EvaluateResponse.FromString(raw).result.payload  # type: ignore[no-any-return]

    async def endorse(self, *, deadline: float | None = None) -> Transaction:
        """Collect endorsements and return the transaction to submit.

        Args:
            deadline: seconds; the gateway's default for endorse where None.

        Raises:
            EndorseError: too few organisations endorsed the proposal.
        """
        request = gateway_pb2.EndorseRequest(
            transaction_id=self.transaction_id,
            channel_id=self._channel,
            proposed_transaction=self._signed_proposal(self._signature or await self._client.sign(self.digest)),
            endorsing_organizations=self._organizations,
        )
        seconds = self._client.deadlines.endorse if deadline is None else deadline
        seconds = await require_horizon(self._client, self._channel, seconds, EndorseError)
        raw = await self._client.call(
            "Endorse", request.SerializeToString(), seconds, EndorseError, self.transaction_id
        )
        envelope = gateway_pb2.EndorseResponse.FromString(raw).prepared_transaction
        return Transaction.from_envelope(self.transaction_id, envelope, self._client)

    def with_signature(self, signature: Octets) -> "Proposal":
        """Return the stage with a signature of its digest."""
        return dataclasses.replace(self, _signature=signature)

    @classmethod
    def from_bytes(cls, raw: Octets, client: Client) -> "Proposal":
        """Return the stage that `bytes` described; ValueError where they describe none."""
        message = parse(gateway_pb2.ProposedTransaction, raw)
        return cls(
            message.transaction_id,
            _messages.channel_of_proposal(message.proposal.proposal_bytes),
            message.proposal.proposal_bytes,
            tuple(message.endorsing_organizations),
            client,
            message.proposal.signature or None,
        )

    def _signed_proposal(self, signature: Octets) -> Any:
        return proposal_pb2.SignedProposal(proposal_bytes=self._proposal, signature=signature)
