"""The client of the consortium's blob services: push to enough of them, pull from any, resume, log what leaves."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import Iterable, Mapping
from typing import Final, Self

import aiohttp

from fl_node.blobstore import About, BlobStore
from fl_node.egress import EgressLog
from fl_node.errors import NodeError

CHUNK: Final = 4 << 20
MOST: Final = 1 << 30
ATTEMPTS: Final = 5
FIRST_PAUSE_S: Final = 0.1
TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=5)
HTTP_OK: Final = 200
HTTP_CREATED: Final = 201
HTTP_ACCEPTED: Final = 202
HTTP_CONFLICT: Final = 409
PERMANENT: Final = {400, 403, 413, 422}
"""Answers that a repetition would not change."""


class BlobClient:
    """Speaks to every member's blob service as one organisation; an async context manager."""

    def __init__(self, urls: Mapping[str, str], context: ssl.SSLContext, egress: EgressLog | None = None) -> None:
        self.urls = dict(urls)
        self._context = context
        self._egress = egress
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self._context), timeout=TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def push(self, organisation: str, digest: str, data: bytes, *, attempts: int = ATTEMPTS) -> None:
        """Give a blob to one organisation's service, from where an earlier try ended.

        Raises:
            NodeError: FL4008 the service does not answer; FL4705, FL4702 … it refuses.
        """
        for attempt in range(attempts):
            try:
                return await self._push_once(organisation, digest, data)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = f"{type(error).__name__}: {error}"
            if attempt + 1 < attempts:
                await asyncio.sleep(_pause(attempt))
        raise NodeError(
            "FL4008", f"the blob service of {organisation} does not answer: {problem}", where=self.urls[organisation]
        )

    async def spread(self, digest: str, data: bytes, needed: int, preferred: Iterable[str] = ()) -> list[str]:
        """Push a blob to all members at once; return the organisations that have it as soon as enough do.

        Args:
            digest: SHA-256 of the data, hex.
            data: The blob.
            needed: How many organisations must have it.
            preferred: Organisations to wait for a moment longer.

        Raises:
            NodeError: FL4707, fewer than needed took it.
        """
        tasks = {asyncio.create_task(self.push(o, digest, data), name=o) for o in self.urls}
        wanted, pending = set(preferred), tasks
        held: list[str] = []
        problems: list[str] = []
        while pending and not (len(held) >= needed and wanted <= set(held)):
            timeout = None if len(held) < needed else 1.0
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED, timeout=timeout)
            if not done:
                break
            for task in done:
                failure = task.exception()
                held.extend([] if failure else [task.get_name()])
                problems.extend([str(failure)] if failure else [])
        for task in pending:
            task.add_done_callback(_forget)
        if len(held) < needed:
            raise NodeError(
                "FL4707", f"{len(held)} of {needed} blob services took a blob: {'; '.join(problems)}", where=digest
            )
        return sorted(held)

    async def pull(
        self, digest: str, store: BlobStore, organisation: str, sources: Iterable[str], most: int | None = None
    ) -> bytes:
        """Return a blob from the own store, else from the first source that has it; it is stored, verified, on the way.

        Args:
            digest: SHA-256 of the blob, hex.
            store: The own store.
            organisation: Who pulls.
            sources: Whom to ask, in order.
            most: Bytes that the blob may have, by default those that the store takes.

        Raises:
            NodeError: FL4704, nobody has it.
        """
        with contextlib.suppress(NodeError):  # not here, or damaged on the disk and set aside
            return await asyncio.to_thread(store.read, digest)
        for source in dict.fromkeys(sources):
            data = await self._get(source, digest, store.limits.blob if most is None else most)
            if data is None:
                continue
            try:
                store.discard_part(digest, organisation)
                await asyncio.to_thread(store.append, digest, 0, len(data), data, About(organisation))
            except NodeError as error:
                if error.code != "FL4701":
                    raise
                continue  # this source's bytes are not the blob; another's may be
            return data
        raise NodeError("FL4704", "no blob service has this blob", where=digest)

    async def get(self, digest: str, sources: Iterable[str] | None = None) -> bytes | None:
        """Return a blob from the first of the sources (default all) that has it, unverified, or None."""
        for source in self.urls if sources is None else sources:
            data = await self._get(source, digest, MOST)
            if data is not None:
                return data
        return None

    async def healthy(self, organisation: str) -> bool:
        """Tell whether an organisation's service answers us."""
        try:
            async with self._open.get(f"{self.urls[organisation]}/health") as response:
                return response.status == HTTP_OK
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    @property
    def _open(self) -> aiohttp.ClientSession:
        assert self._session, "use `async with`"
        return self._session

    async def _get(self, source: str, digest: str, most: int) -> bytes | None:
        if source not in self.urls:
            return None
        try:
            async with self._open.get(f"{self.urls[source]}/blobs/{digest}") as response:
                return await _bounded(response, most) if response.status == HTTP_OK else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def _push_once(self, organisation: str, digest: str, data: bytes) -> None:
        url = f"{self.urls[organisation]}/blobs/{digest}"
        async with self._open.head(url) as response:
            if response.status == HTTP_OK:
                return
            offset = int(response.headers.get("Upload-Offset", "0"))
        while True:
            chunk = data[offset : offset + CHUNK]
            headers = {"Content-Range": f"bytes {offset}-{offset + len(chunk) - 1}/{len(data)}"}
            if self._egress:
                self._egress.blob(organisation, digest, offset, len(chunk))
            async with self._open.put(url, data=chunk, headers=headers) as response:
                if response.status == HTTP_CREATED:
                    return
                if response.status in PERMANENT:
                    raise NodeError(*await _refusal(response), where=organisation)
                if response.status not in {HTTP_ACCEPTED, HTTP_CONFLICT}:
                    response.raise_for_status()
                    raise aiohttp.ClientPayloadError(f"status {response.status}")
                if response.status == HTTP_CONFLICT:
                    raise aiohttp.ClientPayloadError("another upload of this blob is under way")
            offset += len(chunk)


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """Return a body, or None as soon as it is longer than may be: a source's length is not to be believed."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > most:
            return None
    return bytes(data)


def _pause(attempt: int) -> float:
    return FIRST_PAUSE_S * 2.0**attempt * (0.5 + random.random())  # noqa: S311  # spreads retries, guards nothing


def _forget(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()  # a straggler's failure is of no consequence: enough others have the blob


async def _refusal(response: aiohttp.ClientResponse) -> tuple[str, str]:
    try:
        body = await response.json()
        return str(body["code"]), str(body["message"])
    except (aiohttp.ClientError, ValueError, KeyError, TypeError):
        return "FL4008", f"status {response.status}"
