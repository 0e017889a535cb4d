"""Many small blobs in one answer: what a node beside its organisation's blob service asks that service for.

Scenario: a hundred participants of ten organisations need each other's sealed bundles, 9,900 in all. Where each node
asks for them one by one, a round is spent in asking.

POST /several   the own organisation; `{"digests": [...]}`, at most MOST_ASKED. Each blob follows its length in LENGTH
                bytes, big-endian, in the order of the question; NOT_HERE stands for one that is not here or too large
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Sequence
from typing import Final

import aiohttp
from aiohttp import web

from fl_node import codes
from fl_node.blobs.callers import arriving, caller
from fl_node.blobs.client import HTTP_OK, PULL_S, SLOWEST, BlobClient
from fl_node.blobs.responses import MOST_SAID, bounded
from fl_node.blobs.store import BlobStore
from fl_node.blobs.tls import Trust
from fl_node.canonical import CanonicalError, decode_strict
from fl_node.errors import NodeError

PATH: Final = "/several"
MOST_ASKED: Final = 256
LARGEST: Final = 1 << 20
"""Bytes of a blob that goes with others; a larger one is asked for by itself and comes by chunks."""
LENGTH: Final = 4
NOT_HERE: Final = b"\xff" * LENGTH
MOST_BODY: Final = 32 << 10
AT_ONCE: Final = 4
"""Answers under way; of each one blob is in memory."""
SEND_S: Final = 60.0
"""How long a reader may take for an answer."""


async def several(client: BlobClient, organisation: str, digests: Sequence[str], most: int) -> dict[str, bytes]:
    """Return what an organisation's service has of these blobs, by digest and verified; what it lacks is left out.

    Args:
        client: Open while this is used.
        organisation: The caller's own.
        digests: SHA-256 of each, hex.
        most: Bytes that each may have.
    """
    found: dict[str, bytes] = {}
    for start in range(0, len(digests), MOST_ASKED):
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, EOFError):
            await _take(client, organisation, digests[start : start + MOST_ASKED], most, found)
    return found


async def _take(
    client: BlobClient, organisation: str, digests: Sequence[str], most: int, found: dict[str, bytes]
) -> None:
    url, within = f"{client.url(organisation)}{PATH}", PULL_S + most * len(digests) / SLOWEST
    async with client.call("POST", organisation, url, within=within, json={"digests": list(digests)}) as response:
        if response.status != HTTP_OK:
            await bounded(response, MOST_SAID)
            return
        for digest in digests:
            length = await response.content.readexactly(LENGTH)
            if length == NOT_HERE:
                continue
            if int.from_bytes(length) > most:
                return
            data = await response.content.readexactly(int.from_bytes(length))
            if hashlib.sha256(data).hexdigest() == digest:
                found[digest] = data


class SeveralService:
    """The service's side; `routes()` gives what aiohttp runs."""

    def __init__(self, store: BlobStore, trust: Trust) -> None:
        self._store = store
        self._trust = trust
        self._answering = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        """Return where blobs are asked for."""
        return [web.post(PATH, self.post)]

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Give blobs to the own organisation: nothing leaves it."""
        if caller(request, self._trust, {"member"}) != self._store.owner:
            hint = "Ask for each blob by itself."
            raise NodeError(codes.CALLER_REFUSED, "many blobs are given to the service's own organisation", hint=hint)
        digests = self._digests(await arriving(bounded(request, MOST_BODY), "question"))
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        async with self._answering, asyncio.timeout(SEND_S):
            await response.prepare(request)
            for digest in digests:
                await response.write(await asyncio.to_thread(self._framed, digest))
            await response.write_eof()
        return response

    def _framed(self, digest: str) -> bytes:
        try:
            if (self._store.size(digest) or 0) > LARGEST:
                return NOT_HERE
            data = self._store.read(digest)
        except NodeError:  # not here, or damaged on the disk and set aside
            return NOT_HERE
        return len(data).to_bytes(LENGTH) + data

    def _digests(self, body: bytes | None) -> list[str]:
        try:
            asked = decode_strict(body or b"")
        except CanonicalError:
            raise _no_question() from None
        digests = asked.get("digests") if isinstance(asked, dict) else None
        if not isinstance(digests, list) or len(digests) > MOST_ASKED:
            raise _no_question()
        for digest in digests:
            self._store.path(str(digest))
        return [str(digest) for digest in digests]


def _no_question() -> NodeError:
    hint = f'A question is {{"digests": [...]}}, at most {MOST_ASKED}.'
    return NodeError(codes.INPUT_UNUSABLE, "this is no question for blobs", hint=hint)
