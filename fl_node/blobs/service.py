"""The blob service of one organisation: content-addressed over HTTPS with mutual TLS.

PUT  /blobs/{digest}   members; whole, or in chunks by `Content-Range: bytes a-b/total`
HEAD /blobs/{digest}   members and regulators; 404 with `Upload-Offset` says how much of the caller's upload is here;
                       `Upload-Binding` is answered with the first binding of its deed in `Upload-Bound`
GET  /blobs/{digest}   members and regulators; `Range` is honoured
POST /words/{training}/{round}/{attempt}/{function}/{participant}
                       members; a word for the carrier, `{"proposal", "signature"}` in base64
GET  /words/{training}/{round}/{attempt}/{function}?count=N&wait_ms=M
                       the own organisation; what was handed in, as soon as N words are here or after M ms
GET  /rounds/{training}/{round}/{attempt}
                       members; what is settled in an attempt (blobs.seen)
POST /several          the own organisation; many small blobs in one answer (blobs.several)
PUT  /several          members; many small blobs in one request (blobs.bringing)
"""

import asyncio
import json
import re
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from fl_node import codes
from fl_node.blobs.admission import Caps, descriptors
from fl_node.blobs.bringing import BringingService
from fl_node.blobs.callers import arriving, caller
from fl_node.blobs.door import Door
from fl_node.blobs.first_digest import ASKED, FIRST, require_binding
from fl_node.blobs.reports import Reports, logger
from fl_node.blobs.seen import SeenService
from fl_node.blobs.several import SeveralService
from fl_node.blobs.store import About, BlobStore
from fl_node.blobs.tls import Trust
from fl_node.blobs.together import Together
from fl_node.blobs.words_service import WordsService
from fl_node.errors import NodeError
from fl_node.journal.egress import EgressLog

CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
STATUS: Final = {
    codes.INPUT_UNUSABLE: 400,
    codes.DISK_REFUSES: 507,
    codes.BLOB_DIFFERS: 422,
    codes.BLOB_TOO_LARGE: 413,
    codes.QUOTA_USED_UP: 507,
    codes.BLOB_MISSING: 404,
    codes.CALLER_REFUSED: 403,
}
STATUS_RANGE: Final = 409
MAX_CHUNK: Final = 4 << 20
MAX_UPLOADS: Final = 4
"""Uploads of one organisation read at once: its next wait, another's do not; memory stays near 16 MiB a member."""
IDLE_S: Final = 120.0
"""How long a connection may be without a whole request: before its first byte, amid its headers, between requests."""
SEND_S: Final = 15.0
SLOWEST: Final = 256 << 10
"""Who reads a blob has SEND_S and a second for each so many bytes."""
CHUNKS: Final = "Send it in chunks with Content-Range."
LINGER_S: Final = 2.0
"""How long the rest of a refused upload is read, so that its sender sees the answer."""

