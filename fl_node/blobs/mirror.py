"""Keeps the organisation's blob folder complete, so that its chaincode process can verify what it endorses."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

import structlog

from fl_node import codes
from fl_node.blobs.bringing import LARGEST, bring
from fl_node.blobs.client import BlobClient
from fl_node.blobs.several import several
from fl_node.blobs.store import BlobStore
from fl_node.clock import now_ms
from fl_node.errors import NodeError
from fl_node.ledger.records import OVER, Round
from fl_node.metrics import Metrics
from fl_node.secagg.seal import bundle_bytes

log = structlog.get_logger("mirror")
SETTLE_S: Final = 1.0
"""About how long a blob that the ledger has just named is not pulled: its owner is still giving it to everybody."""
PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 4.0
"""The pauses between asking everybody begin with PAUSE_S and double up to this: a large cohort asks for a lot."""
UPLOAD_PATIENCE_S: Final = 5.0
"""How long a blob that somebody is bringing is not pulled: it need not come twice."""
T = TypeVar("T")


class Mirror:
    """Pulls every blob that a round names from whoever has it; one task a blob."""

    def __init__(
        self, store: BlobStore, client: BlobClient, organisation: str, metrics: Metrics, *, whole: bool = True
    ) -> None:
        """Begin for a node.

        Args:
            store: Its folder.
            client: How others are asked.
            organisation: Whose node it is.
            metrics: Where blobs are counted.
            whole: The folder is the organisation's, from which its endorser verifies and its service answers. A node
                beside it pulls what it needs itself, and asks the organisation's own service first.
        """
        self._whole = whole
        self.store = store
        self.client = client
        self.organisation = organisation
        self._metrics = metrics
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._named: dict[str, set[str]] = {}
        self._bases: dict[str, str] = {}
        self._marking: set[asyncio.Task[None]] = set()

    def watch(self, view: Round) -> None:
        """Start pulling what an attempt names and the store lacks: sealed bundles, updates, the proposal."""
        if view.phase in OVER:
            return
        if self._bases.get(view.training) != view.base_state:
            self._bases[view.training] = view.base_state
            self.keep(view.base_state)
        if not self._whole:
            return
        most = self.store.limits.blob
        for dealer, shares in view.shares.items():
            self._start(view, shares.sealed, dealer, bundle_bytes(len(view.u1)))
        for owner, update in view.updates.items():
            self._start(view, update.digest, owner, min(update.length, most))
        if view.proposal:
            for digest in view.proposal.blobs:
                self._start(view, digest, view.proposal.proposer, most)

    def keep(self, *digests: str) -> None:
        """Keep for good what the ledger goes on to name: plans, states, aggregates."""
        self.store.keep(*digests)

    async def get(self, digest: str, first: str = "", most: int | None = None) -> bytes:
        """Return a blob, waiting until somebody has it; the caller bounds the time, `most` its bytes."""
        return await self._until(self.client.pull, digest, first, most)

    async def fetch(self, digest: str, first: str = "", most: int | None = None) -> None:
        """Do as `get`, but leave the blob on the disk: large ones fit into no node's memory."""
        with contextlib.suppress(TimeoutError):  # an upload may be slow on purpose
            async with asyncio.timeout(UPLOAD_PATIENCE_S):
                while self.store.arriving(digest):  # noqa: ASYNC110  # nothing tells of an upload by another process
                    await asyncio.sleep(PAUSE_S / 5)
        await self._until(self.client.fetch, digest, first, most)

    async def fetch_all(self, digests: Iterable[tuple[str, str]]) -> None:
        """Have blobs by (digest, whom to ask first) on the disk."""
        await asyncio.gather(*(self.fetch(digest, first) for digest, first in digests))

    async def several(self, digests: Iterable[str], most: int) -> dict[str, bytes]:
        """Return those blobs that the organisation has, by digest: of its store, or of its service beside this node."""
        if self._whole:
            return await asyncio.to_thread(self._here, tuple(digests), most)
        return await several(self.client, self.organisation, list(digests), most)

    async def pass_on(self, digests: Iterable[str], needed: int) -> list[str]:
        """Bring small blobs that lie with the organisation to all members; return who has them as soon as enough do.

        Args:
            digests: What to bring; what does not lie here is left out, and nobody is returned where nothing does.
            needed: How many organisations must have them, this one included.

        Raises:
            NodeError: FL4707, fewer than needed took them.
        """
        found = list((await self.several(digests, LARGEST)).values())
        if not found:
            return []

        async def give(organisation: str) -> None:
            await bring(self.client, organisation, found)

        return await self.client.everywhere(give, needed, f"{len(found)} blobs")

    def _here(self, digests: Iterable[str], most: int) -> dict[str, bytes]:
        found = dict[str, bytes]()
        for digest in digests:
            if 0 < (self.store.size(digest) or 0) <= most:
                with contextlib.suppress(NodeError):  # damaged on the disk and set aside, or just gone
                    found[digest] = self.store.read(digest)
        return found

    async def get_all(self, digests: Iterable[tuple[str, str]]) -> list[bytes]:
        """Return blobs by (digest, whom to ask first), in order."""
        return list(await asyncio.gather(*(self.get(digest, first) for digest, first in digests)))

    def retain(self, view: Round, retention_ms: int) -> None:
        """Let the masked blobs of an attempt that is over expire after the audit's window; digests stay.

        Sealed bundles and refused proposals that nobody gave are no longer waited for: they may never have been.
        """
        kept = {update.digest for update in view.updates.values()}
        named = tuple(view.proposal.blobs) if view.phase == "Final" and view.proposal else ()
        kept.update(named)
        for digest in self._named.pop(view.name, set()) - kept:
            if task := self._tasks.get(digest):
                task.cancel()
        until = now_ms() + retention_ms
        sealed = (shares.sealed for shares in view.shares.values())
        masked = (*sealed, *(update.digest for update in view.updates.values()))
        marking = asyncio.create_task(asyncio.to_thread(self._mark, named, masked, until))
        self._marking.add(marking)
        marking.add_done_callback(self._marked)

    def _mark(self, kept: Iterable[str], masked: Iterable[str], until: int) -> None:
        """Write until when each blob stays, which no round waits for."""
        self.keep(*kept)
        self.store.expire(until, *masked)

    def _marked(self, task: asyncio.Task[None]) -> None:
        self._marking.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("blobs are not marked to expire", error=str(error))

    async def close(self) -> None:
        """Stop pulling, when what is under way on the disk has ended."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), *self._marking, return_exceptions=True)

    def _start(self, view: Round, digest: str, first: str, most: int) -> None:
        if digest in self._tasks or self.store.size(digest) is not None:
            return
        task = asyncio.create_task(self._mirrored(digest, first, most))
        self._tasks[digest] = task
        self._named.setdefault(view.name, set()).add(digest)
        task.add_done_callback(lambda done: self._finished(digest, done))

    async def _mirrored(self, digest: str, first: str, most: int) -> None:
        await asyncio.sleep(_spread(SETTLE_S))
        if self.store.size(digest) is None:
            await self.fetch(digest, first, most)

    async def _until(self, ask: Callable[..., Awaitable[T]], digest: str, first: str, most: int | None) -> T:
        pause = PAUSE_S
        while True:
            try:
                return await ask(digest, self.store, self.organisation, self._sources(digest, first), most)
            except NodeError as error:
                if error.code != codes.BLOB_MISSING:
                    raise
            await asyncio.sleep(_spread(pause))
            pause = min(LONGEST_PAUSE_S, 2 * pause)

    def _finished(self, digest: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(digest, None)
        if task.cancelled():
            return
        if error := task.exception():
            log.warning("blob not pulled", digest=digest, error=str(error))
        else:
            self._metrics.blobs.inc()

    def _sources(self, digest: str, first: str) -> list[str]:
        """Return whom to ask: the own service, whom the ledger names, then all from another one on for each blob."""
        urls = self.client.urls
        others = list(urls)
        start = int(digest[:8], 16) % max(1, len(others))
        turned = others[start:] + others[:start]
        return [name for name in dict.fromkeys((self.organisation, first, *turned)) if name in urls]


def _spread(pause_s: float) -> float:
    """Return a pause up to half longer or shorter, so that those who began together do not go on together."""
    return pause_s * (0.5 + random.random())  # noqa: S311  # guards nothing
