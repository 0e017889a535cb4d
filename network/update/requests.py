"""What an administrator asks for, as the change that its file will say."""

from collections.abc import Sequence
from typing import Literal

from network import runfolder
from network.folders import folder_of
from network.identities import identities_of
from network.importing import checked_alone, require_fingerprint
from network.rotation import stage, staged_certificate
from network.update.authorities import fingerprint as sha256
from network.update.authorities import read_authority
from network.update.base import unfit
from network.update.changes import (
    AddAuthority,
    AddOrderer,
    AddOrganisation,
    MovePeers,
    RemoveAuthority,
    RemoveOrderer,
    RemoveOrganisation,
    Revoke,
    RotateOrderer,
)
from network.update.definition import endorsement_of
from network.update.members import members
from network.update.steps import Desk

Purpose = Literal["identities", "tls"]


def add_organisation(desk: Desk, export: bytes, where: str = "", fingerprint: str = "") -> AddOrganisation:
    """Return the change that adds the organisation of an export.

    Raises:
        NetworkError: FL1101 to FL1103 if the export does not hold, FL1105 if the fingerprint differs.
    """
    found, newcomer = checked_alone(export, where=where)
    require_fingerprint(found, fingerprint, where)
    total = len(members(desk.config)) + (newcomer.role == "member")
    return AddOrganisation(export=found.as_json(), endorsement=endorsement_of(desk.consortium, total))


def remove_organisation(desk: Desk, name: str) -> RemoveOrganisation:
    """Return the change that removes an organisation, named as in the definition or by its MSP id."""
    msp_id = next((o.msp_id for o in desk.consortium.organisations if o.name == name), name)
    total = len([each for each in members(desk.config) if each != msp_id])
    return RemoveOrganisation(organisation=msp_id, endorsement=endorsement_of(desk.consortium, total))


def add_orderer(export: bytes, name: str, where: str = "", fingerprint: str = "") -> AddOrderer:
    """Return the change that adds an orderer which an export names; raises as `add_organisation`."""
    found, _ = checked_alone(export, where=where)
    require_fingerprint(found, fingerprint, where)
    return AddOrderer(export=found.as_json(), name=name)


def remove_orderer(desk: Desk, name: str) -> RemoveOrderer:
    """Return the change that removes an orderer, by its name in the definition or its address."""
    known = {orderer.name: orderer.address for _, orderer in desk.consortium.orderers}
    return RemoveOrderer(address=known.get(name, name))


def rotate_orderer(desk: Desk, name: str, *, new_key: bool) -> RotateOrderer:
    """Have new certificates issued for an own orderer, beside those that serve, and return the change that names them.

    Raises:
        NetworkError: FL1154 if the own organisation has no such orderer, and what `network.rotation.stage` raises.
    """
    run, mine = desk.admin.user.run, desk.organisation
    found = [orderer for orderer in mine.orderers if orderer.name == name]
    if not found:
        names = ", ".join(orderer.name for orderer in mine.orderers) or "none"
        raise unfit(f"{mine.name} has no orderer {name}", f"Its orderers: {names}.")
    identities = identities_of(desk.consortium, run, mine.name)
    with runfolder.locked(run):
        signing, tls = stage(identities, name, new_key=new_key)
        texts = [staged_certificate(identities, name, each).decode() for each in (signing, tls)]
    return RotateOrderer(address=found[0].address, certificate=texts[0], tls_certificate=texts[1])


def move_peers(desk: Desk) -> MovePeers:
    """Return the change that tells the channel where the own peers answer, by the own definition."""
    mine = desk.organisation
    return MovePeers(organisation=mine.msp_id, addresses=[peer.address for peer in mine.peers])


def revoke(desk: Desk) -> Revoke:
    """Return the change that brings the own revocation lists into the channel, as they lie in the own folder."""
    folder = folder_of(desk.admin.user.run, desk.organisation.name)
    lists = sorted((folder.own.msp / "crls").glob("*.pem"))
    return Revoke(organisation=desk.organisation.msp_id, lists=[path.read_text() for path in lists])


def add_authority(desk: Desk, certificate: str, purpose: Purpose, lists: Sequence[str]) -> AddAuthority:
    """Return the change that adds an authority to the own organisation; FL1154 if the certificate is none."""
    read_authority(certificate)
    return AddAuthority(
        organisation=desk.organisation.msp_id, purpose=purpose, certificate=certificate, lists=list(lists)
    )


def remove_authority(desk: Desk, certificate: str, purpose: Purpose) -> RemoveAuthority:
    """Return the change that removes an authority from the own organisation; FL1154 if the certificate is none."""
    number = sha256(read_authority(certificate))
    return RemoveAuthority(organisation=desk.organisation.msp_id, purpose=purpose, sha256=number)
