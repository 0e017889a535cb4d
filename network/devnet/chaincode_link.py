"""The peer's side of Fabric's chaincode protocol: it dials the chaincode process and serves its requests for state.

Source: core/chaincode/{handler,query_response_generator}.go. One stream carries all transactions, told apart by channel
and transaction id.
"""

import asyncio
import contextlib
import time
from typing import Any

import grpc
from fabric_protos.peer import chaincode_shim_pb2_grpc

from network.devnet import protos as p
from network.devnet.envelopes import MalformedError, parse
from network.devnet.invocation import Caller, Invocation
from network.devnet.shim_requests import answer
from network.devnet.simulator import Simulation, SimulationError
from network.devnet.transport import EOF, Outbox

Message = p.shim.ChaincodeMessage
STREAM_TERMINATED = "chaincode stream terminated"
REDIAL_S = 0.1
GRACE_S = 0.5  # a chaincode process that is just starting is there within it
MAX_BATCH = 1000


class ChaincodeError(Exception):
    """The chaincode could not be reached or did not answer as it must; the message is Fabric's."""


class ChaincodeLink:
    """Keeps a stream to one chaincode process open, and runs transactions over it."""

    def __init__(self, channel: grpc.aio.Channel, address: str, *, log: Any, timeout_s: float = 30.0) -> None:
        self._stub = chaincode_shim_pb2_grpc.ChaincodeStub(channel)
        self._address = address
        self._log = log
        self._timeout = timeout_s
        self._running: dict[tuple[str, str], Invocation] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._retired = False
        self._outbox: Outbox
        self.package_id = ""

    async def run(self) -> None:
        """Dial, serve, and dial again until it is retired and its program has ended."""
        while not self._retired:
            started = time.monotonic()
            try:
                await self._serve()
                reason = "the chaincode closed the stream"
            except (grpc.aio.AioRpcError, MalformedError, ChaincodeError) as error:
                reason = error.details() or "" if isinstance(error, grpc.aio.AioRpcError) else str(error)
            if self._ready.is_set() and not self._retired:
                self._log.warning("chaincode lost", address=self._address, reason=reason)
            self._ready.clear()
            for invocation in self._running.values():
                _settle(invocation.outcome, ChaincodeError(f"error sending: {STREAM_TERMINATED}"))
            await asyncio.sleep(max(0.0, REDIAL_S - (time.monotonic() - started)))

    def retire(self) -> None:
        """Run no new transaction: another program took this one's place. What it is at may end."""
        self._retired = True

    async def _serve(self) -> None:
        call = self._stub.Connect(wait_for_ready=True)
        outbox = self._outbox = Outbox(call)
        try:
            self._register(await call.read())
            self._log.info("chaincode connected", address=self._address, package_id=self.package_id)
            while (message := await call.read()) is not EOF:
                self._handle(message)
                del message  # a large one would stay until the next comes
        finally:
            outbox.close()
            call.cancel()

    def _register(self, message: Any) -> None:
        """Answer the chaincode's first message, and offer what Fabric 3.1 does."""
        if message is EOF or message.type != Message.REGISTER:
            raise ChaincodeError("the chaincode did not register")
        self.package_id = parse(p.chaincode.ChaincodeID, message.payload, "ChaincodeID").name
        if not self.package_id:
            raise ChaincodeError("error in handling register chaincode, chaincodeID name is empty")
        offered = p.chaincode.ChaincodeAdditionalParams(
            use_write_batch=True,
            max_size_write_batch=MAX_BATCH,
            use_get_multiple_keys=True,
            max_size_get_multiple_keys=MAX_BATCH,
        )
        self._outbox.post(Message(type=Message.REGISTERED))
        self._outbox.post(Message(type=Message.READY, payload=offered.SerializeToString()))
        self._ready.set()

    def _handle(self, message: Any) -> None:
        if message.type == Message.KEEPALIVE:
            return
        invocation = self._running.get((message.channel_id, message.txid))
        if message.type in {Message.COMPLETED, Message.ERROR}:
            if invocation is not None:
                _settle(invocation.outcome, message)
            return
        if message.type == Message.INVOKE_CHAINCODE:
            task = asyncio.create_task(self._call(message, invocation))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
            return
        try:
            self._reply(message, answer(message, _known(invocation)))
        except (SimulationError, MalformedError) as error:
            self._refuse(message, error)

    async def _call(self, message: Any, invocation: Invocation | None) -> None:
        """Call another chaincode within a transaction, while others go on."""
        try:
            known = _known(invocation)
            spec = parse(p.chaincode.ChaincodeSpec, message.payload, "ChaincodeSpec")
            outcome = await known.by.call(known.by, known.simulation, spec)
            self._reply(message, outcome.SerializeToString())
        except (SimulationError, MalformedError) as error:
            self._refuse(message, error)
        except ChaincodeError as error:
            self._refuse(message, SimulationError(f"execute failed: {error}"))

    def _reply(self, message: Any, payload: bytes) -> None:
        reply = Message(type=Message.RESPONSE, txid=message.txid, channel_id=message.channel_id, payload=payload)
        self._outbox.post(reply)

    def _refuse(self, message: Any, error: Exception) -> None:
        name = Message.Type.Name(message.type) if message.type in Message.Type.values() else str(message.type)
        reply = Message(type=Message.ERROR, txid=message.txid, channel_id=message.channel_id)
        reply.payload = f"{name} failed: transaction ID: {message.txid}: {error}".encode()
        self._outbox.post(reply)

    async def execute(self, simulation: Simulation, caller: Caller, namespace: str, call: Any) -> Any:
        """Run a call of the chaincode, a ChaincodeInput, in a caller's transaction.

        Returns:
            The COMPLETED message, or that of type ERROR.

        Raises:
            ChaincodeError: the chaincode is not there, broke off, took too long, or is at this transaction already.
        """
        channel, txid = caller.channel.name, caller.proposal.channel.tx_id
        await self._require_ready()
        if (channel, txid) in self._running:
            raise ChaincodeError(f"error sending: txid: {txid}({channel}) exists")
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        invocation = Invocation(namespace, simulation, outcome, caller)
        self._running[channel, txid] = invocation
        try:
            self._outbox.post(
                Message(
                    type=Message.TRANSACTION,
                    payload=call.SerializeToString(),
                    txid=txid,
                    channel_id=channel,
                    proposal=caller.proposal.signed,
                )
            )
            async with asyncio.timeout(self._timeout):
                message = await outcome
        except TimeoutError:
            raise ChaincodeError("error sending: timeout expired while executing transaction") from None
        finally:
            del self._running[channel, txid]
        return message

    async def _require_ready(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), GRACE_S)
            return
        raise ChaincodeError(
            f"could not launch chaincode: connection to the chaincode at {self._address} failed: it does not answer"
        )


def _known(invocation: Invocation | None) -> Invocation:
    if invocation is None:
        raise SimulationError("no ledger context")
    return invocation


def _settle(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
