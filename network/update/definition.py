"""An organisation's definition after a change of the channel; no input or output."""

from typing import Any

from pydantic import ValidationError

from network import codes
from network.errors import NetworkError
from network.topology import Consortium, Organisation
from network.update.changes import AddOrganisation, Change, RemoveOrganisation
from network.update.newcomer import read_newcomer


def followed(consortium: Consortium, change: Change) -> Consortium:
    """Return the definition with a change of the channel; FL1002 if it is no consortium then."""
    match change:
        case AddOrganisation():
            return with_organisation(consortium, read_newcomer(change.export))
        case RemoveOrganisation():
            left = [o for o in consortium.organisations if o.msp_id != change.organisation]
            return _of(consortium, left)


def with_organisation(consortium: Consortium, organisation: Organisation) -> Consortium:
    """Return the definition with one more organisation; one that has it under that name stays."""
    if any(o.name == organisation.name for o in consortium.organisations):
        return consortium
    return _of(consortium, [*consortium.organisations, organisation])


def endorsement_of(consortium: Consortium, members: int) -> int:
    """Return how many of so many members endorse, by the definition."""
    return members // 2 + 1 if consortium.endorsement == "majority" else int(consortium.endorsement)


def _of(consortium: Consortium, organisations: list[Organisation]) -> Consortium:
    value: dict[str, Any] = consortium.model_dump(mode="json", exclude_none=True)
    value["organisations"] = [o.model_dump(mode="json", exclude_none=True) for o in organisations]
    try:
        return Consortium.model_validate(value)
    except ValidationError as error:
        message = f"the definition would be no consortium: {error.errors(include_url=False)[0]['msg']}"
        raise NetworkError(codes.DEFINITION_INVALID, message, hint="Nothing was changed.") from None
