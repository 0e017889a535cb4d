"""Figures of what a node stands on and does not decide: certificates, disk, its peer beside the other peers."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509

from fl_node.errors import NodeError, reported
from fl_node.journal.egress import EgressLog
from fl_node.ledger.elsewhere import Elsewhere
from fl_node.metrics import Health, Metrics
from fl_node.node.config import NodeConfig
from gateway.errors import GatewayError
from network.connection import Profile
from network.defined import Defined
from network.directory import Believed
from network.heights import height
from network.topology import Organisation, Peer

log = structlog.get_logger("node")
EVERY_S: Final = 300.0
"""How often peers are asked for their height: a peer that is behind for long is what matters."""
ANSWER_S: Final = 10.0


@asynccontextmanager
async def watched(
    config: NodeConfig,
    own: Profile,
    defined: Defined,
    believed: Believed,
    metrics: Metrics,
    health: Health,
    egress: EgressLog,
) -> AsyncIterator[None]:
    """Keep the figures true while the node runs."""
    metrics.healthy.set_function(lambda: float(health.healthy))
    for name, folder in (("journal", config.folder), ("blobs", config.blobs)):
        metrics.disk.labels(name).set_function(partial(_bytes, folder, "total"))
        metrics.disk_free.labels(name).set_function(partial(_bytes, folder, "free"))
    for name, pem in (("signing", own.cert_pem), ("tls", own.tls_client_cert_pem)):
        metrics.certificate_ends.labels(name).set(_end(pem))
    watching = asyncio.create_task(_watch(own, defined, Elsewhere(own, believed), metrics, egress))
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _watch(own: Profile, defined: Defined, elsewhere: Elsewhere, metrics: Metrics, egress: EgressLog) -> None:
    try:
        while True:
            every = [(o, peer) for o in defined().peer_organisations for peer in o.peers]
            await asyncio.gather(*(_measure(*each, own, elsewhere, metrics, egress) for each in every))
            await _look_at_peers(own, metrics)
            await asyncio.sleep(EVERY_S)
    finally:
        await elsewhere.close()


async def _measure(
    organisation: Organisation, peer: Peer, own: Profile, elsewhere: Elsewhere, metrics: Metrics, egress: EgressLog
) -> None:
    """Ask a peer for its height; one that does not answer keeps the figure that it had."""
    mine = organisation.name == own.organisation
    try:
        if not mine:
            egress.query(organisation.name, "GetChainInfo", own.channel.encode())
        async with asyncio.timeout(ANSWER_S):
            ledger = await elsewhere.ledger(organisation, (peer,))
            blocks = await height(ledger.gateway, own.channel)
    except (GatewayError, NodeError, OSError, TimeoutError) as error:
        log.info("a peer does not say its height", organisation=organisation.name, peer=peer.name, **reported(error))
    else:
        metrics.peer_height.labels(organisation.name, "yes" if mine else "no", peer.name).set(blocks)


async def _look_at_peers(own: Profile, metrics: Metrics) -> None:
    """Read the ends of the certificates that the own peers show."""
    for number, (address, _) in enumerate(own.peers):
        host, _, port = address.rpartition(":")
        with suppress(OSError, ValueError):
            shown = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)), timeout=ANSWER_S)
            metrics.certificate_ends.labels(f"peer{number or ''}").set(_end(shown.encode()))


def _bytes(folder: Path, which: str) -> float:
    return float(getattr(shutil.disk_usage(folder), which))


def _end(pem: bytes) -> float:
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
