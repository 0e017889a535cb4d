"""The folder of organisations that one trusts, written from what the channel says now."""

import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.fabric.chains import only_chain
from audit.fabric.channel import ChannelConfig
from audit.fabric.msp import Msp
from fl_node.ledger.client import Ledger
from fl_node.release.evidence import block_hash
from network.channel_admin import ChannelAdmin


async def msps_of(ledger: Ledger) -> dict[str, Msp]:
    """Return the channel's organisations as its configuration has them now, by MSP id."""
    admin = ChannelAdmin.of(ledger.profile)
    try:
        return ChannelConfig(ledger.profile.channel, await admin.config()).msps.msps
    finally:
        await admin.transport.close()


async def own_chain(ledger: Ledger) -> list[x509.Certificate]:
    """Return the user's certificate and the authorities between it and a root, without the root."""
    certificate = x509.load_pem_x509_certificate(ledger.profile.cert_pem)
    msp = (await msps_of(ledger))[ledger.profile.msp_id]
    return [
        certificate,
        *(one for one in only_chain(certificate, msp.roots, msp.intermediates) if one not in msp.roots),
    ]


async def write_trust(ledger: Ledger, folder: Path) -> dict[str, object]:
    """Write the active members with their authorities and revocation lists; return what consortium.json says."""
    profile, msps = ledger.profile, await msps_of(ledger)
    organisations = await ledger.everything("ListOrganisations")
    members = [one["msp_id"] for one in organisations if one["status"] == "active"]
    for member in members:
        _write(folder / member, msps[member])
    said: dict[str, object] = {"channel": profile.channel, "genesis": await block_hash(ledger, 0), "members": members}
    (folder / "consortium.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return said


def _write(folder: Path, msp: Msp) -> None:
    for name in ("cacerts", "intermediatecerts", "crls"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, authority in enumerate(msp.roots):
        (folder / "cacerts" / f"{number}.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    for number, authority in enumerate(msp.intermediates):
        (folder / "intermediatecerts" / f"{number}.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    for number, revoked in enumerate(msp.revocations):
        (folder / "crls" / f"{number}.pem").write_bytes(revoked.public_bytes(Encoding.PEM))
