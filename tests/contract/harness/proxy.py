"""A relay in front of a peer, whose connections a case can cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from gateway import Endpoint


@dataclass
class Relay:
    """A listening port that passes bytes to and from a peer."""

    target: Endpoint
    endpoint: Endpoint
    connections: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break every connection, as a failing network would."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection."""
        self.connections += 1
        host, port = self.target.address.split(":")
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            self._writers |= {writer, inner_writer}
            await asyncio.gather(_pass(reader, inner_writer), _pass(inner_reader, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(1 << 16):
            writer.write(content)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def relay(target: Endpoint) -> AsyncIterator[Relay]:
    """Listen on a free port in front of a peer."""
    relayed = Relay(target, target)
    server = await asyncio.start_server(relayed.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    relayed.endpoint = replace(target, address=f"127.0.0.1:{port}")
    try:
        yield relayed
    finally:
        server.close()
        relayed.cut()
