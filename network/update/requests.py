"""What an administrator asks for, as the change that its file will say."""

from network.importing import checked_alone, require_fingerprint
from network.update.changes import AddOrganisation, RemoveOrganisation
from network.update.definition import endorsement_of
from network.update.members import members
from network.update.steps import Desk


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
