"""A channel as its configuration describes it: members, policies, addresses, limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from gateway.encoding import serialized_identity
from network.addresses import join
from network.devnet import protos as p
from network.devnet.envelopes import parse
from network.devnet.msp import Msp, MspManager
from network.devnet.policy import Policy, PolicyTree

READERS = "/Channel/Application/Readers"
CHANNEL_READERS = "/Channel/Readers"
CHANNEL_WRITERS = "/Channel/Writers"
ENDORSEMENT = "/Channel/Application/Endorsement"
LIFECYCLE_ENDORSEMENT = "/Channel/Application/LifecycleEndorsement"


@dataclass(frozen=True, slots=True)
class Node:
    """A peer or orderer that others dial."""

    msp_id: str
    address: str
    tls_roots: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """When the ordering service cuts a block."""

    messages: int
    absolute_bytes: int
    preferred_bytes: int
    timeout_s: float


@dataclass(frozen=True)
class Channel:
    """One state of the configuration; a config block replaces it as a whole."""

    name: str
    config: Any
    members: MspManager
    policies: PolicyTree
    peers: tuple[Node, ...]
    orderers: tuple[Node, ...]
    consenters: Mapping[int, bytes]
    """The identity of every BFT consenter, by its number; empty where orderers agree by Raft."""
    limits: Limits
    acls: Mapping[str, str]
    time_window_s: float

    @classmethod
    def of(cls, name: str, config: Any, *, time_window_s: float = 60.0) -> Self:
        """Read a Config message."""
        root = config.channel_group
        application, orderer = root.groups["Application"], root.groups["Orderer"]
        msps = _msps(application, orderer)
        return cls(
            name=name,
            config=config,
            members=MspManager(msps.values()),
            policies=PolicyTree(root),
            peers=tuple(_peers(application, msps)),
            orderers=tuple(_orderers(orderer, msps)),
            consenters=_consenters(orderer),
            limits=_limits(orderer),
            acls=_acls(application),
            time_window_s=time_window_s,
        )

    @property
    def msp_ids(self) -> dict[tuple[str, str], str]:
        """The MSP id of every organisation, by the part (Application, Orderer) and its group's name there."""
        parts = ((part, self.config.channel_group.groups[part].groups) for part in ("Application", "Orderer"))
        return {
            (part, name): _msp_config(group).name
            for part, groups in parts
            for name, group in groups.items()
            if "MSP" in group.values
        }

    def policy(self, resource: str, default: str) -> Policy:
        """Return the policy that guards a resource, by the channel's access list or the default's path."""
        path = self.acls.get(resource, default)
        return self.policies.policy(path if path.startswith("/") else f"/Channel/Application/{path}")


def _msps(*parts: Any) -> dict[str, Msp]:
    """Return the MSP of every group, by the group's name.

    Raises:
        ValueError: one has no id, or two groups say different things of one id, as Fabric refuses it.
    """
    configs: dict[str, Any] = {}
    found: dict[str, Msp] = {}
    for part in parts:
        for name, group in part.groups.items():
            if "MSP" not in group.values:
                continue
            config = _msp_config(group)
            if not config.name:
                raise ValueError(f"MSP for org {name} has empty MSP ID")
            if configs.setdefault(config.name, config) != config:
                raise ValueError(f"attempted to define two different versions of MSP: {config.name}")
            found.setdefault(name, Msp(config))
    return found


def _msp_config(group: Any) -> Any:
    outer = parse(p.msp_config.MSPConfig, group.values["MSP"].value, "MSPConfig")
    return parse(p.msp_config.FabricMSPConfig, outer.config, "FabricMSPConfig")


def _peers(application: Any, msps: Mapping[str, Msp]) -> list[Node]:
    nodes = []
    for name in sorted(application.groups):
        values = application.groups[name].values
        if "AnchorPeers" not in values:
            continue
        anchors = parse(p.peer_configuration.AnchorPeers, values["AnchorPeers"].value, "AnchorPeers")
        msp = msps[name]
        nodes += [Node(msp.name, join(a.host, a.port), b"".join(msp.tls_roots)) for a in anchors.anchor_peers]
    return nodes


def _orderers(orderer: Any, msps: Mapping[str, Msp]) -> list[Node]:
    nodes = []
    for name in sorted(orderer.groups):
        values = orderer.groups[name].values
        if "Endpoints" not in values:
            continue
        endpoints = parse(p.configuration.OrdererAddresses, values["Endpoints"].value, "OrdererAddresses")
        nodes += [Node(msps[name].name, address, b"".join(msps[name].tls_roots)) for address in endpoints.addresses]
    return nodes


def _consenters(orderer: Any) -> dict[int, bytes]:
    if "Orderers" not in orderer.values:  # a Raft channel
        return {}
    listed = parse(p.configuration.Orderers, orderer.values["Orderers"].value, "Orderers")
    return {c.id: serialized_identity(c.msp_id, c.identity) for c in listed.consenter_mapping}


def _limits(orderer: Any) -> Limits:
    size = parse(p.orderer_configuration.BatchSize, orderer.values["BatchSize"].value, "BatchSize")
    timeout = parse(p.orderer_configuration.BatchTimeout, orderer.values["BatchTimeout"].value, "BatchTimeout").timeout
    seconds = float(timeout[:-2]) / 1000 if timeout.endswith("ms") else float(timeout.removesuffix("s"))
    return Limits(size.max_message_count, size.absolute_max_bytes, size.preferred_max_bytes, seconds)


def _acls(application: Any) -> dict[str, str]:
    if "ACLs" not in application.values:
        return {}
    listed = parse(p.peer_configuration.ACLs, application.values["ACLs"].value, "ACLs")
    return {resource: entry.policy_ref for resource, entry in listed.acls.items()}
