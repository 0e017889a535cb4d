"""What an update file says it does: each kind of change, as a value that turns one Config into another.

Whoever signs applies the change to the configuration as it is and compares: a file cannot do other than it says.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from network import codes
from network.errors import NetworkError
from network.update.members import APPLICATION, ORDERER, copy_of, members, name_members, organisations
from network.update.newcomer import group_of, read_newcomer

MINIMUM_MEMBERS = 3


class _Change(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def apply(self, config: Any) -> Any:
        """Return a copy of a Config with the change; FL1154 where it cannot be made, FL1153 where it is there."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """Return whom or what it is about, for the name of a file."""
        raise NotImplementedError


class AddOrganisation(_Change):
    """A newcomer with a peer: its export, and how many members must endorse from then on."""

    kind: Literal["add-organisation"] = "add-organisation"
    export: dict[str, Any]
    endorsement: int

    def apply(self, config: Any) -> Any:
        """Return a copy with the organisation, a new member in the policies that name members."""
        newcomer = read_newcomer(self.export)
        if newcomer.msp_id in organisations(config):
            raise in_force(f"{newcomer.msp_id} is in the channel")
        changed = copy_of(config)
        changed.channel_group.groups[APPLICATION].groups[newcomer.msp_id].CopyFrom(group_of(self.export))
        if newcomer.role == "member":
            name_members(changed, [*members(config), newcomer.msp_id], self.endorsement)
        return changed

    @property
    def subject(self) -> str:
        """Return the newcomer's name."""
        return read_newcomer(self.export).name


class RemoveOrganisation(_Change):
    """An organisation with a peer leaves, and how many members must endorse from then on."""

    kind: Literal["remove-organisation"] = "remove-organisation"
    organisation: str
    """Its MSP id."""
    endorsement: int

    def apply(self, config: Any) -> Any:
        """Return a copy without the organisation, and without a member in the policies that name members."""
        known, present = organisations(config), members(config)
        if self.organisation not in known:
            raise in_force(f"{self.organisation} is not in the channel")
        if ORDERER in known[self.organisation]:
            raise unfit(f"{self.organisation} has orderers", "Remove its orderers first.")
        left = [each for each in present if each != self.organisation]
        if len(left) < MINIMUM_MEMBERS:
            raise unfit(f"a consortium has at least {MINIMUM_MEMBERS} members", "Add another member first.")
        changed = copy_of(config)
        del changed.channel_group.groups[APPLICATION].groups[self.organisation]
        if left != present:
            name_members(changed, left, self.endorsement)
        return changed

    @property
    def subject(self) -> str:
        """Return its MSP id."""
        return self.organisation


Change = Annotated[AddOrganisation | RemoveOrganisation, Field(discriminator="kind")]
CHANGES: TypeAdapter[Change] = TypeAdapter(Change)


def unfit(message: str, hint: str = "") -> NetworkError:
    """Return the error of a change that this channel cannot take."""
    return NetworkError(codes.UPDATE_UNFIT, message, hint=hint)


def in_force(message: str) -> NetworkError:
    """Return the error of a change that is there."""
    return NetworkError(codes.UPDATE_IN_FORCE, f"{message} already", hint="There is nothing to do.")
