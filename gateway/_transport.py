"""The wire: the only module that knows gRPC."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fabric_protos.gateway import gateway_pb2
from google.rpc import status_pb2

from ._diagnosis import cause, destination
from ._failover import Choice, Failover
from .errors import ConnectError, ErrorDetail, StatusCode, TransportError

_MAX_MESSAGE_BYTES = 100 * 1024 * 1024  # what a Fabric peer accepts and sends
_MAX_METADATA_BYTES = 16 * 1024 * 1024
_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    # An error comes in headers, its text up to twice and each byte in up to three: one of 1 MB has to fit.
    ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # This is also how long one connection attempt may take, handshake included.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    # Finds the connection that died without a word; peers refuse clients that ask more often than once a minute.
    ("grpc.keepalive_time_ms", 120_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),  # an event stream may be quiet for days
    # gRPC's own retries and its probing of the line cost a tenth of a call: retries are this client's, and a window of
    # this size needs no probing.
    ("grpc.enable_retries", 0),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 4 * 1024 * 1024),
]
_DIAGNOSIS_SECONDS = 2.0  # a peer that hangs is not waited for twice
_DETAILS = "grpc-status-details-bin"
_READY = grpc.ChannelConnectivity.READY
Option = tuple[str, int | str]
"""A channel argument of gRPC (grpc/grpc, include/grpc/impl/channel_arg_names.h)."""
Pairs = tuple[tuple[str, str | bytes], ...]
"""What a call carries in its headers."""
_FAILED = (grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A peer's address and how to know that it is the right one.

    Attributes:
        address: "host:port"; an IPv6 address stands in brackets.
        root_certificates: PEM of the authorities that may have issued the peer's TLS certificate; None: the system's.
        client_certificate: PEM, where the peer asks for mutual TLS.
        client_key: PEM, with client_certificate.
        server_name: the name the certificate must carry where it differs from the address.
        plaintext: no TLS at all; only for a peer behind a local proxy.
    """

    address: str
    root_certificates: bytes | None = None
    client_certificate: bytes | None = None
    client_key: bytes | None = None
    server_name: str | None = None
    plaintext: bool = False

    def __post_init__(self) -> None:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError(f"endpoint {self.address}: mutual TLS needs client_certificate and client_key together")
        if self.plaintext and (self.root_certificates or self.client_certificate):
            raise ValueError(f"endpoint {self.address}: certificates make no sense with plaintext=True")
        destination(self.address)
        for name in ("root_certificates", "client_certificate"):
            if (pem := getattr(self, name)) is not None:
                _require_certificates(f"endpoint {self.address}: {name}", pem)

    @property
    def tls_certificate_hash(self) -> bytes:
        """SHA-256 of the client's TLS certificate, which block requests are bound to; empty without mutual TLS."""
        if self.client_certificate is None:
            return b""
        certificate = x509.load_pem_x509_certificate(self.client_certificate)
        return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


class Transport(Protocol):
    """Carries serialized messages to a gateway; failures are TransportError."""

    @property
    def address(self) -> str:
        """The peer that the next call goes to; "" where there is only one."""

    @property
    def tls_certificate_hash(self) -> bytes:
        """SHA-256 of the client's TLS certificate in DER; empty without mutual TLS."""

    async def connect(self, deadline: float) -> None:
        """Return once a peer has answered.

        Raises:
            ConnectError: none did within `deadline` seconds.
        """

    async def unary(self, path: str, request: bytes, deadline: float, metadata: Pairs = ()) -> bytes:
        """Call "/package.Service/Method" and return the response; `deadline` in seconds."""

    def stream(self, path: str, request: bytes, metadata: Pairs = ()) -> AsyncIterator[bytes]:
        """Send one request and yield responses until the other side ends or breaks the stream."""

    def pass_over(self, address: str, reason: str) -> None:
        """Use another peer than this one, where there is one."""

    async def close(self) -> None:
        """Give back every connection; calls under way are cancelled."""


