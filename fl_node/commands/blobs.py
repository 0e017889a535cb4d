"""`fedledger blobs`: the organisation's blob service without a node, and single blobs by hand."""

import asyncio
import hashlib
import signal
from pathlib import Path
from typing import Annotated

import structlog
import typer

from fl_node import codes
from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.metadata import DIGEST
from fl_node.blobs.service import BlobService
from fl_node.blobs.service import serve as start_service
from fl_node.blobs.store import BlobStore, Limits
from fl_node.commands.common import (
    DEFAULT_RUN,
    BlobMb,
    Json,
    Org,
    QuotaGb,
    ReserveMb,
    Run,
    explained,
    limits,
    show,
)
from fl_node.errors import NodeError
from fl_node.node.observe import configure_logs
from network.addresses import join
from network.connection import consortium_of, organisation_of, profile
from network.defined import Definition
from network.folders import folder_of
from network.following import believe, following

log = structlog.get_logger("blobs")
blobs = typer.Typer(no_args_is_help=True, help="Run and use this organisation's blob service.")


@blobs.command()
def serve(
    org: Org, blob_mb: BlobMb = 1024, quota_gb: QuotaGb = 8, reserve_mb: ReserveMb = 64, run: Run = DEFAULT_RUN
) -> None:
    """Run the blob service alone, until SIGTERM, where the node is elsewhere; nothing expires. Logs are JSON lines."""
    configure_logs()
    with explained():
        asyncio.run(_serve(run, org, limits(blob_mb, quota_gb, reserve_mb)))


@blobs.command()
def put(
    path: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The file.")],
    org: Org,
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Place a file with every member and print its digest."""
    with explained(as_json=as_json):
        digest, holders = asyncio.run(place(run, org, path.read_bytes()))
        show({"digest": digest, "held by": holders}, as_json=as_json)


@blobs.command()
def get(
    digest: Annotated[str, typer.Argument(help="SHA-256 of the blob, hex.")],
    out: Annotated[Path, typer.Option(help="Where to write it.")],
    org: Org,
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Fetch a blob from whichever member has it; its digest is checked."""
    with explained(as_json=as_json):
        data = asyncio.run(fetch(run, org, digest))
        out.write_bytes(data)
        show({"digest": digest, "bytes": len(data), "file": str(out)}, as_json=as_json)


async def place(
    run: Path, org: str, data: bytes, user: str = "client", needed: int | None = None
) -> tuple[str, list[str]]:
    """Push a blob to every member; return its digest and who holds it, at least `needed`, by default who must endorse.

    Raises:
        NodeError: FL4707, too few took it.
    """
    consortium = consortium_of(run)
    digest = hashlib.sha256(data).hexdigest()
    async with BlobClient(profile(run, org, user).blobs, await _contexts(run, org, user)) as client:
        return digest, await client.spread(digest, data, needed or consortium.threshold, client.urls)


async def fetch(run: Path, org: str, digest: str, user: str = "client") -> bytes:
    """Return a blob, verified.

    Raises:
        NodeError: FL4001, the digest is none; FL4704, no member has it, or none the right bytes.
    """
    if not DIGEST.fullmatch(digest):
        raise NodeError(
            codes.INPUT_UNUSABLE, "a blob is named by its SHA-256, 64 digits of lower-case hex", where=digest
        )
    async with BlobClient(profile(run, org, user).blobs, await _contexts(run, org, user)) as client:
        for source in client.urls:
            data = await client.get(digest, [source])
            if data is not None and hashlib.sha256(data).hexdigest() == digest:
                return data
        silent = [name for name in client.urls if not await client.healthy(name)]
    hint = f"The services of {', '.join(silent)} do not answer; one of them may have it." if silent else ""
    raise NodeError(codes.BLOB_MISSING, "no blob service that answers has this blob", where=digest, hint=hint)


async def _contexts(run: Path, org: str, user: str) -> tls.Contexts:
    """Return the contexts by which to call others, as the channel has them now; FL1060 if the own peer is silent."""
    return tls.calling(run, org, user, await believe(profile(run, org, user), consortium_of(run)))


async def _serve(run: Path, org: str, taken: Limits) -> None:
    member = organisation_of(run, org)
    if member.blob_port is None:
        raise NodeError(codes.BLOB_SERVICE_SILENT, f"{org} is no member: it has no blob service")
    if not member.inbound:
        text = f"{org} is not inbound: nobody could reach its blob service"
        raise NodeError(codes.BLOB_SERVICE_SILENT, text, hint="Its node fetches and brings blobs by itself.")
    folder = folder_of(run, org)
    definition = Definition(run, log)
    async with following(profile(run, org), definition, log) as believed:
        service = BlobService(BlobStore(folder.blobs, taken, org), tls.Trust(definition, believed))
        context = tls.serving(run, org, believed)
        runner = await start_service(service, member.bound, member.blob_port, context)
        stopped = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stopped.set)
        log.info("ready", organisation=org, address=f"https://{join(member.host, member.blob_port)}")
        await stopped.wait()
        log.info("stopped")
        await runner.cleanup()
