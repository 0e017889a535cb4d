"""The client of the consortium's blob services: push to enough of them, pull from any, resume, log what leaves."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Self
from weakref import WeakValueDictionary

import aiohttp

from fl_node import codes
from fl_node.blobs.arrival import Arrival
from fl_node.blobs.content import Content, chunk_of, length_of
from fl_node.blobs.first_digest import ASKED, FIRST, Binding
from fl_node.blobs.proxy import proxy_for
from fl_node.blobs.responses import MOST_SAID, bounded, reason, refusal
from fl_node.blobs.store import BlobStore
from fl_node.blobs.tls import Contexts
from fl_node.errors import NodeError, RefusalError
from fl_node.journal.egress import EgressLog

CHUNK: Final = 1 << 20
"""Bytes sent or taken at once: of a large blob no more is in memory."""
AT_ONCE: Final = 2
"""Connections to one service: a blob on its way and a question beside it; whatever else waits in line.

Each begins with a TLS handshake. Where fifty participants begin a phase together, ten services that each of them
called by sixteen connections would do nothing else for half a minute.
"""
SPARE_AT_ONCE: Final = 1
"""Connections to one service for words and questions alone, where blobs hold the others."""
KEPT_S: Final = 100.0
"""How long a connection is kept for the next request, from one phase to the next: less than the service keeps it."""
MOST: Final = 1 << 30
ATTEMPTS: Final = 5
FIRST_PAUSE_S: Final = 0.1
GRACE_S: Final = 0.5
WHOLE: Final = -1
HINT: Final = "Look at `fedledger node doctor`; the node tries again."
TIMEOUT: Final = aiohttp.ClientTimeout(total=60, sock_connect=20)
LINE_S: Final = 20.0
"""How long a pull waits in line for a connection, which is no failure of the source: then another is asked."""
PULL_S: Final = 2.0
SLOWEST: Final = 1 << 20
"""A source has PULL_S and a second for each so many bytes, up to the whole timeout: then another is asked."""
HTTP_OK: Final = 200
HTTP_CREATED: Final = 201
HTTP_ACCEPTED: Final = 202
PERMANENT: Final = {400, 403, 413, 422}
"""Answers that a repetition would not change."""


class BlobClient:
    """Speaks to every member's blob service as one organisation; an async context manager."""

    def __init__(
        self, urls: Mapping[str, str], contexts: Contexts, egress: EgressLog | None = None, beside: str = ""
    ) -> None:
        """Prepare to call.

        Args:
            urls: The blob services that can be reached, by organisation; it may change meanwhile.
            contexts: In which TLS contexts.
            egress: What leaves is written here.
            beside: The organisation whose store the caller writes itself: it has every blob already and is not called.
        """
        self._urls = urls
        self._beside = [beside] if beside else []
        self._contexts = contexts
        self.egress = egress
        self._session: aiohttp.ClientSession | None = None
        self._lines: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        self._spare: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(SPARE_AT_ONCE))
        self._fetching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def urls(self) -> dict[str, str]:
        """Return the services that are called, by organisation, as they are now."""
        return {name: url for name, url in self._urls.items() if name not in self._beside}

    async def __aenter__(self) -> Self:
        # The lines bound what is under way; a connection that is free serves whoever asks next, in whichever line.
        connector = aiohttp.TCPConnector(limit_per_host=0, limit=0, keepalive_timeout=KEPT_S)
        self._session = aiohttp.ClientSession(timeout=TIMEOUT, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def push(
        self, organisation: str, digest: str, data: Content, *, attempts: int = ATTEMPTS, arrived: int | None = None
    ) -> None:
        """Give a blob to one organisation's service, from where an earlier try ended (`arrived`, or the service says).

        Raises:
            NodeError: FL4008 the service does not answer; FL4705, FL4702 … it refuses.
        """
        for attempt in range(attempts):
            try:
                return await self._push_once(organisation, digest, data, arrived)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                problem, arrived = reason(error), None
            if attempt + 1 < attempts:
                await asyncio.sleep(_pause(attempt))
        raise NodeError(
            codes.BLOB_SERVICE_SILENT,
            f"the blob service of {organisation} does not answer: {problem}",
            where=self.urls.get(organisation, organisation),
        )

    async def spread(
        self, digest: str, data: Content, needed: int, preferred: Iterable[str] = (), binding: Binding | None = None
    ) -> list[str]:
        """Push a blob to all members at once; return the organisations that have it as soon as enough do.

        Args:
            digest: SHA-256 of the data, hex.
            data: The blob, or where it lies.
            needed: How many organisations must have it, the one that pushes included.
            preferred: Organisations to wait for a moment longer.
            binding: What must be so everywhere before a byte leaves.

        Raises:
            NodeError: FL4707, fewer than needed took it.
            RefusalError: FL4203, a service knows that this node bound the same deed to another digest.
        """
        arrived = await self.announce(binding, needed) if binding else {}

        def give(organisation: str) -> Awaitable[None]:
            return self.push(organisation, digest, data, arrived=arrived.get(organisation))

        return await self.everywhere(give, needed, digest, preferred)

    async def everywhere(
        self, give: Callable[[str], Awaitable[None]], needed: int, what: str, preferred: Iterable[str] = ()
    ) -> list[str]:
        """Give something to all members at once; return the organisations that have it as soon as enough do.

        Args:
            give: Gives it to one, or raises NodeError.
            needed: How many organisations must have it, the one that gives included.
            what: What it is, for the error.
            preferred: Organisations to wait for a moment longer.

        Raises:
            NodeError: FL4707, fewer than needed took it.
        """
        tasks = {asyncio.ensure_future(give(name)): name for name in self.urls}
        wanted, pending = set(preferred), set(tasks)
        held = list(self._beside)
        problems: list[str] = []
        while pending and not (len(held) >= needed and wanted <= set(held)):
            timeout = None if len(held) < needed else 1.0
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED, timeout=timeout)
            if not done:
                break
            for task in done:
                failure = task.exception()
                held.extend([] if failure else [tasks[task]])
                problems.extend([str(failure)] if failure else [])
        for task in pending:
            task.add_done_callback(_forget)
        if len(held) < needed:
            text = f"{len(held)} of {needed} blob services took a blob: {'; '.join(problems)}"
            raise NodeError(codes.TOO_FEW_COPIES, text, where=what, hint=HINT)
        return sorted(held)

    async def announce(self, binding: Binding, needed: int) -> dict[str, int]:
        """Tell every service what is to come, with the question that an upload begins with anyway.

        Returns organisation → bytes of the blob that have arrived there. All are waited for while they answer within
        `GRACE_S` of each other: one honest service that knows better is enough.

        Args:
            binding: What must be so everywhere before a byte leaves.
            needed: How many organisations must have answered, the one that asks included.

        Raises:
            NodeError: FL4707, fewer than needed answer.
            RefusalError: FL4203, a service knows that this node bound the same deed to another digest.
        """
        needed -= len(self._beside)
        tasks = {asyncio.create_task(self._told(o, binding), name=o) for o in self.urls}
        pending, arrived = tasks, dict[str, int]()
        try:
            while pending:
                timeout = None if len(arrived) < needed else GRACE_S
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED, timeout=timeout)
                if not done:
                    break
                arrived |= {t.get_name(): offset for t in done if (offset := t.result()) is not None}
        finally:
            for task in tasks:
                task.cancel()
        if len(arrived) < needed:
            silent = ", ".join(sorted(set(self.urls) - set(arrived)))
            raise NodeError(
                codes.TOO_FEW_COPIES, f"the blob services of {silent} do not answer", where=binding.digest, hint=HINT
            )
        return arrived

    async def _told(self, organisation: str, binding: Binding) -> int | None:
        if self.egress:
            self.egress.binding(organisation, binding.text)
        try:
            offset, bound = await self._head(organisation, binding.digest, {ASKED: binding.text})
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
        if binding.contradicted_by(bound):
            text = f"{organisation} knows another {binding.deed} of this node: it was restored from a snapshot"
            raise RefusalError(codes.JOURNAL_RESTORED, text, where=binding.digest)
        return offset

    async def _head(self, organisation: str, digest: str, headers: dict[str, str]) -> tuple[int, str]:
        """Return how many bytes of a blob an organisation has, `WHOLE` for all, and the binding that it knows."""
        url = f"{self.url(organisation)}/blobs/{digest}"
        async with self.call("HEAD", organisation, url, headers=headers) as response:
            whole = response.status == HTTP_OK
            return WHOLE if whole else int(response.headers.get("Upload-Offset", "0")), response.headers.get(FIRST, "")

    async def pull(
        self, digest: str, store: BlobStore, organisation: str, sources: Iterable[str], most: int | None = None
    ) -> bytes:
        """Return a blob from the own store, else from the first source that has it; arguments and errors as `fetch`."""
        with contextlib.suppress(NodeError):  # not here, or damaged on the disk and set aside
            return await asyncio.to_thread(store.read, digest)
        await self.fetch(digest, store, organisation, sources, most)
        return await asyncio.to_thread(store.read, digest)

    async def fetch(
        self, digest: str, store: BlobStore, organisation: str, sources: Iterable[str], most: int | None = None
    ) -> None:
        """Have a blob in the own store, verified; what is lacking comes from the first source that has it, by chunks.

        Args:
            digest: SHA-256 of the blob, hex.
            store: The own store.
            organisation: Who pulls.
            sources: Whom to ask, in order.
            most: Bytes that the blob may have, by default those that the store takes.

        Raises:
            NodeError: FL4704, nobody has it.
        """
        bound = store.limits.blob if most is None else most
        async with self._fetching.setdefault(digest, asyncio.Lock()):  # two would write the same part
            if await asyncio.to_thread(store.sound, digest):
                return
            for source in dict.fromkeys(sources):
                if await self._taken(source, Arrival(store, digest, organisation), bound):
                    return
        raise NodeError(codes.BLOB_MISSING, "no blob service has this blob", where=digest)

    async def get(self, digest: str, sources: Iterable[str] | None = None) -> bytes | None:
        """Return a blob from the first of the sources (default all) that has it, unverified, or None."""
        for source in self.urls if sources is None else sources:
            data = await self._get(source, digest, MOST)
            if data is not None:
                return data
        return None

    async def healthy(self, organisation: str) -> bool:
        """Tell whether an organisation's service answers us."""
        return not await self.problem(organisation)

    async def problem(self, organisation: str) -> str:
        """Return why an organisation's service does not answer us; empty where it does."""
        try:
            async with self.call("GET", organisation, f"{self.url(organisation)}/health") as response:
                return "" if response.status == HTTP_OK else f"it answers {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return reason(error)

    def url(self, organisation: str) -> str:
        """Return where an organisation's service is; ConnectionError where there is none (any more)."""
        try:
            return self._urls[organisation]
        except KeyError:
            raise ConnectionError(f"{organisation} has no blob service") from None

    def spare(self, organisation: str) -> asyncio.Semaphore | None:
        """Return the line for what must not wait for blobs: None, theirs, unless large blobs hold all its connections.

        Another connection begins with a handshake, which a service under attack has little room for.
        """
        return self._spare[organisation] if self._lines[organisation].locked() else None

    @contextlib.asynccontextmanager
    async def call(
        self,
        method: str,
        organisation: str,
        url: str,
        *,
        within: float | None = None,
        line: asyncio.Semaphore | None = None,
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask a service as soon as one of its connections is free; `within` bounds the seconds from then on.

        Args:
            method: HTTP's.
            organisation: Whose service.
            url: What is asked for.
            within: Seconds from the question to the end of the answer.
            line: Where to wait for a connection; by default where all wait who ask this service for blobs.
            **options: As aiohttp's request takes them.

        Raises:
            aiohttp.ClientError, TimeoutError, OSError: the service does not answer.
        """
        assert self._session, "use `async with`"
        context, proxy = self._contexts(organisation), proxy_for(url)
        line = line or self._lines[organisation]
        async with asyncio.timeout(None if within is None else LINE_S) as waiting, line:
            waiting.reschedule(None)
            async with (
                asyncio.timeout(within),
                self._session.request(method, url, ssl=context, proxy=proxy, **options) as response,
            ):
                yield response

    async def _get(self, source: str, digest: str, most: int) -> bytes | None:
        try:
            url, within = f"{self.url(source)}/blobs/{digest}", PULL_S + most / SLOWEST
            async with self.call("GET", source, url, within=within) as response:
                found = response.status == HTTP_OK
                said = await bounded(response, most if found else MOST_SAID)  # a refusal too: the connection is kept
                return said if found else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def _taken(self, source: str, arrival: Arrival, most: int) -> bool:
        """Take a blob from a source, from where an earlier try ended; return whether it is whole and the one wanted."""
        url, begun = f"{self.url(source)}/blobs/{arrival.digest}", arrival.offset
        headers = {"Range": f"bytes={begun}-"} if begun else {}
        try:
            within = PULL_S + most / SLOWEST
            async with self.call("GET", source, url, within=within, headers=headers) as response:
                whole = await arrival.take(response, most, CHUNK)
        except (aiohttp.ClientError, TimeoutError, OSError, EOFError):
            return False
        # what an earlier source gave may have been wrong, not this one
        return whole or (begun > 0 and arrival.offset == 0 and await self._taken(source, arrival, most))

    async def _push_once(self, organisation: str, digest: str, data: Content, arrived: int | None) -> None:
        url = f"{self.url(organisation)}/blobs/{digest}"
        offset = (await self._head(organisation, digest, {}))[0] if arrived is None else arrived
        total = length_of(data)
        while 0 <= offset < total:
            chunk = await chunk_of(data, offset, CHUNK)
            headers = {"Content-Range": f"bytes {offset}-{offset + len(chunk) - 1}/{total}"}
            if self.egress:
                self.egress.blob(organisation, digest, offset, len(chunk))
            async with self.call("PUT", organisation, url, data=chunk, headers=headers) as response:
                if response.status == HTTP_CREATED:
                    return
                if response.status in PERMANENT:
                    raise NodeError(*await refusal(response), where=organisation)
                if response.status != HTTP_ACCEPTED:  # a conflict: another upload of this blob is under way
                    raise aiohttp.ClientPayloadError(f"status {response.status}")
            offset += len(chunk)
        if offset != WHOLE:
            raise aiohttp.ClientPayloadError("it says neither that it has the blob nor what it lacks")


def _pause(attempt: int) -> float:
    return FIRST_PAUSE_S * 2.0**attempt * (0.5 + random.random())  # noqa: S311  # spreads retries, guards nothing


def _forget(task: "asyncio.Future[None]") -> None:
    if not task.cancelled():
        task.exception()  # a straggler's failure is of no consequence: enough others have the blob
