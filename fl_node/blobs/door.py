"""The blob service's door: takes connections in one at a time, within caps and deadlines, before aiohttp sees a byte.

Why not a plain listening socket: asyncio takes connections as fast as they come, and aiohttp counts none of them. One
who opens connections and says nothing would soon hold every descriptor of the node's process.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final

from aiohttp import web

from fl_node.blobs.admission import Caps, Organisations, Rates, Strangers
from fl_node.blobs.reports import Reports
from fl_node.errors import NodeError

HANDSHAKE_S: Final = 20.0
"""How long a stranger may take for the TLS handshake.

It takes milliseconds, but a service that a hundred participants call in one second answers the last of them after all
others, and whom it cuts off comes again. Who is silent for so long takes no room from others (admission.Strangers).
"""
GOODBYE_S: Final = 1.0
"""How long the other side may take to end TLS before the connection is cut."""
BACKLOG: Final = 256
PAUSE_S: Final = 0.1
"""After the system has refused a descriptor."""

Recognise = Callable[[bytes], str]
"""A client certificate in DER → its organisation; raises NodeError for one that is nobody's."""


class Door(web.BaseSite):
    """Where a runner's server is reached: `start` begins to listen, `stop` ends it (aiohttp's sites)."""

    def __init__(
        self,
        runner: web.AppRunner,
        address: tuple[str, int],
        context: Callable[[], ssl.SSLContext],
        recognise: Recognise,
        caps: Caps,
        reports: Reports,
    ) -> None:
        super().__init__(runner, ssl_context=context())
        self._context = context
        self._address = address
        self._recognise = recognise
        self._organisations = Organisations(caps)
        self._strangers: Strangers[socket.socket] = Strangers(caps)
        self._rates = Rates()
        self._reports = reports
        self._listeners: list[socket.socket] = []
        self._accepting: set[asyncio.Task[None]] = set()
        self._greeting: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """Return the address in words."""
        return f"https://{self._address[0]}:{self._address[1]}"

    async def start(self) -> None:
        """Listen; raises OSError where the address cannot be had."""
        await super().start()
        found = await asyncio.get_running_loop().getaddrinfo(*self._address, type=socket.SOCK_STREAM)
        for family, address in sorted({(family, address) for family, _, _, _, address in found}):
            self._listeners.append(_listener(family, address))
        for listener in self._listeners:
            _spawn(self._accept(listener), self._accepting)

    async def stop(self) -> None:
        """Listen no longer and drop who is in the handshake; who is inside is the runner's to end."""
        for task in self._accepting:
            task.cancel()
        for stranger in self._strangers:
            _drop(stranger)
        await asyncio.gather(*self._accepting, *self._greeting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        await super().stop()

    def enter(self, certificate: bytes) -> str | None:
        """Count a connection that has shown a certificate; return its organisation, None where there is no room."""
        try:
            organisation = self._recognise(certificate)
        except NodeError:
            organisation = ""  # it is told so in the answer to its first request
        if self._organisations.enter(organisation):
            return organisation
        self._reports.tell("an organisation has too many connections", organisation=organisation)
        return None

    def leave(self, organisation: str) -> None:
        """Count a connection no longer."""
        self._organisations.leave(organisation)

    def protocol(self) -> asyncio.Protocol:
        """Return aiohttp's side of one connection."""
        assert self._runner.server, "a site has a runner that is set up"
        return self._runner.server()

    async def _accept(self, listener: socket.socket) -> None:
        """Take one connection a turn of the loop: however many knock, the node's own work goes on between them."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)
            try:
                taken, (address, *_) = await loop.sock_accept(listener)
            except OSError as error:
                self._reports.tell("a connection cannot be taken", reason=error.strerror)
                await asyncio.sleep(PAUSE_S)
                continue
            if not self._rates.allow(address, loop.time()):
                taken.close()
                self._reports.tell("an address connects too often", address=address)
                continue
            if oldest := self._strangers.enter(address, taken):
                _drop(oldest)
                self._reports.tell("too many connections are in the handshake", address=address)
            _spawn(self._greet(taken, address), self._greeting)

    async def _greet(self, taken: socket.socket, address: str) -> None:
        connect = asyncio.get_running_loop().connect_accepted_socket
        deadlines = {"ssl_handshake_timeout": HANDSHAKE_S, "ssl_shutdown_timeout": GOODBYE_S}
        try:
            with contextlib.suppress(OSError):  # no TLS, no certificate of the consortium, too slow, gone
                await connect(lambda: _Guest(self), taken, ssl=self._context(), **deadlines)
        finally:
            self._strangers.leave(address, taken)


class _Guest(asyncio.Protocol):
    """One connection after its handshake: counted, and handed to aiohttp if there is room."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._organisation: str | None = None
        self._inner: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self._organisation = self._door.enter(certificate)
        if self._organisation is None:
            transport.abort()
            return
        self._inner = self._door.protocol()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner else None

    def pause_writing(self) -> None:
        if self._inner:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._inner:
            self._inner.connection_lost(exc)
        if self._organisation is not None:
            self._door.leave(self._organisation)


def _listener(family: int, address: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            every = address[0] == "::"  # asked for every address: those of IPv4 too, as Fabric's programs take it
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if every else 1)
        made.setblocking(False)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _drop(connection: socket.socket) -> None:
    """Cut a connection whose transport may not be there yet: it finds the end and closes everything by itself."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _spawn(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
