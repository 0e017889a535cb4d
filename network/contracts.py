"""A chaincode of the channel as the definition names it: its program, and its collections of private data."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from network.collections_config import collections_package
from network.policy_text import parse_policy

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]


def _require_policy(text: str) -> str:
    parse_policy(text)
    return text


PolicyText = Annotated[str, AfterValidator(_require_policy)]


class _AsFabric(BaseModel):
    """Has the names of Fabric's collections files, so that one can be pasted."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )


class EndorsementPolicy(_AsFabric):
    """Who must endorse writes to a collection: one of the two."""

    signature_policy: PolicyText | None = None
    channel_config_policy: str | None = None


class Collection(_AsFabric):
    """A collection of private data, with the fields of Fabric's collections files."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+([A-Za-z0-9_-]+)*$")]
    policy: PolicyText
    required_peer_count: Annotated[int, Field(ge=0)] = 0
    max_peer_count: Annotated[int, Field(ge=0)] = 1
    block_to_live: Annotated[int, Field(ge=0)] = 0
    member_only_read: bool = False
    member_only_write: bool = False
    endorsement_policy: EndorsementPolicy | None = None


class Chaincode(BaseModel):
    """The chaincode that every member runs: a Go package relative to chaincode/ and its lifecycle version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = "fedledger"
    package: str = "."
    version: str = "1.0"
    sequence: Annotated[int, Field(ge=1)] = 1
    collections: tuple[Collection, ...] = ()
    place: Annotated[int, Field(ge=0, exclude=True)] = 0
    """Which of the channel's chaincodes it is, which allots its port; not part of a definition."""

    def collections_package(self) -> Any:
        """Return the CollectionConfigPackage of its definition."""
        return collections_package(c.model_dump(by_alias=True, exclude_none=True) for c in self.collections)
