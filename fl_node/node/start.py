"""Starts a node from its settings: opens files and connections in order, runs the loop, ends cleanly on SIGTERM."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from fl_node import codes
from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.seen import Seen
from fl_node.blobs.service import BlobService
from fl_node.blobs.service import serve as serve_blobs
from fl_node.blobs.store import BlobStore
from fl_node.blobs.words import Words
from fl_node.journal.egress import EgressLog
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Ledger, LedgerError, open_ledger
from fl_node.ledger.elsewhere import Elsewhere
from fl_node.metrics import Health, Metrics
from fl_node.node import observe, readiness
from fl_node.node.config import NodeConfig
from fl_node.node.context import Context
from fl_node.node.daemon import Node
from fl_node.node.surroundings import watched
from fl_node.plan.child import confinement
from fl_node.plan.pool import Opener, Workshop, plan_opener
from fl_node.round.witnesses import Witnesses
from network.connection import Profile, profile
from network.defined import BlobServices, Definition
from network.directory import Believed
from network.following import following

log = structlog.get_logger("node")
STOP_PATIENCE_S = 5.0


Beside = Callable[[Context], Coroutine[Any, Any, None]]
"""What runs as long as a node does, on what the node holds open."""


async def run_node(config: NodeConfig, opener: Opener | None = None, beside: Sequence[Beside] = ()) -> None:
    """Run a node, and what is to run beside it, until SIGTERM or SIGINT.

    Raises:
        FedledgerError: it could not start; what is wrong and what to do.
    """
    async with opened(config, opener) as context:
        node = Node(context)
        loop = asyncio.get_running_loop()
        running = asyncio.create_task(node.run())
        others = [asyncio.create_task(one(context)) for one in beside]
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, _stop, node, running)
        log.info("ready", event_kind="ready", participant=context.me, organisation=config.organisation)
        with contextlib.suppress(asyncio.CancelledError):
            await running
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        log.info("stopped")


@contextlib.asynccontextmanager
async def opened(config: NodeConfig, opener: Opener | None = None) -> AsyncIterator[Context]:
    """Open everything that a node holds, and close it in reverse order.

    Raises:
        FedledgerError: identity, clock, disk, journal, blob service or ledger are not as they must be.
    """
    own = profile(config.run, config.organisation, config.user)
    async with contextlib.AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(_begun(_sandbox(config)))  # a process of its own, which takes a while
        await readiness.require(config, own)
        defined = Definition(config.run, log)
        journal = stack.enter_context(Journal(config.folder / "journal", config.key_file))
        store = BlobStore(config.blobs, config.limits, config.organisation)
        metrics, health = Metrics(), Health()
        egress = EgressLog(config.folder / "egress.jsonl", metrics.sent.inc)
        others = await stack.enter_async_context(_others(config, own, defined, store, egress))
        await stack.enter_async_context(_observed(config, own, defined, others.believed, metrics, health, egress))
        ledger = await stack.enter_async_context(open_ledger(own, egress, answering=(own.msp_id,)))
        await _require_admission(ledger)
        mirror = Mirror(store, others.client, config.organisation, metrics, whole=config.serves)
        stack.push_async_callback(mirror.close)
        health.sandbox = await sandbox
        workshop = Workshop(
            config.folder / "plans", mirror, config.data, opener or plan_opener(config.sandbox, config.data)
        )
        stack.push_async_callback(workshop.close)
        yield Context(
            me=config.name, organisation=config.organisation, msp=own.msp_id, consent=config.consent,
            defined=defined, ledger=ledger, witnesses=others.witnesses, store=store, blobs=others.client,
            mirror=mirror, workshop=workshop, journal=journal, metrics=metrics, health=health,
            restored_ms=_restored(config), words=others.words,
            seen=others.seen,
        )  # fmt: skip


@dataclass(frozen=True)
class _Others:
    """How the node reaches the other organisations, and whom of them it believes."""

    believed: Believed
    client: BlobClient
    witnesses: Witnesses
    words: Words | None
    seen: Seen


@contextlib.asynccontextmanager
async def _others(
    config: NodeConfig, own: Profile, defined: Definition, store: BlobStore, egress: EgressLog
) -> AsyncIterator[_Others]:
    """Open the ways to and from other organisations, as channel and definition have them at each moment."""
    async with contextlib.AsyncExitStack() as stack:
        believed = await stack.enter_async_context(following(own, defined, log))
        words, seen = None, Seen()
        if defined().organisation(config.organisation).inbound and config.serves:
            service = await stack.enter_async_context(_serving(config, defined, store, believed, egress))
            words, seen = service.words.words, service.rounds.seen
        calling = tls.calling(config.run, config.organisation, config.user, believed)
        beside = config.organisation if config.serves else ""
        client = await stack.enter_async_context(BlobClient(BlobServices(defined), calling, egress, beside=beside))
        elsewhere = Elsewhere(own, believed, egress)
        stack.push_async_callback(elsewhere.close)
        yield _Others(believed, client, Witnesses(own.msp_id, defined, elsewhere, client), words, seen)


@contextlib.asynccontextmanager
async def _observed(
    config: NodeConfig, own: Profile, defined: Definition, believed: Believed, metrics: Metrics, health: Health,
    egress: EgressLog,
) -> AsyncIterator[None]:  # fmt: skip
    """Tell figures and health while the node runs."""
    blob_port = defined().organisation(config.organisation).blob_port
    assert blob_port, "the definition gives every member a blob service"
    observer = await observe.serve(metrics, health, config.observe_port or blob_port + 2)
    try:
        async with watched(config, own, defined, believed, metrics, health, egress):
            yield
    finally:
        await observer.cleanup()


@contextlib.asynccontextmanager
async def _serving(
    config: NodeConfig, defined: Definition, store: BlobStore, believed: Believed, egress: EgressLog
) -> AsyncIterator[BlobService]:
    """Run the organisation's blob service, for whom the channel has in it at each moment."""
    member = defined().organisation(config.organisation)
    service = BlobService(store, tls.Trust(defined, believed), egress)
    serving = tls.serving(config.run, config.organisation, believed)
    runner = await serve_blobs(service, member.bound, member.blob_port or 0, serving)
    try:
        yield service
    finally:
        await runner.cleanup()


