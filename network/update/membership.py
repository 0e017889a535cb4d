"""Changes of who is in the channel."""

from typing import Any, Literal

from network.topology import MINIMUM_MEMBERS
from network.update.base import Base, in_force, unfit
from network.update.members import APPLICATION, ORDERER, copy_of, members, name_members, organisations
from network.update.newcomer import group_of, read_newcomer


class AddOrganisation(Base):
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


class RemoveOrganisation(Base):
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
