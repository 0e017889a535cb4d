"""Reads and changes a running channel's configuration, the same on devnet and on real Fabric."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from gateway import Endpoint, GrpcTransport, errors
from gateway.encoding import serialized_identity
from network import codes
from network.connection import Profile, consortium_of
from network.errors import NetworkError
from network.plan import peer_process

COMMIT_S = 30.0
CALL_S = 15.0
POLL_S = 0.2
NONCE_BYTES = 24
NOT_NOW = ("configuration will result in quorum loss", "no Raft leader")
"""How a Raft orderer refuses a change while it knows of too few others or of no leader (etcdraft/chain.go)."""
DELIVER = "/protos.Deliver/Deliver"
NEWEST = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
NEVER = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=(1 << 64) - 1))
"""Where a stream of blocks ends that does not end."""
ORDERERS_DELIVER = "/orderer.AtomicBroadcast/Deliver"
"""Its responses are the peer's as far as they hold blocks."""


@dataclass(frozen=True)
class ChannelAdmin:
    """One identity's way to the configuration, through its organisation's peer."""

    user: Profile
    transport: GrpcTransport

    @classmethod
    def of(cls, user: Profile) -> "ChannelAdmin":
        """Return the admin of a profile, at its own peers or, where it only orders, at an orderer, its own first.

        The caller closes its transport.
        """
        dialled = user.peers or sorted(user.orderers, key=lambda each: each[1] != user.own_tls_root)
        endpoints = [
            Endpoint(address, root, user.tls_client_cert_pem, user.tls_client_key_pem) for address, root in dialled
        ]
        return cls(user, GrpcTransport(endpoints))

    async def config(self) -> Any:
        """Return the channel's Config as of the newest block.

        Raises:
            NetworkError: FL1060 if the peer does not answer.
        """
        newest = await self._block(NEWEST)
        return config_of(await self._block(_at(last_config_index(newest))))

    async def submit(self, update: bytes, signatures: Sequence[Any], sequence: int) -> None:
        """Let the orderers decide on a signed update, and wait until the peer has it.

        Args:
            update: a ConfigUpdate, as it was signed.
            signatures: ConfigSignatures, as `signature_of` makes them.
            sequence: of the Config that it changes.

        Raises:
            NetworkError: FL1061 if the orderers refuse, FL1062 if the change does not arrive in time.
        """
        request = gateway_pb2.SubmitRequest(channel_id=self.user.channel)
        request.prepared_transaction.CopyFrom(_envelope(self.user, update, signatures))
        await self._send(request.SerializeToString())
        deadline = time.monotonic() + COMMIT_S
        while not await self._has_more_than(sequence):
            if time.monotonic() > deadline:
                hint = "See the orderers' logs; it is safe to try again."
                raise NetworkError(
                    codes.CHANGE_NOT_ARRIVED, f"the change did not arrive within {COMMIT_S:.0f} s", hint=hint
                )
            await asyncio.sleep(POLL_S)

    async def _send(self, request: bytes) -> None:
        """Send a change, again while a Raft leader is elected or, just elected, does not know yet who is alive."""
        deadline = time.monotonic() + COMMIT_S
        while True:
            try:
                await self.transport.unary("/gateway.Gateway/Submit", request, CALL_S)
            except errors.TransportError as error:
                said = f"{error.message} {'; '.join(detail.message for detail in error.details)}".strip()
                if not any(text in said for text in NOT_NOW) or time.monotonic() > deadline:
                    raise NetworkError(codes.CHANGE_REFUSED, f"the orderers refuse the change: {said}") from None
            else:
                return
            await asyncio.sleep(POLL_S)

    async def _has_more_than(self, sequence: int) -> bool:
        """Say whether the peer has a later configuration; one that does not answer may have it soon."""
        try:
            return bool((await self.config()).sequence > sequence)
        except NetworkError:
            return False

    async def configurations(self) -> AsyncIterator[Any]:
        """Yield the channel's Config as it is now, and again whenever the peer has another.

        Raises:
            NetworkError: FL1060 once the peer does not answer any more.
        """
        seek = ab_pb2.SeekInfo(start=NEWEST, stop=NEVER, behavior=ab_pb2.SeekInfo.SeekBehavior.BLOCK_UNTIL_READY)
        first = True
        try:
            async for raw in self.transport.stream("/protos.Deliver/DeliverFiltered", self._asking(seek)):
                response = events_pb2.DeliverResponse.FromString(raw)
                if response.WhichOneof("Type") != "filtered_block":
                    raise self._refused(response)
                kinds = {each.type for each in response.filtered_block.filtered_transactions}
                if first or common_pb2.HeaderType.CONFIG in kinds:
                    yield await self.config()
                first = False
        except errors.TransportError as error:
            raise self._silent(error.message) from None

    def _silent(self, reason: str) -> NetworkError:
        """Return that nobody of those that were asked answers: who, where, and how each is started."""
        own = consortium_of(self.user.run).organisation(self.user.organisation)
        peers = [(peer_process(own.name, number), peer.address) for number, peer in enumerate(own.peers)]
        every = peers or [(orderer.name, orderer.address) for orderer in own.orderers]
        message = f"no answer from {' and '.join(f'{name} at {address}' for name, address in every)}: {reason}"
        commands = " or ".join(f"`fedledger network start {name}`" for name, _ in every)
        hint = f"Start it where it runs, by {commands} or its unit, and try again; its log says why it ended."
        return NetworkError(codes.PEER_SILENT, message, where=own.name, hint=hint)

    def _refused(self, response: Any) -> NetworkError:
        status = common_pb2.Status.Name(response.status)
        hint = "The identity may be revoked, or its organisation not be in the channel yet or any more."
        message = f"the peer gives no block: {status}"
        return NetworkError(codes.PEER_SILENT, message, where=self.user.organisation, hint=hint)

    def _asking(self, seek: Any) -> bytes:
        header = _header(self.user, common_pb2.HeaderType.DELIVER_SEEK_INFO, self.transport.tls_certificate_hash)
        payload = common_pb2.Payload(header=header, data=seek.SerializeToString())
        request: bytes = _signed_envelope(self.user, payload).SerializeToString()
        return request

    async def _block(self, where: Any) -> Any:
        seek = ab_pb2.SeekInfo(start=where, stop=where, behavior=ab_pb2.SeekInfo.SeekBehavior.FAIL_IF_NOT_READY)
        request = self._asking(seek)
        try:
            async for raw in self.transport.stream(DELIVER if self.user.peers else ORDERERS_DELIVER, request):
                response = events_pb2.DeliverResponse.FromString(raw)
                if response.WhichOneof("Type") == "block":
                    return response.block
                raise self._refused(response)
        except errors.TransportError as error:
            raise self._silent(error.message) from None
        raise NetworkError(
            codes.PEER_SILENT, "the peer gives no block", where=self.user.organisation, hint="Try again."
        )


