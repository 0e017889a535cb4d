"""The reading half of gateway.Gateway: what became of a transaction, and chaincode events.

Source: internal/pkg/gateway/{commitstatus,chaincodeevents}.go.
"""

from collections.abc import AsyncIterator
from typing import Any

import grpc

from network.devnet import protos as p
from network.devnet.channel import CHANNEL_READERS
from network.devnet.committer import Committer
from network.devnet.envelopes import MalformedError, parse
from network.devnet.events import chaincode_events
from network.devnet.msp import IdentityError
from network.devnet.policy import PolicyError
from network.devnet.transport import CallError

Code = grpc.StatusCode


class GatewayEvents:
    """Answers signed requests from one peer's ledger."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    async def commit_status(self, signed: Any) -> Any:
        """Return a transaction's validation code and block, once it is committed."""
        request = self._authorised(signed, p.gateway.CommitStatusRequest, "commit status", "gateway/CommitStatus")
        if not request.transaction_id:
            raise CallError(Code.INVALID_ARGUMENT, "transaction ID should not be empty")
        place = await self._committer.wait_for_transaction(request.transaction_id)
        return p.gateway.CommitStatusResponse(result=place.code, block_number=place.number)

    async def chaincode_events(self, signed: Any) -> AsyncIterator[Any]:
        """Yield a chaincode's events block by block, from a block on, or after a transaction."""
        request = self._authorised(
            signed, p.gateway.ChaincodeEventsRequest, "chaincode events", "gateway/ChaincodeEvents"
        )
        number, after = self._start(request)
        while True:
            await self._committer.wait_for_block(number)
            matching = []
            for event in chaincode_events(self._committer.store.block(number)):
                if after:
                    after = "" if event.tx_id == after else after
                elif event.chaincode_id == request.chaincode_id:
                    matching.append(event)
            if matching:
                yield p.gateway.ChaincodeEventsResponse(events=matching, block_number=number)
            number += 1

    def _start(self, request: Any) -> tuple[int, str]:
        after = request.after_transaction_id
        if after:
            place = self._committer.store.transaction(after)
            if place is not None:
                return place.number, after
        kind = request.start_position.WhichOneof("Type")
        if kind == "specified":
            return request.start_position.specified.number, after
        if kind in {None, "next_commit"}:
            return self._committer.height, after
        raise CallError(Code.INVALID_ARGUMENT, f"invalid start position type: {kind}")

    def _authorised(self, signed: Any, kind: Any, what: str, resource: str) -> Any:
        if not signed.request:
            raise CallError(Code.INVALID_ARGUMENT, f"a {what} request is required")
        try:
            request = parse(kind, signed.request, f"{what} request")
        except MalformedError as error:
            raise CallError(Code.INVALID_ARGUMENT, f"invalid {what} request: {error}") from None
        channel = self._committer.channel
        if not request.identity:
            raise CallError(Code.INVALID_ARGUMENT, "no identity provided")
        if not request.channel_id:
            raise CallError(Code.INVALID_ARGUMENT, "no channel ID provided")
        if request.channel_id != channel.name:
            raise CallError(Code.NOT_FOUND, f"channel not found: {request.channel_id}")
        try:
            identity = channel.members.identity(request.identity)
            identity.verify(signed.signature, signed.request)
            channel.policy(resource, CHANNEL_READERS).evaluate([identity])
        except (IdentityError, PolicyError) as error:
            raise CallError(Code.PERMISSION_DENIED, str(error)) from None
        return request
