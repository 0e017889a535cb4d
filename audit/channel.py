"""A channel's configuration as its config blocks carry it, and whether an update to it was authorised.

The update rules are those of Fabric's common/configtx: the read set names current versions, every changed element is
one version ahead and satisfies its modification policy, and the new configuration is the old one overlaid.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2

from audit.msp import Identity, Msp, MspSet
from audit.policy import ChannelPolicies, SignedBytes, valid_signers
from audit.wire import WireError, decode

Element: TypeAlias = Any
"""A ConfigGroup, ConfigValue or ConfigPolicy."""


class ConfigError(ValueError):
    """A configuration update is not one that the configuration in force allows."""


@dataclass(frozen=True)
class ChannelConfig:
    """One configuration of a channel: organisations, policies, orderers. `sequence` counts the updates."""

    channel: str
    config: configtx_pb2.Config

    @cached_property
    def msps(self) -> MspSet:
        """The MSPs of all organisations of the channel, orderers included."""
        msps: dict[str, Msp] = {}
        for section in ("Application", "Orderer"):
            for organisation in self.config.channel_group.groups[section].groups.values():
                if "MSP" not in organisation.values:
                    continue
                wrapper = decode(msp_config_pb2.MSPConfig, organisation.values["MSP"].value, "MSP configuration")
                msp = Msp.from_config(wrapper.config)
                msps[msp.msp_id] = msp
        return MspSet(msps)

    @cached_property
    def policies(self) -> ChannelPolicies:
        """The channel's policy tree."""
        return ChannelPolicies(self.config.channel_group, self.msps)

    @cached_property
    def application_organisations(self) -> dict[str, str]:
        """The application organisations, from MSP id to the group's name."""
        found = {}
        for name, group in self.config.channel_group.groups["Application"].groups.items():
            wrapper = decode(msp_config_pb2.MSPConfig, group.values["MSP"].value, "MSP configuration")
            found[decode(msp_config_pb2.FabricMSPConfig, wrapper.config, "MSP configuration").name] = name
        return found

    @cached_property
    def consensus(self) -> str:
        """The kind of ordering, "BFT", "etcdraft" or another name that the configuration gives."""
        values = self.config.channel_group.groups["Orderer"].values
        raw = values["ConsensusType"].value if "ConsensusType" in values else b""
        return str(decode(orderer_configuration_pb2.ConsensusType, raw, "consensus type").type)

    @cached_property
    def consenters(self) -> dict[int, tuple[str, bytes]]:
        """The BFT consenters, from id to MSP id and certificate."""
        values = self.config.channel_group.groups["Orderer"].values
        raw = values["Orderers"].value if "Orderers" in values else b""
        orderers = decode(configuration_pb2.Orderers, raw, "orderers")
        return {c.id: (c.msp_id, c.identity) for c in orderers.consenter_mapping}

    @property
    def sequence(self) -> int:
        """How many updates led to this configuration."""
        return int(self.config.sequence)


def parse_config(data: bytes) -> configtx_pb2.ConfigEnvelope:
    """Parse the payload of a config transaction; raises WireError."""
    return decode(configtx_pb2.ConfigEnvelope, data, "config envelope")


def authorised_update(current: ChannelConfig, envelope: configtx_pb2.ConfigEnvelope) -> ChannelConfig:
    """Return the configuration that a config block's own update leads to; raises ConfigError or WireError.

    The block carries the new configuration whole: it must be exactly what the update gives.
    """
    payload = decode(common_pb2.Payload, envelope.last_update.payload, "config update payload")
    update_envelope = decode(configtx_pb2.ConfigUpdateEnvelope, payload.data, "config update envelope")
    update = decode(configtx_pb2.ConfigUpdate, update_envelope.config_update, "config update")
    if update.channel_id != current.channel:
        raise ConfigError(f"the update is for channel {update.channel_id!r}")
    if envelope.config.sequence != current.sequence + 1:
        raise ConfigError(f"sequence {envelope.config.sequence} follows {current.sequence}")
    present = dict(_elements(current.config.channel_group))
    delta = _delta(present, dict(_elements(update.read_set)), dict(_elements(update.write_set)))
    signed = []
    for signature in update_envelope.signatures:
        header = decode(common_pb2.SignatureHeader, signature.signature_header, "signature header")
        message = signature.signature_header + update_envelope.config_update
        signed.append(SignedBytes(header.creator, message, signature.signature))
    signers = valid_signers(current.msps, signed)
    for path, element in delta.items():
        _check_change(current, present.get(path), path, element, signers)
    _check_result({**present, **delta}, envelope)
    return ChannelConfig(current.channel, envelope.config)


