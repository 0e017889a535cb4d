"""How a peer reaches others: their endorsers, and the ordering service's Broadcast and Deliver."""

import asyncio
from collections import deque
from typing import Any

import grpc
from fabric_protos.orderer import ab_pb2_grpc
from fabric_protos.peer import peer_pb2_grpc

from network.devnet import protos as p
from network.devnet.blocks import BlockError
from network.devnet.channel import Node
from network.devnet.committer import Committer
from network.devnet.deliver import NO_END
from network.devnet.endorser import OK_BELOW, Endorser, RejectedError
from network.devnet.envelopes import channel_header, sign_envelope
from network.devnet.gateway import EndorserFailure
from network.devnet.signing import SigningIdentity
from network.devnet.transport import EOF, CallError, Outbox, dial, error_detail
from network.errors import NetworkError

Code = grpc.StatusCode
TIMEOUT_S = 30.0
RETRY_S = 0.1
STUCK_S = 1.0  # a block that is refused, or a disk that is full, is not better at once
NO_QUORUM = "insufficient number of orderers could successfully process transaction to satisfy quorum requirement"
NO_ORDERER = "no orderers could successfully process transaction"


def judge(response: Any) -> Any:
    """Return a successful response; EndorserFailure otherwise (gateway/apiutils.go, responseStatus)."""
    inner = response.response
    if 200 <= inner.status < OK_BELOW:  # noqa: PLR2004 - Fabric's range of success
        return response
    if not response.payload and inner.status == 500:  # noqa: PLR2004 - the peer's own error
        raise EndorserFailure(Code.ABORTED, inner.message, retry=True)
    raise EndorserFailure(Code.UNKNOWN, f"chaincode response {inner.status}, {inner.message}", retry=False)


class LocalEndorser:
    """The peer's own endorser."""

    def __init__(self, msp_id: str, address: str, endorser: Endorser) -> None:
        self.msp_id = msp_id
        self.address = address
        self._endorser = endorser

    async def process(self, signed: Any) -> Any:
        """Return a successful response or raise EndorserFailure."""
        try:
            return judge(await self._endorser.process(signed))
        except RejectedError as error:
            code = Code.UNAVAILABLE if error.filtered else Code.FAILED_PRECONDITION
            raise EndorserFailure(code, str(error), retry=error.filtered) from None


class RemoteEndorser:
    """Another peer, of any organisation."""

    def __init__(self, node: Node) -> None:
        self.msp_id = node.msp_id
        self.address = node.address
        self._stub = peer_pb2_grpc.EndorserStub(dial(node.address, node.tls_roots))

    async def process(self, signed: Any) -> Any:
        """Return a successful response or raise EndorserFailure."""
        try:
            return judge(await self._stub.ProcessProposal(signed, timeout=TIMEOUT_S))
        except grpc.aio.AioRpcError as error:
            message = f"rpc error: code = {_go_name(error.code())} desc = {error.details()}"
            raise EndorserFailure(Code.UNAVAILABLE, message, retry=True) from None


class Peers:
    """The other peers of the channel as it is configured, of the own organisation too."""

    def __init__(self, committer: Committer, own_address: str) -> None:
        self._committer = committer
        self._own = own_address
        self._known: dict[Node, RemoteEndorser] = {}

    def __call__(self) -> dict[str, list[Any]]:
        """Return the endorsers of each organisation, in the order of the configuration."""
        found: dict[str, list[Any]] = {}
        for node in self._committer.channel.peers:
            if node.address == self._own:
                continue
            if node not in self._known:
                self._known[node] = RemoteEndorser(node)
            found.setdefault(node.msp_id, []).append(self._known[node])
        return found