def _restored(config: NodeConfig) -> int:
    """Return when the organisation's folder was restored from a backup, and log it."""
    when = config.restored_ms
    if when:
        log.warning("restored from a backup: attempts opened before are left", restored_ms=when)
    return when


@contextlib.asynccontextmanager
async def _begun(work: Coroutine[Any, Any, str]) -> AsyncIterator["asyncio.Task[str]"]:
    """Let work go on beside; what has not ended by then is given up at the end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _sandbox(config: NodeConfig) -> str:
    """Try what this machine's kernel permits to hold plans with, and log it."""
    held = await asyncio.to_thread(confinement, config.sandbox)
    if held.whole:
        log.info("plans are shut in", **asdict(held))
    else:
        log.warning("plans are not wholly shut in", code=codes.SANDBOX_INCOMPLETE, **asdict(held))
    return str(held)


async def _require_admission(ledger: Ledger) -> None:
    """Refuse to start with a certificate that the channel refuses; a ledger that is not ready yet is waited for."""
    try:
        await ledger.trainings()
    except LedgerError as error:
        if error.code == codes.CERTIFICATE_REFUSED:
            raise
        log.warning("the ledger is not ready yet", **error.as_json())


def _stop(node: Node, running: "asyncio.Task[None]") -> None:
    """End after the duty under way, or, where that takes too long, at once: the journal is synced before every deed."""
    node.stop()
    asyncio.get_running_loop().call_later(STOP_PATIENCE_S, running.cancel)
