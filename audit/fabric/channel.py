"""A channel's configuration as its config blocks carry it, and whether an update to it was authorised.

The update rules are those of Fabric's common/configtx: the read set names current versions, every changed element is
one version ahead and satisfies its modification policy, and the new configuration is the old one overlaid.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2

from audit.fabric.envelope import Transaction
from audit.fabric.msp import Identity, IdentityError, Msp, MspSet
from audit.fabric.policy import ChannelPolicies, SignedBytes, valid_signers
from audit.fabric.wire import WireError, decode

NAME = re.compile(r"[a-zA-Z0-9.-]{1,249}")
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
        """The MSPs of all organisations of the channel, orderers included; raises WireError where two share an id."""
        msps: dict[str, Msp] = {}
        read: dict[str, bytes] = {}
        for raw in self._organisations.values():
            msp = Msp.from_config(raw)
            if read.setdefault(msp.msp_id, raw) != raw:
                raise WireError(f"two organisations call themselves {msp.msp_id!r}")
            msps[msp.msp_id] = msp
        return MspSet(msps)

    @cached_property
    def _organisations(self) -> dict[tuple[str, str], bytes]:
        """Each organisation's FabricMSPConfig, by section and the group's name."""
        found = {}
        for section in ("Application", "Orderer"):
            for name, group in self._section(section).groups.items():
                if "MSP" in group.values:
                    wrapper = decode(msp_config_pb2.MSPConfig, group.values["MSP"].value, "MSP configuration")
                    found[section, name] = wrapper.config
        return found

    @cached_property
    def msp_ids(self) -> dict[tuple[str, str], str]:
        """Each organisation's MSP id, by section and the group's name."""
        kind = msp_config_pb2.FabricMSPConfig
        return {place: decode(kind, raw, "MSP configuration").name for place, raw in self._organisations.items()}

    def _section(self, name: str) -> configtx_pb2.ConfigGroup:
        # Asking a map for a message that is not there would put it there.
        groups = self.config.channel_group.groups
        return groups[name] if name in groups else configtx_pb2.ConfigGroup()

    def _orderer_value(self, name: str) -> bytes:
        values = self._section("Orderer").values
        return values[name].value if name in values else b""

    @cached_property
    def policies(self) -> ChannelPolicies:
        """The channel's policy tree."""
        return ChannelPolicies(self.config.channel_group)

    @cached_property
    def application_organisations(self) -> dict[str, str]:
        """The application organisations, from MSP id to the group's name."""
        return {msp_id: name for (section, name), msp_id in self.msp_ids.items() if section == "Application"}

    @cached_property
    def consensus(self) -> str:
        """The kind of ordering, "BFT", "etcdraft" or another name that the configuration gives."""
        raw = self._orderer_value("ConsensusType")
        return str(decode(orderer_configuration_pb2.ConsensusType, raw, "consensus type").type)

    @cached_property
    def consenters(self) -> dict[int, tuple[str, bytes]]:
        """The BFT consenters, from id to MSP id and certificate."""
        orderers = decode(configuration_pb2.Orderers, self._orderer_value("Orderers"), "orderers")
        return {c.id: (c.msp_id, c.identity) for c in orderers.consenter_mapping}

    @property
    def quorum(self) -> int:
        """How many orderers sign a block: under BFT as many as two quorums need to share an honest one, else one.

        Source: Fabric's policies.ComputeBFTQuorum.
        """
        total = len(self.consenters)
        return (total + (total - 1) // 3 + 2) // 2 if self.consensus == "BFT" else 1

    @property
    def sequence(self) -> int:
        """How many updates led to this configuration."""
        return int(self.config.sequence)


def parse_config(data: bytes) -> configtx_pb2.ConfigEnvelope:
    """Parse the payload of a config transaction; raises WireError."""
    return decode(configtx_pb2.ConfigEnvelope, data, "config envelope")


def check_wrapping(current: ChannelConfig, transaction: Transaction) -> None:
    """Check that somebody of the channel signed a config transaction for this channel; raises ConfigError."""
    if transaction.channel != current.channel:
        raise ConfigError(f"the configuration is for channel {transaction.channel!r}")
    try:
        current.msps.identity(transaction.creator).verify(transaction.envelope.signature, transaction.envelope.payload)
    except IdentityError as error:
        raise ConfigError(f"nobody of the channel signed the configuration: {error}") from error


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
    updated = ChannelConfig(current.channel, envelope.config)
    _check_organisations(current, updated)
    return updated


def _check_organisations(current: ChannelConfig, updated: ChannelConfig) -> None:
    """Check that nobody took another's MSP id: policies name ids, and each organisation writes its own MSP."""
    for (section, name), msp_id in updated.msp_ids.items():
        before = current.msp_ids.get((section, name), msp_id)
        if before != msp_id:
            raise ConfigError(f"the {section} organisation {name!r} goes from the MSP id {before!r} to {msp_id!r}")
    _ = updated.msps


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
    if not all(map(_is_name, element.mod_policy.removeprefix("/").split("/"))):
        raise ConfigError(f"{path} would be guarded by {element.mod_policy!r}, which names no policy")
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
    """Check a block's configuration; as in Fabric it lacks what an update adds to a group that it does not change."""
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
    if not all(_is_name(name) for names in (group.groups, group.values, group.policies) for name in names):
        raise WireError(f"a name below {path} is none that Fabric takes")
    yield f"group:{path}", group
    for name in sorted(group.values):
        yield f"value:{path}/{name}", group.values[name]
    for name in sorted(group.policies):
        yield f"policy:{path}/{name}", group.policies[name]
    for name in sorted(group.groups):
        yield from _elements(group.groups[name], f"{path}/{name}")


def _is_name(text: str) -> bool:
    """Say whether a group, value or policy may be called so (common/configtx, validateConfigID)."""
    return bool(NAME.fullmatch(text)) and text not in {".", ".."}


def genesis_config(raw: bytes) -> ChannelConfig:
    """Read the first configuration out of the genesis block's envelope; raises WireError."""
    payload = decode(common_pb2.Payload, decode(common_pb2.Envelope, raw, "envelope").payload, "payload")
    header = decode(common_pb2.ChannelHeader, payload.header.channel_header, "channel header")
    if header.type != common_pb2.CONFIG:
        raise WireError("the genesis block does not hold a channel configuration")
    return ChannelConfig(header.channel_id, parse_config(payload.data).config)