class Broadcaster:
    """Passes messages on over one stream; answers come in the order of the messages.

    A refusal is told as a gateway of Fabric tells it (gateway/submit.go): under BFT it asks all orderers and lists what
    each said; under Raft the first answer that the client is at fault ends it.
    """

    def __init__(self, node: Node, log: Any, *, bft: bool) -> None:
        self._node = node
        self._bft = bft
        self._stub = ab_pb2_grpc.AtomicBroadcastStub(dial(node.address, node.tls_roots))
        self._log = log
        self._outbox: Outbox | None = None
        self._waiting: deque[asyncio.Future[Any]] = deque()

    async def run(self) -> None:
        """Keep a stream open for as long as the peer runs."""
        while True:
            call = self._stub.Broadcast(wait_for_ready=True)
            try:
                await call.wait_for_connection()
                self._outbox = Outbox(call)
                while (response := await call.read()) is not EOF:
                    future = self._waiting.popleft()
                    if not future.done():
                        future.set_result(response)
                reason = "rpc error: code = Unavailable desc = the stream was closed"
            except grpc.aio.AioRpcError as error:
                reason = f"rpc error: code = {_go_name(error.code())} desc = {error.details()}"
            finally:
                if self._outbox is not None:
                    self._outbox.close()
                self._outbox = None
            self._log.warning("ordering service lost", address=self._node.address, reason=reason)
            self._fail(reason)
            await asyncio.sleep(RETRY_S)

    async def broadcast(self, envelope: Any) -> None:
        """Return once the ordering service has accepted a message; CallError if it has not."""
        if self._outbox is None:
            raise self._unavailable("rpc error: code = Unavailable desc = the orderer does not answer")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._outbox.post(envelope)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await future
        except TimeoutError:
            message = "submit timeout expired while broadcasting to ordering service"
            raise CallError(Code.DEADLINE_EXCEEDED, message) from None
        if response.status != p.common.SUCCESS:
            status = p.common.Status.Name(response.status)
            refusal = f"received unsuccessful response from orderer: status={status}, info={response.info}"
            raise CallError(Code.ABORTED, refusal) if self._is_final(response.status) else self._unavailable(refusal)

    def _is_final(self, status: int) -> bool:
        return not self._bft and p.common.BAD_REQUEST <= status < p.common.INTERNAL_SERVER_ERROR

    def _fail(self, reason: str) -> None:
        """Tell everyone who waits for an answer on the lost stream."""
        lost, self._waiting = self._waiting, deque()
        for future in lost:
            if not future.done():
                future.set_exception(self._unavailable(reason))
                future.exception()  # whoever waited may have given up: that is no error of ours

    def _unavailable(self, reason: str) -> CallError:
        message = NO_QUORUM if self._bft else NO_ORDERER
        return CallError(Code.UNAVAILABLE, message, [error_detail(self._node.address, self._node.msp_id, reason)])


class Puller:
    """Fetches the blocks that the peer does not have yet, and commits them."""

    def __init__(self, node: Node, committer: Committer, signer: SigningIdentity, log: Any) -> None:
        self._node = node
        self._stub = ab_pb2_grpc.AtomicBroadcastStub(dial(node.address, node.tls_roots))
        self._committer = committer
        self._signer = signer
        self._log = log

    async def run(self) -> None:
        """Keep a stream of blocks open for as long as the peer runs."""
        while True:
            call = self._stub.Deliver(wait_for_ready=True)
            try:
                await call.write(self._seek())
                while (response := await call.read()) is not EOF:
                    if response.WhichOneof("Type") == "status":
                        self._log.warning("blocks refused", status=p.common.Status.Name(response.status))
                        break
                    await self._committer.commit(response.block)
                    del response  # a large block would stay until the next comes
            except grpc.aio.AioRpcError as error:
                self._log.warning("ordering service lost", address=self._node.address, reason=error.details())
            except (BlockError, NetworkError) as error:
                self._log.error("block not committed", reason=str(error))
                await asyncio.sleep(STUCK_S)
            finally:
                call.cancel()
            await asyncio.sleep(RETRY_S)

    def _seek(self) -> Any:
        def at(number: int) -> Any:
            return p.ab.SeekPosition(specified=p.ab.SeekSpecified(number=number))

        seek = p.ab.SeekInfo(
            start=at(self._committer.height), stop=at(NO_END), behavior=p.ab.SeekInfo.BLOCK_UNTIL_READY
        )
        header = channel_header(p.common.DELIVER_SEEK_INFO, self._committer.channel.name)
        return sign_envelope(self._signer, header, seek.SerializeToString())


def _go_name(code: grpc.StatusCode) -> str:
    return "".join(part.capitalize() for part in code.name.split("_"))
