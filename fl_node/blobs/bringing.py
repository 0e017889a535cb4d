"""Many small blobs in one request: what a carrier brings to an organisation, of all who left theirs to it.

PUT /several   members; each blob follows its length in LENGTH bytes, big-endian. All are kept or one is refused, as a
               PUT of each would keep or refuse it (blobs.service)
"""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import aiohttp
from aiohttp import web

from fl_node import codes
from fl_node.blobs.callers import arriving, caller
from fl_node.blobs.client import CHUNK, HTTP_CREATED, BlobClient
from fl_node.blobs.responses import MOST_SAID, bounded, reason, refusal
from fl_node.blobs.several import LENGTH, PATH
from fl_node.blobs.store import About, BlobStore
from fl_node.blobs.tls import Trust
from fl_node.errors import NodeError

MOST_BODY: Final = CHUNK
"""Bytes of one request."""
LARGEST: Final = 64 << 10
"""Bytes of a blob that is left to a carrier: a larger one costs its bytes more than its request."""
AT_ONCE: Final = 2
"""Requests of one organisation read at once: memory stays near 2 MiB a member."""


async def bring(client: BlobClient, organisation: str, blobs: Sequence[bytes]) -> None:
    """Give blobs to an organisation's service, in as few requests as they take.

    Raises:
        NodeError: FL4008, it does not answer; FL4705, FL4703 …, it refuses one; FL4007, it cannot be logged.
    """
    for package in _packages(blobs):
        if client.egress:
            client.egress.blobs(organisation, package)
        try:
            await _sent(client, organisation, b"".join(_framed(package)))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            message = f"the blob service of {organisation} does not answer: {reason(error)}"
            raise NodeError(codes.BLOB_SERVICE_SILENT, message) from None


async def _sent(client: BlobClient, organisation: str, body: bytes) -> None:
    async with client.call("PUT", organisation, f"{client.url(organisation)}{PATH}", data=body) as response:
        if response.status != HTTP_CREATED:
            raise NodeError(*await refusal(response), where=organisation)
        await bounded(response, MOST_SAID)


def _packages(blobs: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield blobs together as long as one request takes them."""
    package, size = list[bytes](), 0
    for blob in blobs:
        if package and size + LENGTH + len(blob) > MOST_BODY:
            yield package
            package, size = [], 0
        package.append(blob)
        size += LENGTH + len(blob)
    if package:
        yield package


def _framed(blobs: Iterable[bytes]) -> Iterator[bytes]:
    for blob in blobs:
        yield len(blob).to_bytes(LENGTH)
        yield blob


class BringingService:
    """The service's side; `routes()` gives what aiohttp runs."""

    def __init__(self, store: BlobStore, trust: Trust) -> None:
        self._store = store
        self._trust = trust
        self._reading: dict[str, asyncio.Semaphore] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return where blobs are brought."""
        return [web.put(PATH, self.put)]

    async def put(self, request: web.Request) -> web.Response:
        """Take blobs from a member; they count as brought by its organisation."""
        organisation = caller(request, self._trust, {"member"})
        async with self._reading.setdefault(organisation, asyncio.Semaphore(AT_ONCE)):
            body = await arriving(bounded(request, MOST_BODY), "blobs")
            if body is None:
                raise NodeError(codes.BLOB_TOO_LARGE, f"at most {MOST_BODY} bytes are taken at once")
            await asyncio.to_thread(self._keep, list(_blobs(body)), About(organisation))
        return web.Response(status=HTTP_CREATED)

    def _keep(self, blobs: Iterable[bytes], about: About) -> None:
        for blob in blobs:
            digest = hashlib.sha256(blob).hexdigest()
            self._store.discard_part(digest, about.organisation)
            self._store.append(digest, 0, len(blob), blob, about, actual=digest)


def _blobs(body: bytes) -> Iterator[bytes]:
    """Yield the blobs of a body; FL4706 where it does not end with one."""
    at = 0
    while at < len(body):
        start = at + LENGTH
        at = start + int.from_bytes(body[at:start])
        if start > len(body) or at > len(body):
            raise NodeError(codes.CHUNK_REFUSED, "the last blob is cut off")
        yield body[start:at]
