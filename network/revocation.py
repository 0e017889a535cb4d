"""Revokes an identity: new revocation lists, and the change that puts them into the channel."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from network import codes
from network.blocking import finish
from network.connection import consortium_of
from network.errors import NetworkError
from network.folders import owner_of
from network.identities import identities_of
from network.organisation import here
from network.roster import certificate_of, revocation_list
from network.runfolder import exchange
from network.topology import Consortium
from network.update import requests
from network.update.steps import desk


@dataclass(frozen=True)
class Revocation:
    """What was revoked: the certificate's serial number in hex, and whether the channel changed now."""

    organisation: str
    name: str
    serial: str
    changed: bool


def revoke(consortium: Consortium, run: Path, organisation: str, name: str, user: str = "admin") -> Revocation:
    """Revoke a user's identity in the running channel, signed by an administrator; done twice, it changes nothing.

    Raises:
        NetworkError: FL1010 or FL1011 if there is no such organisation or identity, FL1016 if a key that must sign the
            lists is not here, FL1159 if the administrator who signs would revoke itself: nothing changes then. FL1060
            to FL1062 if the channel cannot be changed now: the lists are written then, and the same command finishes
            the work. FL1157 if only a member can send the change.
    """
    identities = identities_of(consortium, run, organisation)
    certificate = certificate_of(run, organisation, name)
    if certificate == certificate_of(run, organisation, user):
        how = f"`fedledger identity add {organisation} admin2 --role admin`"
        hint = f"Let another administrator sign, named with --user; {how} issues one."
        message = f"{user} signs this change, and cannot revoke itself"
        raise NetworkError(codes.OWN_CERTIFICATE, message, where=organisation, hint=hint)
    tls = [
        x509.load_pem_x509_certificate(path.read_bytes())
        for path in identities.folder.glob(f"users/{name}/tls/client.crt")
    ]
    for authority, issued in ((identities.signing, [certificate]), (identities.tls, tls)):
        authority.require_revocable(issued)  # both, before any list changes: half a revocation would lock out the wrong
    identities.signing.revoke(certificate, revocation_list(run, organisation))
    for each in tls:
        identities.tls.revoke(each, identities.public.tls_revocations)
    changed = finish(_publish(run, organisation, user))
    exchange([folder for _, folder in here(run, consortium)], consortium)  # who joins later reads the export
    return Revocation(organisation, name, f"{certificate.serial_number:x}", changed)


async def _publish(run: Path, organisation: str, user: str) -> bool:
    """Put an organisation's lists into the channel; in a test network a member sends what others may not."""
    try:
        async with desk(run, organisation, user) as mine:
            file, role = mine.propose(requests.revoke(mine)), mine.organisation.role
            if role == "member" or owner_of(run):
                return await mine.submit([file])
    except NetworkError as error:
        if error.code == codes.UPDATE_IN_FORCE:
            return False
        raise
    async with desk(run, consortium_of(run).members[0].name) as sender:
        return await sender.submit([file])