class GrpcTransport:
    """gRPC to the first of several peers that answers; one that is dead is left, and used again once it is back.

    Several gateways may share it: `async with GrpcTransport(endpoints) as transport: …` closes it behind all of them.

    Args:
        endpoints: peers of one organisation, which believes each of them, in the order of preference.
        failover: when one is left and used again, where the defaults do not fit.
        options: channel arguments of gRPC that go before this client's own, such as ("grpc.keepalive_time_ms", 60_000).
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], failover: Failover | None = None, options: Sequence[Option] = ()
    ) -> None:
        if not endpoints:
            raise ValueError("at least one endpoint is needed")
        self._links = [_Link(endpoint, tuple(options)) for endpoint in endpoints]
        self._choice = Choice(self._links, failover or Failover())

    @property
    def address(self) -> str:
        """The address of the peer in use."""
        return self._links[self._choice.current].address

    @property
    def tls_certificate_hash(self) -> bytes:
        """See Transport."""
        return self._links[self._choice.current].endpoint.tls_certificate_hash

    async def connect(self, deadline: float) -> None:
        """See Transport; endpoints are tried in their order, each for an equal part of the time."""
        for _ in self._links:
            index = self._choice.current
            if await self._links[index].ready(deadline / len(self._links)):
                return
            self._choice.lost(index, "no connection")
        causes = await asyncio.gather(*(link.cause() for link in self._links))
        said = "; ".join(f"{link.endpoint.address}: {cause}" for link, cause in zip(self._links, causes, strict=True))
        raise ConnectError(f"no peer answered within {deadline:g} s: {said}", code=StatusCode.UNAVAILABLE)

    async def unary(self, path: str, request: bytes, deadline: float, metadata: Pairs = ()) -> bytes:
        """See Transport; the call itself is never repeated, the next one goes elsewhere."""
        index = self._choice.current
        link = self._links[index]
        call = link.method(path, streaming=False)(request, timeout=deadline, metadata=metadata)
        try:
            with link.carrying(call):
                response: bytes = await call
        except grpc.aio.AioRpcError as error:
            self._look_after(index, error)
            raise _translated(error) from error
        self._choice.answered(index)
        return response

    async def stream(self, path: str, request: bytes, metadata: Pairs = ()) -> AsyncIterator[bytes]:
        """See Transport."""
        index = self._choice.current
        link = self._links[index]
        call = link.method(path, streaming=True)(metadata=metadata)
        try:
            with link.carrying(call, stream=True):
                # A call that failed already cannot be written to; its status comes below.
                with suppress(asyncio.InvalidStateError):
                    await call.write(request)
                    await call.done_writing()
                while (response := await call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]
                    yield response
                if (code := await call.code()) is not grpc.StatusCode.OK:
                    details = _details(await call.trailing_metadata())
                    raise TransportError(_code(code), await call.details() or "", details)
        except grpc.aio.AioRpcError as error:
            self._look_after(index, error)
            raise _translated(error) from error
        finally:
            call.cancel()

    def pass_over(self, address: str, reason: str) -> None:
        """See Transport."""
        for index, link in enumerate(self._links):
            if link.address == address:
                self._choice.lost(index, reason)

    async def close(self) -> None:
        """See Transport."""
        await self._choice.close()
        for link in self._links:
            await link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _look_after(self, index: int, error: grpc.aio.AioRpcError) -> None:
        if error.code() is grpc.StatusCode.UNAVAILABLE and not self._links[index].is_ready:
            self._choice.lost(index, error.details() or "no connection")
        elif error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            self._choice.late(index)


class _Link:
    """One endpoint's channel and the callables made from it, both made once."""

    def __init__(self, endpoint: Endpoint, options: tuple[Option, ...]) -> None:
        self.endpoint = endpoint
        self._options = options
        self._channel: Any = None
        self._methods: dict[str, Callable[..., Any]] = {}
        self.calls: dict[Any, bool] = {}  # those under way; whether each is a stream

    @property
    def address(self) -> str:
        return self.endpoint.address

    @property
    def channel(self) -> Any:
        if self._channel is None:
            self._channel = _channel(self.endpoint, *self._options)
        return self._channel

    @property
    def is_ready(self) -> bool:
        return self._channel is not None and self._channel.get_state() is _READY

    def method(self, path: str, *, streaming: bool) -> Callable[..., Any]:
        if path not in self._methods:
            make = self.channel.stream_stream if streaming else self.channel.unary_unary
            self._methods[path] = make(path)
        return self._methods[path]

    async def ready(self, deadline: float) -> bool:
        return await _connected(self.channel, deadline)

    async def answers(self, deadline: float) -> bool:
        alone = ("grpc.use_local_subchannel_pool", 1)  # it shares no connection
        channel = _channel(self.endpoint, *self._options, alone)
        try:
            return await _connected(channel, deadline)
        finally:
            await channel.close()

    def carrying(self, call: Any, *, stream: bool = False) -> "_Carried":
        """Know a call while it lasts; one that is abandoned meanwhile fails as on a lost connection."""
        return _Carried(self, call, stream)

    def abandon(self, *, streams_only: bool) -> None:
        for call, stream in list(self.calls.items()):
            if stream or not streams_only:
                del self.calls[call]
                call.cancel()

    async def cause(self) -> str:
        """Return why the peer does not answer."""
        end = self.endpoint
        try:
            async with asyncio.timeout(_DIAGNOSIS_SECONDS):
                return await cause(destination(end.address), _context(end), end.server_name)
        except TimeoutError:
            return "it takes no connection in time: a firewall may drop it, or it hangs"

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()


