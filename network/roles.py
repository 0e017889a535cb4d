"""Who does what in a consortium, whichever way its definition was read."""

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar


class Party(Protocol):
    """An organisation, as far as its role goes."""

    @property
    def name(self) -> str:
        """Return its name in the definition."""

    @property
    def role(self) -> str:
        """Return member, regulator or orderer."""

    @property
    def orderers(self) -> tuple[Any, ...]:
        """Return its ordering processes."""


P = TypeVar("P", bound=Party)


class Roles(Generic[P]):
    """The organisations of a consortium by their roles; `organisations`, `endorsement` and `ordering` come from it."""

    if TYPE_CHECKING:
        organisations: tuple[P, ...]
        endorsement: Any
        ordering: Any

    @property
    def members(self) -> tuple[P, ...]:
        """Return the organisations that endorse, write and train, in the definition's order."""
        return tuple(o for o in self.organisations if o.role == "member")

    @property
    def regulators(self) -> tuple[P, ...]:
        """Return the organisations that only read."""
        return tuple(o for o in self.organisations if o.role == "regulator")

    @property
    def peer_organisations(self) -> tuple[P, ...]:
        """Return members and regulators in the definition's order."""
        return tuple(o for o in self.organisations if o.role != "orderer")

    @property
    def orderer_organisations(self) -> tuple[P, ...]:
        """Return the organisations that order, members and regulators among them, in the definition's order."""
        return tuple(o for o in self.organisations if o.orderers)

    @property
    def orderers(self) -> tuple[tuple[P, Any], ...]:
        """Return every orderer with its organisation; its place here, from 1, is its number as a consenter."""
        return tuple((each, orderer) for each in self.organisations for orderer in each.orderers)

    @property
    def tolerated(self) -> int:
        """Return how many orderers may be down without stopping the channel; under BFT, how many may lie."""
        return (len(self.orderers) - 1) // (2 if self.ordering == "raft" else 3)

    @property
    def threshold(self) -> int:
        """Return how many members must endorse."""
        return self.majority if self.endorsement == "majority" else int(self.endorsement)

    @property
    def majority(self) -> int:
        """Return how many members govern."""
        return len(self.members) // 2 + 1

    def organisation(self, name: str) -> P:
        """Return the organisation of that name; KeyError if there is none."""
        for organisation in self.organisations:
            if organisation.name == name:
                return organisation
        raise KeyError(name)
