"""Config updates: who may change what, and what the channel's configuration then is.

Source: common/configtx/{update,configmap,validator}.go. On top of Fabric's rules devnet refuses every change but these:
of an organisation's MSP (its revocation lists or authorities), of where its peers answer, of its orderers'
certificates, and of which organisations have peers, with the policies that name the members.
"""

import re
from dataclasses import dataclass
from typing import Any

from network.devnet import consenters
from network.devnet import protos as p
from network.devnet.channel import Channel
from network.devnet.consenters import gives_certificates
from network.devnet.envelopes import MalformedError, open_envelope, parse
from network.devnet.policy import Policy, SignedData, valid_identities
from network.devnet.validator import Verdict

NAME = re.compile(r"[a-zA-Z0-9.-]{1,249}")
ROOT = ("Channel",)
APPLICATION = (*ROOT, "Application")
ORDERER = (*ROOT, "Orderer")
CONSENTERS = frozenset(
    {
        ("Value", (*ORDERER, consenters.ORDERERS)),
        ("Value", (*ORDERER, consenters.CONSENSUS)),
        ("Policy", (*ORDERER, consenters.BLOCKS)),
    }
)
"""Where the configuration names the orderers' certificates."""


class ConfigUpdateError(Exception):
    """The update is not authorised, does not fit the present configuration, or changes what devnet keeps fixed."""


@dataclass(frozen=True, slots=True)
class Element:
    """A group, value or policy of a configuration."""

    kind: str
    path: tuple[str, ...]
    message: Any

    @property
    def label(self) -> str:
        """Return Fabric's name of the element, such as `[Value]  /Channel/Application/Org1/MSP`."""
        return f"[{self.kind}]".ljust(9) + "/" + "/".join(self.path)


Elements = dict[tuple[str, tuple[str, ...]], Element]


def elements(group: Any, path: tuple[str, ...] = ROOT) -> Elements:
    """Return every element of a configuration by kind and path."""
    found: Elements = {("Group", path): Element("Group", path, group)}
    for name, value in group.values.items():
        found["Value", (*path, name)] = Element("Value", (*path, name), value)
    for name, policy in group.policies.items():
        found["Policy", (*path, name)] = Element("Policy", (*path, name), policy)
    for name, sub_group in group.groups.items():
        found.update(elements(sub_group, (*path, name)))
    return found


def propose(channel: Channel, envelope: Any) -> Any:
    """Return the ConfigEnvelope that a CONFIG_UPDATE envelope leads to.

    Raises:
        ConfigUpdateError: it may not.
    """
    try:
        message = open_envelope(envelope)
        update_envelope = parse(p.configtx.ConfigUpdateEnvelope, message.data, "ConfigUpdateEnvelope")
        update = parse(p.configtx.ConfigUpdate, update_envelope.config_update, "ConfigUpdate")
        signatures = [_signed(s, update_envelope.config_update) for s in update_envelope.signatures]
    except MalformedError as error:
        raise ConfigUpdateError(f"error converting envelope to config update: {error}") from None
    if update.channel_id != channel.name:
        raise ConfigUpdateError(
            f"ConfigUpdate for channel '{update.channel_id}' but envelope for channel '{channel.name}'"
        )
    present = elements(channel.config.channel_group)
    delta = changed_elements(update, present)
    _authorise(delta, present, channel, signatures)
    _refuse_fixed(delta, present)
    group = _overlay(present, delta)
    config = p.configtx.Config(sequence=channel.config.sequence + 1, channel_group=group)
    try:
        _check_ids(channel, Channel.of(channel.name, config))
    except (ValueError, KeyError) as error:
        raise ConfigUpdateError(f"the resulting configuration is not valid: {error}") from None
    return p.configtx.ConfigEnvelope(config=config, last_update=envelope)


def _check_ids(before: Channel, after: Channel) -> None:
    """Refuse an organisation that takes another MSP id (common/channelconfig/bundle.go, ValidateNew)."""
    for place, msp_id in before.msp_ids.items():
        if after.msp_ids.get(place, msp_id) != msp_id:
            kind, name = place
            raise ValueError(f"{kind} org {name} attempted to change MSP ID from {msp_id} to {after.msp_ids[place]}")


def apply_config(envelope: Any, channel: Channel, verdict: Verdict) -> Verdict:
    """Return a config transaction's verdict: VALID if its last update leads exactly to its configuration."""
    if verdict.code != p.transaction.VALID:
        return verdict
    try:
        expected = propose(channel, envelope.last_update)
    except ConfigUpdateError as error:
        return Verdict(p.transaction.INVALID_CONFIG_TRANSACTION, verdict.txid, {}, reason=str(error))
    if expected.config != envelope.config:
        reason = "ConfigEnvelope LastUpdate did not produce the supplied config result"
        return Verdict(p.transaction.INVALID_CONFIG_TRANSACTION, verdict.txid, {}, reason=reason)
    return verdict


def _signed(signature: Any, update: bytes) -> SignedData:
    header = parse(p.common.SignatureHeader, signature.signature_header, "SignatureHeader")
    return SignedData(header.creator, signature.signature_header + update, signature.signature)