class _Carried:
    """A call under way. A class, since one made from a generator costs every call a hundredth of its time."""

    __slots__ = ("_call", "_link", "_stream")

    def __init__(self, link: _Link, call: Any, stream: bool) -> None:
        self._link, self._call, self._stream = link, call, stream

    def __enter__(self) -> None:
        self._link.calls[self._call] = self._stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        known = self._link.calls.pop(self._call, None) is not None
        if not isinstance(error, asyncio.CancelledError):
            return
        task = asyncio.current_task()
        if known or (task is not None and task.cancelling()):
            return  # not the call was given up, but who waits for it
        raise TransportError(StatusCode.UNAVAILABLE, f"the peer at {self._link.address} was left") from None


def _channel(end: Endpoint, *more: Option) -> Any:
    chosen = {name for name, _ in more}
    options: list[Option] = [*more, *(option for option in _CHANNEL_OPTIONS if option[0] not in chosen)]
    if destination(end.address).is_loopback:
        options.append(("grpc.enable_http_proxy", 0))  # a proxy's loopback is its own
    if end.server_name is not None:
        options.append(("grpc.ssl_target_name_override", end.server_name))
    if end.plaintext:
        return grpc.aio.insecure_channel(end.address, options)
    credentials = grpc.ssl_channel_credentials(end.root_certificates, end.client_key, end.client_certificate)
    return grpc.aio.secure_channel(end.address, credentials, options)


async def _connected(channel: Any, deadline: float) -> bool:
    """Wait for a connection with its handshake; say whether there is one in time."""
    try:
        async with asyncio.timeout(deadline):
            while (state := channel.get_state(try_to_connect=True)) is not _READY:
                if state in _FAILED:
                    return False
                await channel.wait_for_state_change(state)
    except TimeoutError:
        return False
    return True


def _require_certificates(what: str, pem: object) -> None:
    if not isinstance(pem, bytes):
        raise TypeError(f"{what} is of type {type(pem).__name__}: give the file's content as bytes")
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ValueError(f"{what} holds no certificate in PEM: give the file's content, not its name") from None


def _context(end: Endpoint) -> ssl.SSLContext | None:
    if end.plaintext:
        return None
    roots = end.root_certificates
    return ssl.create_default_context(cadata=roots.decode("ascii", "replace") if roots else None)


def _translated(error: grpc.aio.AioRpcError) -> TransportError:
    return TransportError(_code(error.code()), error.details() or "", _details(error.trailing_metadata()))


def _code(code: grpc.StatusCode) -> StatusCode:
    return StatusCode[code.name]


def _details(metadata: Any) -> tuple[ErrorDetail, ...]:
    """Return the gateway.ErrorDetail messages of a google.rpc.Status in the trailer, skipping what is none."""
    raw = next((value for key, value in metadata or () if key == _DETAILS), None)
    if raw is None:
        return ()
    details = []
    for packed in status_pb2.Status.FromString(raw).details:
        detail = gateway_pb2.ErrorDetail()
        if packed.Unpack(detail):
            details.append(ErrorDetail(detail.address, detail.msp_id, detail.message))
    return tuple(details)
