"""The last stage of a transaction: what became of it."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.gateway import gateway_pb2

from . import _messages
from ._client import Client
from ._codes import ValidationCode
from ._messages import Octets
from .encoding import parse
from .errors import CommitStatusError


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a transaction.

    Attributes:
        transaction_id: the transaction.
        code: why it is valid or not.
        block_number: the block it is in.
    """

    transaction_id: str
    code: ValidationCode
    block_number: int

    @property
    def successful(self) -> bool:
        """Whether the transaction took effect."""
        return self.code is ValidationCode.VALID


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction that was sent to the orderers.

    Attributes:
        transaction_id: the transaction.
        result: what the chaincode returned; empty where the commit was rebuilt from bytes.
    """

    transaction_id: str
    result: bytes
    _channel: str = field(repr=False)
    _client: Client = field(repr=False, compare=False)
    _signature: bytes | None = field(default=None, repr=False)
    _given: bytes | None = field(default=None, repr=False)  # the request, where there is one already

    @property
    def _request(self) -> Octets:
        """The gateway.CommitStatusRequest to sign; made when it is asked for, as a stream may tell the status first."""
        if self._given is not None:
            return self._given
        return _messages.commit_status_request(self._channel, self.transaction_id, self._client.creator)

    @property
    def digest(self) -> bytes:
        """What a signer of the status request signs."""
        return self._client.digest(self._request)

    @property
    def bytes(self) -> bytes:
        """The stage as a gateway.SignedCommitStatusRequest."""
        return self._message().SerializeToString()  # type: ignore[no-any-return]

    async def status(self, *, deadline: float | None = None) -> Status:
        """Wait until the transaction is in a block and return what became of it.

        Args:
            deadline: seconds; the gateway's default for commit status where None.

        Raises:
            CommitStatusError: nobody could tell; ask again.
        """
        signed = self if self._signature else await self._signed()
        seconds = self._client.deadlines.commit_status if deadline is None else deadline
        address = self._client.transport.address
        raw = await self._client.call("CommitStatus", signed.bytes, seconds, CommitStatusError, self.transaction_id)
        response = gateway_pb2.CommitStatusResponse.FromString(raw)
        self._client.horizon.see(self._channel, response.block_number, address)
        return Status(self.transaction_id, ValidationCode(response.result), response.block_number)

    def with_signature(self, signature: Octets) -> "Commit":
        """Return the stage with a signature of its digest."""
        return dataclasses.replace(self, _signature=signature)

    async def _signed(self) -> "Commit":
        made = dataclasses.replace(self, _given=self._request)
        return made.with_signature(await self._client.sign(made.digest))

    @classmethod
    def from_bytes(cls, raw: Octets, client: Client) -> "Commit":
        """Return the stage that `bytes` described; ValueError where they describe none."""
        message = parse(gateway_pb2.SignedCommitStatusRequest, raw)
        request = parse(gateway_pb2.CommitStatusRequest, message.request)
        signature = message.signature or None
        return cls(request.transaction_id, b"", request.channel_id, client, signature, message.request)

    def _message(self) -> Any:
        return gateway_pb2.SignedCommitStatusRequest(request=self._request, signature=self._signature or b"")