def changed_elements(update: Any, present: Elements) -> Elements:
    """Return what an update changes: what it writes at another version than it read. ConfigUpdateError if it is old."""
    read, written = elements(update.read_set), elements(update.write_set)
    for element in (*read.values(), *written.values()):
        if not all(map(_is_name, element.path)):
            raise ConfigUpdateError(f"illegal characters in key: {element.label}")
    for key, element in read.items():
        existing = present.get(key)
        if existing is None:
            raise ConfigUpdateError(
                f"existing config does not contain element for {element.label} but was in the read set"
            )
        if existing.message.version != element.message.version:
            raise ConfigUpdateError(
                f"proposed update requires that key {element.label} be at version {element.message.version}, "
                f"but it is currently at version {existing.message.version}"
            )
    return {
        key: element
        for key, element in written.items()
        if key not in read or read[key].message.version != element.message.version
    }


def _authorise(delta: Elements, present: Elements, channel: Channel, signatures: list[SignedData]) -> None:
    if not delta:
        raise ConfigUpdateError("delta set was empty -- update would have no effect")
    signers = valid_identities(signatures, channel.members)
    for key, element in delta.items():
        _check_guard(element)
        existing = present.get(key)
        version = element.message.version
        if existing is None:
            if version:
                raise ConfigUpdateError(
                    f"attempted to set key {element.label} to version {version}, but key does not exist"
                )
            continue
        if version != existing.message.version + 1:
            raise ConfigUpdateError(
                f"attempt to set key {element.label} to version {version}, "
                f"but key is at version {existing.message.version}"
            )
        if not policy_of(existing, channel)[1].satisfied(signers):
            raise ConfigUpdateError(f"policy for {element.label} not satisfied")


def _check_guard(element: Element) -> None:
    """Refuse a modification policy that is none; whether there is one of that name is not asked, as in Fabric."""
    path = element.message.mod_policy
    if not path:
        raise ConfigUpdateError(f"invalid mod_policy for element {element.label}: mod_policy not set")
    if not all(map(_is_name, path.removeprefix("/").split("/"))):
        raise ConfigUpdateError(f"invalid mod_policy for element {element.label}: {path!r} contains illegal characters")


def _is_name(text: str) -> bool:
    """Say whether a group, value or policy may be called so (common/configtx/validator.go, validateConfigID)."""
    return bool(NAME.fullmatch(text)) and text not in {".", ".."}


def policy_of(element: Element, channel: Channel) -> tuple[str, Policy]:
    """Return the path of the policy that guards an element, and the policy."""
    path = element.message.mod_policy
    if not path.startswith("/"):
        group = element.path if element.kind == "Group" else element.path[:-1]
        path = "/" + "/".join((*group, path))
    return path, channel.policies.policy(path)


def _refuse_fixed(delta: Elements, present: Elements) -> None:
    members = _groups(present)
    new, gone = _groups(delta) - members, _dropped(delta, present)
    certificates = _of_certificates(delta, present)
    for key, element in delta.items():
        fits = key in certificates or _changeable(element, key in present, new, joins_or_leaves=bool(new or gone))
        if not fits:
            raise ConfigUpdateError(
                f"devnet does not change {element.label}: it takes changes of an organisation's MSP, of where its "
                "peers answer, of its orderers' certificates, and the addition and removal of an organisation; use a "
                "Fabric network for others"
            )
    if fixed := [label for label, path in gone if path not in members]:
        raise ConfigUpdateError(f"devnet does not remove elements: {', '.join(fixed)}")


def _of_certificates(delta: Elements, present: Elements) -> frozenset[tuple[str, tuple[str, ...]]]:
    """Return what is changed to give the orderers other certificates; nothing where more than that changes there."""
    changed = frozenset(key for key in delta.keys() & CONSENTERS if key in present)
    after = p.configtx.ConfigGroup()
    after.CopyFrom(present["Group", ORDERER].message)
    for kind, path in changed:
        (after.values if kind == "Value" else after.policies)[path[-1]].CopyFrom(delta[kind, path].message)
    fits = changed and gives_certificates(present["Group", ORDERER].message, after)
    return changed if fits else frozenset()


def _groups(found: Elements) -> set[tuple[str, ...]]:
    """Return the paths of organisations with peers."""
    return {path for kind, path in found if kind == "Group" and path[:-1] == APPLICATION}


def _dropped(delta: Elements, present: Elements) -> set[tuple[str, tuple[str, ...]]]:
    """Return label and path of whatever a changed group does not list any more."""
    return {
        (f"{element.label}: {name}", (*key[1], name))
        for key, element in delta.items()
        if key[0] == "Group" and key in present
        for part in ("groups", "values", "policies")
        for name in getattr(present[key].message, part)
        if name not in getattr(element.message, part)
    }


def _changeable(element: Element, exists: bool, new: set[tuple[str, ...]], *, joins_or_leaves: bool) -> bool:
    path = element.path
    if path[:2] != APPLICATION:
        return exists and element.kind == "Value" and path[:2] == ORDERER and path[3:] == ("MSP",)
    if path[:3] in new:
        return True
    if not exists:
        return False
    if element.kind == "Value":
        return path[3:] in {("MSP",), ("AnchorPeers",)}
    return joins_or_leaves and len(path) <= 3 and (element.kind == "Policy" or path == APPLICATION)  # noqa: PLR2004


def _overlay(present: Elements, delta: Elements) -> Any:
    """Return the configuration with the changed elements in it."""
    merged = present | delta

    def build(path: tuple[str, ...]) -> Any:
        source = merged["Group", path].message
        group = p.configtx.ConfigGroup(version=source.version, mod_policy=source.mod_policy)
        for name in source.groups:
            group.groups[name].CopyFrom(build((*path, name)))
        for kind, target, names in (
            ("Value", group.values, source.values),
            ("Policy", group.policies, source.policies),
        ):
            for name in names:
                target[name].CopyFrom(merged[kind, (*path, name)].message)
        return group

    return build(ROOT)
