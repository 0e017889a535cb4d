"""`fedledger node doctor`: everything that must be right before a node can take part, and how to mend what is not."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from time import time as wall_clock
from typing import Final

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.doctor.datafit import check_data
from fl_node.doctor.findings import CautionError, Finding, awaited, checked, failed
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, open_ledger, public_key_hash
from fl_node.node.config import NodeConfig
from network.connection import Profile, profile
from network.errors import FedledgerError

MAX_SKEW_S: Final = 30.0
"""Half of the narrowest time window that peers accept (60 s)."""
RENEWAL_TIME: Final = timedelta(days=14)
DISK_NEEDED: Final = 1 << 30


async def examine(config: NodeConfig) -> AsyncIterator[Finding]:
    """Run every check, from what is nearest to what depends on it; a check that cannot run says why."""
    own: Profile | None = None
    try:
        own = profile(config.run, config.organisation, config.user)
    except FedledgerError as error:
        yield failed("identity", error)
        return
    yield checked("identity", lambda: check_identity(own))
    yield checked("renewal", lambda: check_renewal(own))
    yield checked("disk", lambda: check_disk(config))
    yield await awaited("clock", check_clock(config))
    yield await awaited("blob services", check_blob_services(config))
    try:
        async with open_ledger(own) as ledger:
            yield Finding("ledger", "ok", f"the peer at {own.peers[0][0]} answers")
            yield await awaited("participant", check_participant(config, own, ledger))
            yield await awaited("data and plan", check_data(config, ledger))
            yield await awaited("phases", check_phases(config, ledger))
    except FedledgerError as error:
        yield failed("ledger", error)


def check_identity(own: Profile) -> str:
    """Check that certificate and key belong together and are in force.

    Raises:
        NodeError: FL4002 the key is another's, FL4003 the certificate has expired.
    """
    certificate = x509.load_pem_x509_certificate(own.cert_pem)
    key = load_pem_private_key(own.key_pem, None)
    public = [
        k.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for k in (certificate.public_key(), key.public_key())
    ]
    if public[0] != public[1]:
        raise NodeError(
            "FL4002", "certificate and private key do not belong together", hint="Restore the right key file."
        )
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NodeError(
            "FL4003",
            f"the certificate was valid until {certificate.not_valid_after_utc:%Y-%m-%d}",
            hint="Issue a new one with `fedledger identity add`, then RotateKey.",
        )
    return f"{own.msp_id}, valid until {certificate.not_valid_after_utc:%Y-%m-%d}"


def check_renewal(own: Profile) -> str:
    """Check that the certificate need not be renewed soon.

    Raises:
        CautionError: FL4012, it ends within two weeks.
    """
    left = x509.load_pem_x509_certificate(own.cert_pem).not_valid_after_utc - datetime.now(UTC)
    if timedelta() < left < RENEWAL_TIME:
        hint = "Issue a new one with `fedledger identity add`, then RotateKey."
        raise CautionError("FL4012", f"the certificate ends in {left.days} days", hint=hint)
    return f"due in {max(0, left.days)} days"


def check_disk(config: NodeConfig) -> str:
    """Check that journal and blobs can be written and that there is room.

    Raises:
        NodeError: FL4007.
    """
    for folder in (config.folder, config.blobs):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".doctor"
            probe.write_bytes(b"x")
            probe.unlink()
        except OSError as error:
            hint = "Give the node this folder, or free some space."
            raise NodeError("FL4007", f"cannot write: {error.strerror}", where=str(folder), hint=hint) from None
        free = shutil.disk_usage(folder).free
        if free < config.limits.reserve:
            text = f"{free >> 20} MB free, {config.limits.reserve >> 20} MB are kept in reserve"
            raise NodeError("FL4007", text, where=str(folder), hint="Free some space, or give --reserve-mb.")
    return f"{free >> 30} GB free"


async def check_clock(config: NodeConfig) -> str:
    """Compare this machine's clock with the other members' blob services (their HTTP Date header).

    Raises:
        NodeError: FL4004, it differs from the median by more than peers accept.
    """
    consortium = config.consortium
    contexts = tls.calling(config.run, config.organisation, config.user)
    others = {o.name: f"https://{o.host}:{o.blob_port}/health" for o in consortium.members}
    others.pop(config.organisation, None)
    asked = (_skew(url, contexts(name)) for name, url in others.items())
    skews = sorted(skew for skew in await asyncio.gather(*asked) if skew is not None)
    if not skews:
        return "nobody to compare with yet"
    skew = skews[len(skews) // 2]
    if abs(skew) > MAX_SKEW_S:
        hint = "Set the clock (for example with chrony); peers refuse transactions that are further off."
        raise NodeError("FL4004", f"{skew:+.0f} s away from the other members", hint=hint)
    return f"within {abs(skew) + 1:.0f} s of {len(skews)} other members"


async def check_blob_services(config: NodeConfig) -> str:
    """Check that the own blob service runs or can, and that enough others answer for an update to be committed.

    Raises:
        NodeError: FL4008, something else holds the port, or fewer answer than the endorsement policy needs.
    """
    consortium = config.consortium
    me = consortium.organisation(config.organisation)
    contexts = tls.calling(config.run, config.organisation, config.user)
    urls = {o.name: f"https://{o.host}:{o.blob_port}" for o in consortium.members}
    async with BlobClient(urls, contexts) as client:
        if not await client.healthy(me.name) and not _is_free(me.host, me.blob_port or 0):
            hint = "Free the port, or give the organisation another blob_port in the definition."
            raise NodeError("FL4008", f"something else holds {me.host}:{me.blob_port}", hint=hint)
        del urls[me.name]
        answers = await asyncio.gather(*(client.healthy(name) for name in urls))
    silent = [name for name, answer in zip(urls, answers, strict=True) if not answer]
    if len(urls) - len(silent) < consortium.threshold - 1:
        hint = "Start the other members' nodes, or `fedledger blobs serve`; check ports and firewalls."
        raise NodeError("FL4008", f"the blob services of {', '.join(silent)} do not answer", hint=hint)
    return f"{len(urls) - len(silent)} of {len(urls)} other members answer"


async def check_participant(config: NodeConfig, own: Profile, ledger: Ledger) -> str:
    """Check the ledger's record of this node.

    Raises:
        NodeError: FL4006, not active or under another key; LedgerError: the channel refuses the certificate.
    """
    record = await ledger.participant(config.name)
    if record.key_hash != public_key_hash(own.cert_pem):
        hint = "The organisation's admin binds the new key with RotateKey."
        raise NodeError("FL4006", "the ledger knows another key for this participant", hint=hint)
    if record.status.lower() != "active":
        hint = "See `fedledger proposal list`; the organisations vote on it."
        raise NodeError("FL4006", f"the participant is {record.status}", hint=hint)
    return f"{config.name} is active under {record.msp_id}"


async def check_phases(config: NodeConfig, ledger: Ledger) -> str:
    """Check that no sender whose clock is off can cut a phase short: the terms must know the peers' time window.

    Raises:
        CautionError: FL4011, they do not (docs/threat-model.md).
    """
    peers_ms = config.consortium.time_window_s * 1000
    voted_ms = (await ledger.parameters())["time_window_ms"]
    if voted_ms < peers_ms:
        text = f"the terms count with a time window of {voted_ms / 1000:g} s, peers accept {peers_ms / 1000:g} s"
        phases = f"time_window_ms {peers_ms} and every phase at least {3 * peers_ms}"
        hint = f"Unless this is a demonstration, vote `set_parameters` with {phases}."
        raise CautionError("FL4011", text, hint=hint)
    return "no clock within the peers' window can cut one short"


async def _skew(url: str, context: ssl.SSLContext) -> float | None:
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=context) as response:
            return wall_clock() - parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError):
        return None


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) != 0