def _delta(present: dict[str, Element], read: dict[str, Element], write: dict[str, Element]) -> dict[str, Element]:
    for path, element in read.items():
        if path not in present or present[path].version != element.version:
            raise ConfigError(f"the update was made for another version of {path}")
    delta = {p: e for p, e in write.items() if p not in read or read[p].version != e.version}
    if not delta:
        raise ConfigError("the update changes nothing")
    return delta


def _check_change(
    current: ChannelConfig, existing: Element | None, path: str, element: Element, signers: list[Identity]
) -> None:
    if existing is None:
        if element.version != 0:
            raise ConfigError(f"{path} is new and must have version 0")
        return
    if element.version != existing.version + 1:
        raise ConfigError(f"{path} goes from version {existing.version} to {element.version}")
    if not current.policies.holds(_policy_path(path, existing), signers):
        raise ConfigError(f"the signatures do not satisfy {existing.mod_policy!r}, which guards {path}")


def _policy_path(path: str, element: Element) -> str:
    """Where a modification policy lives: absolute, in the group itself, or in the group around a value or policy."""
    if element.mod_policy.startswith("/"):
        return str(element.mod_policy)
    kind, _, location = path.partition(":")
    group = location if kind == "group" else location.rpartition("/")[0]
    return f"{group}/{element.mod_policy}"


def _check_result(expected: dict[str, Element], envelope: configtx_pb2.ConfigEnvelope) -> None:
    result = dict(_elements(envelope.config.channel_group))
    kept = _reachable(expected)
    if result.keys() != kept.keys():
        raise ConfigError(f"the block's configuration differs from the update's at {min(result.keys() ^ kept.keys())}")
    for path, element in result.items():
        if not _same(element, kept[path]):
            raise ConfigError(f"the block's configuration differs from the update's at {path}")


def _reachable(elements: dict[str, Element]) -> dict[str, Element]:
    """Drop what a changed group no longer lists: a group's version counts additions and removals of its members."""
    kept: dict[str, Element] = {}

    def visit(path: str) -> None:
        group = elements[f"group:{path}"]
        kept[f"group:{path}"] = group
        for kind, names in (("value", group.values), ("policy", group.policies)):
            for name in names:
                kept[f"{kind}:{path}/{name}"] = elements[f"{kind}:{path}/{name}"]
        for name in group.groups:
            visit(f"{path}/{name}")

    visit("/Channel")
    return kept


def _same(one: Element, other: Element) -> bool:
    if one.version != other.version or one.mod_policy != other.mod_policy or type(one) is not type(other):
        return False
    if isinstance(one, configtx_pb2.ConfigGroup):
        return True
    if isinstance(one, configtx_pb2.ConfigValue):
        return bool(one.value == other.value)
    return bool(one.policy == other.policy)


def _elements(group: configtx_pb2.ConfigGroup, path: str = "/Channel") -> Iterator[tuple[str, Element]]:
    """Yield every element of a configuration tree with a path such as "value:/Channel/Orderer/BatchSize"."""
    yield f"group:{path}", group
    for name in sorted(group.values):
        yield f"value:{path}/{name}", group.values[name]
    for name in sorted(group.policies):
        yield f"policy:{path}/{name}", group.policies[name]
    for name in sorted(group.groups):
        yield from _elements(group.groups[name], f"{path}/{name}")


def genesis_config(raw: bytes) -> ChannelConfig:
    """Read the first configuration out of the genesis block's envelope; raises WireError."""
    payload = decode(common_pb2.Payload, decode(common_pb2.Envelope, raw, "envelope").payload, "payload")
    header = decode(common_pb2.ChannelHeader, payload.header.channel_header, "channel header")
    if header.type != common_pb2.CONFIG:
        raise WireError("the genesis block does not hold a channel configuration")
    return ChannelConfig(header.channel_id, parse_config(payload.data).config)
