"""What an update file says it does: each kind of change, as a value that turns one Config into another.

Whoever signs applies the change to the configuration as it is and compares: a file cannot do other than it says.
"""

from typing import Annotated

from pydantic import Field, TypeAdapter

from network.update.authorities import AddAuthority, RemoveAuthority, Revoke
from network.update.consenter import RotateOrderer
from network.update.membership import AddOrganisation, RemoveOrganisation
from network.update.places import AddOrderer, MovePeers, RemoveOrderer

__all__ = [
    "CHANGES",
    "AddAuthority",
    "AddOrderer",
    "AddOrganisation",
    "Change",
    "MovePeers",
    "RemoveAuthority",
    "RemoveOrderer",
    "RemoveOrganisation",
    "Revoke",
    "RotateOrderer",
]

Change = Annotated[
    AddOrganisation
    | RemoveOrganisation
    | Revoke
    | AddAuthority
    | RemoveAuthority
    | AddOrderer
    | RemoveOrderer
    | RotateOrderer
    | MovePeers,
    Field(discriminator="kind"),
]
CHANGES: TypeAdapter[Change] = TypeAdapter(Change)
