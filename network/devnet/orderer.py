"""The ordering service: admits what writers sign, cuts and signs blocks, streams them. One process, no consensus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabric_protos.orderer import ab_pb2_grpc

from network.devnet import configtx, genesis
from network.devnet import protos as p
from network.devnet.blocks import config_of, last_config, new_block, sign_block
from network.devnet.channel import CHANNEL_WRITERS, Channel
from network.devnet.deliver import Deliver, write_all
from network.devnet.envelopes import MalformedError, SignedPayload, channel_header, open_envelope, sign_envelope
from network.devnet.msp import IdentityError
from network.devnet.policy import PolicyError
from network.devnet.signing import SigningIdentity
from network.devnet.store import Changes, Store
from network.folders import folder_of

if TYPE_CHECKING:
    from network.topology import Consortium

CONSENTER = 1
DELIVER_WINDOW_S = 900.0
LULL = 0.25
"""After so much of the interval without another message a block is cut."""
Status = p.common


class NotAdmittedError(Exception):
    """A message that is not ordered."""

    def __init__(self, status: int, info: str) -> None:
        super().__init__(info)
        self.status = status
        self.info = info


class Orderer:
    """Cuts blocks. A message is acknowledged once the block that holds it is on disk, so that none is lost."""

    def __init__(self, consortium: Consortium, run: Path, log: Any) -> None:
        organisation, node = consortium.orderers[0]
        folder = folder_of(run, organisation.name)
        self._signer = SigningIdentity.load(organisation.msp_id, folder.orderer(node.name) / "msp")
        self._store = Store(folder.data(node.name) / "blocks.db", synchronous="full")
        self._log = log
        self._name = consortium.channel
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._pending_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._latest = 0.0
        self._grown = asyncio.Event()
        self._last_config = 0
        if not self._store.height:
            self._store.append(genesis.first_block(folder.root), [], Changes({}))
        elif self._store.height > 1:
            self._last_config = last_config(self._store.block(self._store.height - 1))
        self.channel = Channel.of(self._name, config_of(self._store.existing_block(self._last_config)))

    @property
    def height(self) -> int:
        """The number of blocks."""
        return self._store.height

    def block(self, number: int) -> Any:
        """Return a block."""
        return self._store.existing_block(number)

    async def wait_for_block(self, number: int) -> None:
        """Return once a block is there."""
        while self.height <= number:
            await self._grown.wait()

    def admit(self, envelope: Any) -> asyncio.Future[None]:
        """Check a message and put it in line.

        Returns:
            A future that is done when the message stands in a block.

        Raises:
            NotAdmittedError: with the status and info that the client gets.
        """
        try:
            message = open_envelope(envelope)
        except MalformedError as error:
            raise NotAdmittedError(Status.BAD_REQUEST, str(error)) from None
        if message.channel.channel_id != self._name:
            raise NotAdmittedError(Status.NOT_FOUND, "channel does not exist")
        raw = envelope.SerializeToString()
        self._check(message, len(raw))
        self._require_named()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if message.channel.type == p.common.CONFIG_UPDATE:
            self._configure(envelope)
            future.set_result(None)
        elif message.channel.type == p.common.ENDORSER_TRANSACTION:
            self._enqueue(raw, future)
        else:
            raise NotAdmittedError(Status.BAD_REQUEST, f"message of type {message.channel.type} cannot be ordered")
        return future

    def _check(self, message: SignedPayload, size: int) -> None:
        """The filters of orderer/common/msgprocessor: empty, size, expiration, signature."""
        limit = self.channel.limits.absolute_bytes
        if not message.data:
            raise NotAdmittedError(Status.BAD_REQUEST, "message payload is empty")
        if size > limit:
            info = f"message payload is {size} bytes and exceeds maximum allowed {limit} bytes"
            raise NotAdmittedError(Status.BAD_REQUEST, info)
        policy = self.channel.policies.policy(CHANNEL_WRITERS)
        try:
            identity = self.channel.members.identity(message.signature.creator)
            if identity.expired():
                raise NotAdmittedError(Status.BAD_REQUEST, "broadcast client identity expired")
            identity.verify(message.envelope.signature, message.envelope.payload)
            signers = [identity]
        except IdentityError:
            signers = []
        try:
            policy.evaluate(signers)
        except PolicyError as error:
            raise NotAdmittedError(Status.FORBIDDEN, f"{error}: permission denied") from None

    def _require_named(self) -> None:
        """Order nothing while the channel names another key than this process signs with: no peer would take it."""
        named = self.channel.consenters.get(CONSENTER)
        if named and self.channel.members.signer(named).public_key != self._signer.public_key:
            info = "the channel names other certificates of this orderer: start it again once they are in place"
            raise NotAdmittedError(Status.SERVICE_UNAVAILABLE, info)

    def _configure(self, envelope: Any) -> None:
        try:
            config = configtx.propose(self.channel, envelope)
        except configtx.ConfigUpdateError as error:
            info = f"error applying config update to existing channel '{self._name}': error authorizing update: {error}"
            raise NotAdmittedError(Status.BAD_REQUEST, info) from None
        self.cut()
        header = channel_header(p.common.CONFIG, self._name)
        signed = sign_envelope(self._signer, header, config.SerializeToString(deterministic=True))
        self._last_config = self.height
        self._write([signed.SerializeToString()])
        self.channel = Channel.of(self._name, config.config)
        self._log.info("configuration changed", block=self._last_config, sequence=config.config.sequence)

    def _enqueue(self, raw: bytes, future: asyncio.Future[None]) -> None:
        limits = self.channel.limits
        if self._pending and self._pending_bytes + len(raw) > limits.preferred_bytes:
            self.cut()
        self._pending.append((raw, future))
        self._pending_bytes += len(raw)
        if len(self._pending) >= limits.messages or self._pending_bytes >= limits.preferred_bytes:
            self.cut()
        else:
            self._wait(limits.timeout_s)

    def _wait(self, interval_s: float) -> None:
        """Cut once nothing more comes for a while, a whole interval after the first message at the latest.

        Who sends one transaction after the other, as nodes do in a round, would else wait for an interval each time.
        """
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._latest = loop.time() + interval_s
        else:
            self._timer.cancel()
        self._timer = loop.call_at(min(self._latest, loop.time() + interval_s * LULL), self.cut)

    def cut(self) -> None:
        """Write a block of what is in line, if anything is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._pending, self._pending_bytes = self._pending, [], 0
        if not batch:
            return
        try:
            self._write([raw for raw, _ in batch])
        except Exception as error:  # noqa: BLE001 - a full disk must reach those who wait, not end the loop
            self._log.error("block not written", error=repr(error))
            for _, future in batch:
                if not future.done():
                    future.set_exception(NotAdmittedError(Status.SERVICE_UNAVAILABLE, "the block could not be written"))
            return
        for _, future in batch:
            if not future.done():
                future.set_result(None)

    def _write(self, envelopes: list[bytes]) -> None:
        block = new_block(self.height, self._store.last_hash, envelopes)
        sign_block(block, self._signer, CONSENTER if self.channel.consenters else None, self._last_config)
        self._store.append(block, [], Changes({}))
        self._grown.set()
        self._grown = asyncio.Event()


