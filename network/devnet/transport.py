"""gRPC at the edge: channels, servers and errors that look like Fabric's."""

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.rpc import status_pb2

from network.devnet import protos as p

EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs lack it
MAX_MESSAGE = 100 << 20
MAX_METADATA = 16 << 20  # an error travels in headers; a chaincode may write long ones
OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_metadata_size", MAX_METADATA),
    ("grpc.absolute_max_metadata_size", MAX_METADATA),
    ("grpc.initial_reconnect_backoff_ms", 30),  # the default of a second dominates start-up
    # How long one attempt may take: a TLS handshake on a busy machine takes longer than those pauses.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 300),
    ("grpc.so_reuseport", 0),  # a second process on the same port must fail, not share it
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ("grpc.http2.max_ping_strikes", 0),
)


class CallError(Exception):
    """An RPC's outcome as Fabric reports it: status, message and the details of each node that failed."""

    def __init__(self, code: grpc.StatusCode, message: str, details: Iterable[Any] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = list(details)

    async def abort(self, context: Any) -> NoReturn:
        """End the call with this error, details in the trailer grpc-status-details-bin."""
        trailer: tuple[tuple[str, bytes], ...] = ()
        if self.details:
            status = status_pb2.Status(code=self.code.value[0], message=self.message)
            for detail in self.details:
                status.details.add().Pack(detail)
            trailer = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(self.code, self.message, trailer)
        raise AssertionError("abort does not return")


class Outbox:
    """Writes messages to a stream one after the other: whoever posts one does not wait, and cannot cut a write short.

    A write that is cancelled ends its stream, and with it everyone's transactions on it.
    """

    def __init__(self, call: Any) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._task = asyncio.create_task(self._run(call))

    def post(self, message: Any) -> None:
        """Put a message in line; if the stream breaks, its reader learns of it."""
        self._queue.put_nowait(message)

    def close(self) -> None:
        """Write no more."""
        self._task.cancel()

    async def _run(self, call: Any) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            while True:
                await call.write(await self._queue.get())


def error_detail(address: str, msp_id: str, message: str) -> Any:
    """Return what one node answered."""
    return p.gateway.ErrorDetail(address=address, msp_id=msp_id, message=message)


def dial(address: str, roots: bytes, *, key: bytes | None = None, certificate: bytes | None = None) -> grpc.aio.Channel:
    """Return a TLS channel; with key and certificate it identifies itself."""
    credentials = grpc.ssl_channel_credentials(roots, key, certificate)
    return grpc.aio.secure_channel(address, credentials, options=OPTIONS)


def dial_plainly(address: str) -> grpc.aio.Channel:
    """Return a channel without TLS."""
    return grpc.aio.insecure_channel(address, options=OPTIONS)


def new_server() -> grpc.aio.Server:
    """Return a server with devnet's options."""
    return grpc.aio.server(options=OPTIONS)


def listen(server: grpc.aio.Server, address: str, tls: Path) -> None:
    """Let a server listen with the certificate in a TLS folder."""
    pair = ((tls / "server.key").read_bytes(), (tls / "server.crt").read_bytes())
    server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
