"""What must be right before a node can do anything but harm: asked by its start, and by its doctor."""

import asyncio
import shutil
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import time as wall_clock
from typing import Final

import aiohttp
from cryptography import x509

from fl_node import codes
from fl_node.blobs import tls
from fl_node.blobs.proxy import proxy_for
from fl_node.errors import NodeError
from fl_node.node.config import NodeConfig
from gateway import signatures
from network.connection import Profile
from network.directory import Believed, imported

MAX_SKEW_S: Final = 30.0
"""Half of the narrowest time window that peers accept (60 s)."""
PROBE: Final = b"fedledger: is this the certificate's key?"


async def require(config: NodeConfig, own: Profile) -> None:
    """Check everything here.

    Raises:
        NodeError: as the checks below.
    """
    check_identity(config, own)
    check_disk(config)
    check_data_exists(config)
    await check_clock(config)


def check_identity(config: NodeConfig, own: Profile) -> str:
    """Check that certificate and key belong together and are in force.

    Raises:
        NodeError: FL4002 the key is another's, FL4003 the certificate has expired.
    """
    certificate = x509.load_pem_x509_certificate(own.cert_pem)
    try:
        signer = own.signer
        signatures.verify(certificate.public_key(), signer.sign(signer.digest(PROBE)), PROBE)
    except ValueError:
        raise NodeError(
            codes.IDENTITY_UNUSABLE,
            "certificate and private key do not belong together",
            hint=f"Restore the right key file, or bind a new key with `{rotate_key(config)}`.",
        ) from None
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NodeError(
            codes.CERTIFICATE_REFUSED,
            f"the certificate was valid until {certificate.not_valid_after_utc:%Y-%m-%d}",
            hint=f"Renew it with `{renewal(config)}`, then start the node again.",
        )
    return f"{own.msp_id}, valid until {certificate.not_valid_after_utc:%Y-%m-%d}"


def renewal(config: NodeConfig) -> str:
    """Return the command that renews the node's certificates."""
    return f"fedledger identity rotate {config.organisation} {config.user}"


def rotate_key(config: NodeConfig) -> str:
    """Return the command that gives the node another key and tells the ledger."""
    words = ["fedledger node rotate-key --org", config.organisation]
    words += ["--participant", config.name] if config.name != config.organisation else []
    words += ["--user", config.user] if config.user != "node" else []
    return " ".join(words)


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
            raise NodeError(
                codes.DISK_REFUSES, f"cannot write: {error.strerror}", where=str(folder), hint=hint
            ) from None
        free = shutil.disk_usage(folder).free
        if free < config.limits.reserve:
            text = f"{free >> 20} MB free, {config.limits.reserve >> 20} MB are kept in reserve"
            raise NodeError(codes.DISK_REFUSES, text, where=str(folder), hint="Free some space, or give --reserve-mb.")
    return f"{free >> 30} GB free"


def check_data_exists(config: NodeConfig) -> None:
    """Check that what was given as data is there.

    Raises:
        NodeError: FL4001.
    """
    if config.data is not None and not config.data.exists():
        raise NodeError(
            codes.INPUT_UNUSABLE, "there is no such file or folder", where=str(config.data), hint="Give --data."
        )


async def check_clock(config: NodeConfig) -> str:
    """Compare this machine's clock with the other members' blob services (their HTTP Date header).

    Whom to ask is known from the imported exports: a clock is told before the own peer need be up.

    Raises:
        NodeError: FL4004, it differs from the median by more than peers accept.
    """
    believed = Believed(imported(config.run, config.consortium))
    contexts = tls.calling(config.run, config.organisation, config.user, believed)
    others = {name: url for name, url in config.consortium.blob_services.items() if name != config.organisation}
    asked = (_skew(f"{url}/health", contexts(name)) for name, url in others.items())
    skews = sorted(skew for skew in await asyncio.gather(*asked) if skew is not None)
    if not skews:
        return "nobody to compare with yet"
    skew = skews[len(skews) // 2]
    if abs(skew) > MAX_SKEW_S:
        hint = "Set the clock (for example with chrony); peers refuse transactions that are further off."
        raise NodeError(codes.CLOCK_DIFFERS, f"{skew:+.0f} s away from the other members", hint=hint)
    return f"within {abs(skew) + 1:.0f} s of {len(skews)} other members"


async def _skew(url: str, context: ssl.SSLContext) -> float | None:
    try:
        timeout = aiohttp.ClientTimeout(total=5)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, ssl=context, proxy=proxy_for(url)) as response,
        ):
            return wall_clock() - parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (aiohttp.ClientError, TimeoutError, OSError, KeyError, ValueError):
        return None