class OrdererService(ab_pb2_grpc.AtomicBroadcastServicer):  # type: ignore[misc]
    """orderer.AtomicBroadcast."""

    def __init__(self, orderer: Orderer) -> None:
        self._orderer = orderer
        self._deliver = Deliver(orderer, "orderer/Deliver", DELIVER_WINDOW_S)

    async def Broadcast(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Answer every message in order, each as soon as its block is written; messages are read on meanwhile."""
        del context
        answers: asyncio.Queue[asyncio.Future[None] | Any | None] = asyncio.Queue()

        async def read() -> None:
            try:
                async for envelope in requests:
                    try:
                        answers.put_nowait(self._orderer.admit(envelope))
                    except NotAdmittedError as error:
                        answers.put_nowait(p.ab.BroadcastResponse(status=error.status, info=error.info))
                    del envelope  # a large one would stay until the next comes
            finally:
                answers.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (answer := await answers.get()) is not None:
                yield await _acknowledged(answer) if isinstance(answer, asyncio.Future) else answer
        finally:
            reader.cancel()

    async def Deliver(self, requests: AsyncIterator[Any], context: Any) -> None:  # noqa: N802
        """Stream blocks to readers."""
        served = self._deliver.serve(
            requests,
            lambda block, _: p.ab.DeliverResponse(block=block),
            lambda status: p.ab.DeliverResponse(status=status),
        )
        await write_all(served, context)


async def _acknowledged(future: asyncio.Future[None]) -> Any:
    try:
        await future
    except NotAdmittedError as error:
        return p.ab.BroadcastResponse(status=error.status, info=error.info)
    return p.ab.BroadcastResponse(status=Status.SUCCESS)
