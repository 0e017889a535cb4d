"""The consortium as a typed, checked value: everything else derives from it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from network import codes
from network.addresses import WILDCARDS, Addressed, join, require_host
from network.allotment import DEFAULT_BASE_PORT, MOST_OTHERS, allot
from network.contracts import Chaincode, Name
from network.errors import NetworkError
from network.roles import Roles
from network.rules import NEWEST_RULES
from network.yaml_lines import Location, PlacedYaml

DEFAULT_DEFINITION = Path(__file__).with_name("consortium.yaml")
Role = Literal["member", "regulator", "orderer"]
Ordering = Literal["bft", "raft"]
MspId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,60}$")]
Host = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9.-]{1,253}|[0-9A-Fa-f:.]{2,45})$"), AfterValidator(require_host)
]
Port = Annotated[int, Field(ge=1024, le=65535, strict=True)]
MINIMUM_MEMBERS = 3  # with two, each knows the other's update from the sum
MINIMUM_ENDORSERS = 2


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Peer(_Model, Addressed):
    """One organisation's peer and the chaincode process beside it."""

    name: str
    host: Host = "127.0.0.1"
    listen: Host | None = None
    port: Port
    chaincode_port: Port
    upgrade_port: Port
    """Of the chaincode process of every other version: two run while one takes the other's place."""
    operations_port: Port
    internal_port: Port


class Orderer(_Model, Addressed):
    """One ordering process."""

    name: str
    host: Host = "127.0.0.1"
    listen: Host | None = None
    port: Port
    admin_port: Port
    operations_port: Port


class Organisation(_Model):
    """A party with its own certificate authorities: members and regulators have peers, each may have orderers too."""

    name: Name
    msp_id: MspId
    role: Role
    host: Host = "127.0.0.1"  # what others dial; of its peers and orderers too, unless they have their own
    listen: Host | None = None  # what its processes bind where it is not the host: 0.0.0.0, ::, an inner address
    peers: tuple[Peer, ...] = ()
    orderers: tuple[Orderer, ...] = ()
    blob_port: Port | None = None
    inbound: bool = True  # others can open a connection to its blob service; False for members only

    @property
    def bound(self) -> str:
        """Return the host that its blob service listens on."""
        return self.listen or self.host

    @property
    def names(self) -> tuple[str, ...]:
        """Return every host that its blob service's certificate is for."""
        return tuple(dict.fromkeys((self.host, WILDCARDS.get(self.bound, self.bound))))

    @property
    def peer(self) -> Peer:
        """Return the first of the organisation's peers."""
        return self.peers[0]


class Federation(_Model):
    """What the members' chaincode processes are told about the federation.

    Attributes:
        rules: The version of the rules that it begins under; later ones come by vote.
    """

    rules: Annotated[int, Field(ge=1, le=NEWEST_RULES, strict=True)] = NEWEST_RULES
    parameters: dict[str, int | str] = Field(default_factory=dict)


class Consortium(_Model, Roles[Organisation]):
    """Organisations, channel, chaincode and policies, with every port allotted."""

    name: Name = "fedledger"
    channel: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9.-]{0,248}$")] = "fedchannel"
    chaincode: Chaincode = Chaincode()
    others: Annotated[tuple[Chaincode, ...], Field(max_length=MOST_OTHERS)] = ()
    """Further chaincodes of the channel, which this and one another may call; they are not upgraded."""
    ordering: Ordering = "bft"
    """How orderers agree: bft holds where a third of them lies, raft (all that Fabric 2.5 has) where a half is down."""
    endorsement: Literal["majority"] | Annotated[int, Field(strict=True)] = "majority"
    batch_interval_ms: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 50
    time_window_s: Annotated[int, Field(ge=60, le=120, strict=True)] = 60
    base_port: Port = DEFAULT_BASE_PORT
    organisations: tuple[Organisation, ...]
    federation: Federation = Federation()

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or not isinstance(raw.get("organisations"), list):
            return raw
        return {"base_port": DEFAULT_BASE_PORT, **raw} | {"organisations": allot(raw)}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for location, message in _problems(self):
            raise PydanticCustomError("consortium", "{message}", {"message": message, "at": location})
        return self

    def each(self) -> "tuple[Consortium, ...]":
        """Return the definition once for each of its chaincodes, as the one that it is about."""
        placed = [other.model_copy(update={"place": n}) for n, other in enumerate(self.others, start=1)]
        return (self, *(self.model_copy(update={"chaincode": other, "others": ()}) for other in placed))

    @property
    def blob_services(self) -> dict[str, str]:
        """Return the URL of every blob service that others can reach, by organisation."""
        return {o.name: f"https://{join(o.host, o.blob_port or 0)}" for o in self.members if o.inbound}

    def warnings(self) -> list[str]:
        """Return what is allowed and unwise: sentences for whoever wrote the definition."""
        found = []
        total, tolerated = len(self.orderers), self.tolerated
        for organisation in self.orderer_organisations if self.ordering == "bft" else ():
            held = len(organisation.orderers)
            if held > tolerated:
                found.append(
                    f"{organisation.name} holds {held} of {total} orderers, and BFT withstands {tolerated}: "
                    "that organisation alone can stop the channel or fork it"
                )
        return found

    def ports(self) -> Iterator[tuple[Location, str, int]]:
        """Yield (place in the definition, host, port) of every port that a process listens on."""
        for index, organisation in enumerate(self.organisations):
            nodes: list[tuple[str, int, Peer | Orderer]] = [
                *(("peers", number, peer) for number, peer in enumerate(organisation.peers)),
                *(("orderers", number, orderer) for number, orderer in enumerate(organisation.orderers)),
            ]
            for kind, number, node in nodes:
                for field, value in node:
                    if field.endswith("port"):
                        yield ("organisations", index, kind, number, field), node.host, value
            if organisation.blob_port is not None:
                yield (
                    ("organisations", index, "blob_port"),
                    organisation.host,
                    organisation.blob_port,
                )


