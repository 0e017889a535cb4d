"""Revokes an identity: a new revocation list, and the config update that puts it into the channel."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from network.blocking import finish
from network.channel_admin import ChannelAdmin, signature_of
from network.config_update import compute_update, revocation_lists, with_revocation_list
from network.connection import profile
from network.identities import identities_of
from network.organisation import here
from network.roster import certificate_of, revocation_list
from network.runfolder import exchange
from network.topology import Consortium


@dataclass(frozen=True)
class Revocation:
    """What was revoked: the certificate's serial number in hex, and whether the channel changed now."""

    organisation: str
    name: str
    serial: str
    changed: bool


def revoke(consortium: Consortium, run: Path, organisation: str, name: str) -> Revocation:
    """Revoke a user's identity in the running channel; done twice, it changes nothing.

    Raises:
        NetworkError: FL1010 or FL1011 if there is no such organisation or identity, FL1016 if a key that must sign the
            lists is not here: nothing changes then. FL1060 to FL1062 if the channel
            cannot be changed now: the list is written then, and the same command finishes the work.
    """
    identities = identities_of(consortium, run, organisation)
    certificate = certificate_of(run, organisation, name)
    tls = [
        x509.load_pem_x509_certificate(path.read_bytes())
        for path in identities.folder.glob(f"users/{name}/tls/client.crt")
    ]
    for authority, issued in ((identities.signing, [certificate]), (identities.tls, tls)):
        authority.require_revocable(issued)  # both, before any list changes: half a revocation would lock out the wrong
    content = identities.signing.revoke(certificate, revocation_list(run, organisation))
    for each in tls:  # blob services read this list
        identities.tls.revoke(each, identities.public.tls_revocations)
    changed = finish(_publish(consortium, run, organisation, content))
    exchange([folder for _, folder in here(run, consortium)], consortium)  # others read the export
    return Revocation(organisation, name, f"{certificate.serial_number:x}", changed)


async def _publish(consortium: Consortium, run: Path, organisation: str, listed: bytes) -> bool:
    """Put an organisation's revocation list into the channel; its own admin signs, and a member's admin submits."""
    revoking = consortium.organisation(organisation)
    writer = revoking if revoking.role == "member" else consortium.members[0]
    admin = ChannelAdmin.of(profile(run, writer.name, "admin"))
    try:
        config = await admin.config()
        if revocation_lists(config, revoking.msp_id) == [listed]:
            return False
        changed = with_revocation_list(config, revoking.msp_id, listed)
        update = compute_update(consortium.channel, config.channel_group, changed.channel_group)
        content = update.SerializeToString(deterministic=True)
        await admin.submit(content, [signature_of(profile(run, organisation, "admin"), content)], config.sequence)
    finally:
        await admin.transport.close()
    return True