ORGANISATION: Final = web.AppKey("organisation", str)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BlobService:
    """Handlers over one store, whose owner is the service's organisation; `application()` gives what aiohttp runs."""

    def __init__(self, store: BlobStore, trust: Trust, egress: EgressLog | None = None) -> None:
        self.store = store
        self.trust = trust
        self.words = WordsService(store.owner, trust)
        self.rounds = SeenService(trust)
        self._several = SeveralService(store, trust)
        self._bringing = BringingService(store, trust)
        self._telling = Together(self._firsts)
        self._egress = egress
        self._uploads: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(MAX_UPLOADS))
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}

    def application(self) -> web.Application:
        """Return the service as an application."""
        application = web.Application(middlewares=[explain], client_max_size=MAX_CHUNK)
        application.add_routes(
            [
                web.put("/blobs/{digest}", self.put),
                web.head("/blobs/{digest}", self.head),
                web.get("/blobs/{digest}", self.get, allow_head=False),
                web.get("/health", self.health),
                *self.words.routes(),
                *self.rounds.routes(),
                *self._several.routes(),
                *self._bringing.routes(),
            ]
        )
        application.on_shutdown.append(self.words.stop)
        return application

    async def put(self, request: web.Request) -> web.Response:
        """Take a blob or a chunk of one."""
        organisation = caller(request, self.trust, {"member"})
        digest = request.match_info["digest"]
        self.store.path(digest)
        if (request.content_length or 0) > MAX_CHUNK:
            raise NodeError(
                codes.BLOB_TOO_LARGE, f"at most {MAX_CHUNK} bytes are taken at once", where=digest, hint=CHUNKS
            )
        lock = self._locks.setdefault((digest, organisation), asyncio.Lock())
        try:
            async with self._uploads[organisation], lock:
                offset, total, chunk = await self._chunk(request)
                about = About(organisation)
                whole = await asyncio.to_thread(self.store.append, digest, offset, total, chunk, about)
        finally:
            if not lock.locked():
                self._locks.pop((digest, organisation), None)
        arrived = total if whole else self.store.arrived(digest, organisation)
        return web.Response(status=201 if whole else 202, headers={"Upload-Offset": str(arrived)})

    async def head(self, request: web.Request) -> web.Response:
        """Tell whether a blob is here, or how far the caller's upload came."""
        organisation = caller(request, self.trust, {"member", "regulator"})
        digest = request.match_info["digest"]
        headers = await self._bound(request, organisation)
        size = self.store.size(digest)
        if size is None:
            arrived = self.store.arrived(digest, organisation)
            # Without a length the client closes the connection, and every upload would begin with a TLS handshake.
            return web.Response(status=404, headers={"Content-Length": "0", "Upload-Offset": str(arrived), **headers})
        return web.Response(status=200, headers={"Content-Length": str(size), **headers})

    def _firsts(self, told: Sequence[tuple[str, str]]) -> list[str]:
        return self.store.bindings.firsts(told)

    async def _bound(self, request: web.Request, organisation: str) -> dict[str, str]:
        text = request.headers.get(ASKED)
        if text is None:
            return {}
        caller(request, self.trust, {"member"})
        require_binding(text, organisation)
        return {FIRST: await self._telling.do((organisation, text))}

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Give a blob or a range of it."""
        organisation = caller(request, self.trust, {"member", "regulator"})
        digest = request.match_info["digest"]
        size = self.store.size(digest)
        if size is None:
            raise NodeError(codes.BLOB_MISSING, "this blob is not here", where=digest)
        if self._egress:
            first, last = _asked_for(request, size)
            self._egress.blob(organisation, digest, first, last - first)
        return _Sending(self.store.path(digest), headers={"Content-Type": "application/octet-stream"})

    async def health(self, request: web.Request) -> web.Response:
        """Answer anyone of the consortium."""
        caller(request, self.trust, {"member", "regulator", "orderer"})
        return web.json_response({"status": "ok"})

    async def _chunk(self, request: web.Request) -> tuple[int, int, bytes]:
        header = request.headers.get("Content-Range")
        body = await arriving(request.read(), "chunk")
        if header is None:
            organisation = caller(request, self.trust, {"member"})
            self.store.discard_part(request.match_info["digest"], organisation)
            return 0, len(body), body
        match = CONTENT_RANGE.fullmatch(header)
        if not match:
            raise NodeError(codes.CHUNK_REFUSED, "Content-Range is `bytes first-last/total`")
        first, last, total = (int(group) for group in match.groups())
        if last - first + 1 != len(body):
            raise NodeError(codes.CHUNK_REFUSED, f"Content-Range speaks of {last - first + 1} bytes, {len(body)} came")
        return first, total, body


def _asked_for(request: web.Request, size: int) -> tuple[int, int]:
    """Return the first byte asked for and the one after the last; an unusable range is answered without bytes."""
    try:
        first, last, _ = request.http_range.indices(size)
    except ValueError:
        return 0, 0
    return first, max(first, last)


@web.middleware
async def explain(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn our errors into responses that carry their code."""
    try:
        return await handler(request)
    except NodeError as error:
        status = STATUS_RANGE if error.code == codes.CHUNK_REFUSED else STATUS.get(error.code, 500)
        return web.Response(status=status, text=json.dumps(error.as_json()), content_type="application/json")


class _Sending(web.FileResponse):
    """A blob on its way to a reader, who is cut off if it does not read."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        patience_s = SEND_S + self._path.stat().st_size / SLOWEST
        try:
            async with asyncio.timeout(patience_s):
                return await super().prepare(request)
        except TimeoutError:
            if isinstance(request.transport, asyncio.Transport):
                request.transport.abort()
            raise ConnectionResetError("the reader did not read") from None


async def serve(service: BlobService, host: str, port: int, context: Callable[[], ssl.SSLContext]) -> web.AppRunner:
    """Start the service behind its door, each connection in a context of its time; `await runner.cleanup()` ends it.

    Raises:
        NodeError: FL4008, the port cannot be had.
    """
    reports = Reports()
    runner = web.AppRunner(
        service.application(),
        access_log=None,
        logger=logger(reports),
        keepalive_timeout=IDLE_S,
        lingering_time=LINGER_S,
        max_headers=64,
        max_field_size=4096,
        max_line_size=1024,
    )
    await runner.setup()
    caps = Caps.of(descriptors(), len(service.trust.defined().organisations))
    try:
        await Door(runner, (host, port), context, service.trust.organisation, caps, reports).start()
    except OSError as error:
        await runner.cleanup()
        hint = "Free the port, or give the organisation another blob_port in the definition."
        raise NodeError(
            codes.BLOB_SERVICE_SILENT, f"cannot listen: {error.strerror}", where=f"{host}:{port}", hint=hint
        ) from None
    return runner