def _problems(consortium: Consortium) -> Iterator[tuple[Location, str]]:
    yield from _duplicates(consortium)
    yield from _role_problems(consortium)
    names = [consortium.chaincode.name, *(other.name for other in consortium.others)]
    for index, name in enumerate(names[1:]):
        if name in names[: index + 1]:
            yield ("others", index, "name"), f"two chaincodes are called {name}"
    if len(consortium.members) < MINIMUM_MEMBERS:
        yield (
            ("organisations",),
            f"a consortium has at least {MINIMUM_MEMBERS} members, this one {len(consortium.members)}",
        )
    elif consortium.threshold < MINIMUM_ENDORSERS:
        yield ("endorsement",), "one organisation alone would satisfy the endorsement policy; at least 2 must endorse"
    elif consortium.threshold > len(consortium.members):
        yield (
            ("endorsement",),
            f"{consortium.threshold} endorsements from {len(consortium.members)} members is impossible",
        )
    else:
        yield from _reach_problems(consortium)


def _reach_problems(consortium: Consortium) -> Iterator[tuple[Location, str]]:
    within_reach = len(consortium.blob_services)
    if within_reach < consortium.threshold:
        text = f"{consortium.threshold} members must hold a blob for its commitment, others can reach {within_reach}"
        yield ("organisations",), f"{text}; at least so many are inbound"


def _duplicates(consortium: Consortium) -> Iterator[tuple[Location, str]]:
    for field in ("name", "msp_id"):
        seen: set[str] = set()
        for index, organisation in enumerate(consortium.organisations):
            value = getattr(organisation, field)
            if value.lower() in seen:
                yield ("organisations", index, field), f"the {field} {value} is used twice"
            seen.add(value.lower())
    named: set[str] = set()
    for index, organisation in enumerate(consortium.organisations):
        for number, orderer in enumerate(organisation.orderers):
            if orderer.name in named:
                yield ("organisations", index, "orderers", number), f"two orderers are called {orderer.name}"
            named.add(orderer.name)
    taken: dict[tuple[str, int], Location] = {}
    for location, host, port in consortium.ports():
        if (host, port) in taken:
            yield location, f"port {port} is also used by {'.'.join(map(str, taken[host, port]))}"
        taken[host, port] = location


def _role_problems(consortium: Consortium) -> Iterator[tuple[Location, str]]:
    if not consortium.orderers:
        yield ("organisations",), "no organisation has orderers"
    for index, organisation in enumerate(consortium.organisations):
        here: Location = ("organisations", index)
        if organisation.role == "orderer":
            if organisation.peers or not organisation.orderers:
                yield here, f"{organisation.name} only orders: it has orderers and no peers"
        elif not organisation.peers:
            yield here, f"{organisation.name} has no peer"
        if organisation.role != "member" and organisation.blob_port is not None:
            yield (*here, "blob_port"), "only members run a blob service"
        if organisation.role != "member" and not organisation.inbound:
            yield (*here, "inbound"), "only members have a blob service that can be out of reach"


def load_consortium(path: Path = DEFAULT_DEFINITION) -> Consortium:
    """Read, complete and check a definition.

    Raises:
        NetworkError: FL1001 if the file is not readable YAML, FL1002 with file, line and field if it is no consortium.
    """
    return parse_consortium(PlacedYaml.read(path))


def parse_consortium(document: PlacedYaml, **overrides: Any) -> Consortium:
    """Check a definition that was read; overrides replace top-level entries.

    Raises:
        NetworkError: FL1002 with file, line and field of the first problem.
    """
    value = document.value
    if overrides and isinstance(value, dict):
        value = {**value, **overrides}
    try:
        return Consortium.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        first = problems[0]
        location: Location = first.get("ctx", {}).get("at", first["loc"])
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        field = ".".join(map(str, location))
        message = first["msg"] if "at" in first.get("ctx", {}) else f"{field}: {first['msg']}"
        raise NetworkError(
            codes.DEFINITION_INVALID,
            f"{message}{more}",
            where=document.place(location),
            hint="Correct the definition and try again.",
        ) from None


def dump_consortium(consortium: Consortium) -> str:
    """Return the normalised definition, every default and port written out, as YAML."""
    return yaml.safe_dump(consortium.model_dump(mode="json", exclude_none=True), sort_keys=False, width=120)