def config_of(block: Any) -> Any:
    """Return the Config in a configuration block."""
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    return configtx_pb2.ConfigEnvelope.FromString(payload.data).config


def last_config_index(block: Any) -> int:
    """Return the number of the configuration block that was in force when a block was made."""
    if block.header.number == 0:
        return 0
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.BlockMetadataIndex.SIGNATURES])
    index: int = common_pb2.OrdererBlockMetadata.FromString(metadata.value).last_config.index
    return index


def signature_of(signer: Profile, update: bytes) -> Any:
    """Return an identity's ConfigSignature of a ConfigUpdate."""
    header = _signature_header(signer)
    return configtx_pb2.ConfigSignature(signature_header=header, signature=_sign(signer, header + update))


def _envelope(creator: Profile, update: bytes, signatures: Sequence[Any]) -> Any:
    signed = configtx_pb2.ConfigUpdateEnvelope(config_update=update, signatures=signatures)
    header = _header(creator, common_pb2.HeaderType.CONFIG_UPDATE)
    return _signed_envelope(creator, common_pb2.Payload(header=header, data=signed.SerializeToString()))


def _signed_envelope(user: Profile, payload: Any) -> Any:
    content = payload.SerializeToString()
    return common_pb2.Envelope(payload=content, signature=_sign(user, content))


def _header(user: Profile, kind: Any, tls_certificate_hash: bytes = b"") -> Any:
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    channel_header = common_pb2.ChannelHeader(
        type=kind,
        channel_id=user.channel,
        timestamp=Timestamp(seconds=seconds, nanos=nanos),
        tls_cert_hash=tls_certificate_hash,
    )
    return common_pb2.Header(
        channel_header=channel_header.SerializeToString(), signature_header=_signature_header(user)
    )


def _signature_header(user: Profile) -> bytes:
    creator = serialized_identity(user.msp_id, user.cert_pem)
    raw: bytes = common_pb2.SignatureHeader(creator=creator, nonce=os.urandom(NONCE_BYTES)).SerializeToString()
    return raw


def _sign(user: Profile, message: bytes) -> bytes:
    signer = user.signer
    return signer.sign(signer.digest(message))


def _at(number: int) -> Any:
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number))
