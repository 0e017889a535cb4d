"""How the cases of changes are made."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import base
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2
from people import YEAR, Authority, Msp, number_of, pem, serialized
from policy_cases import CERTIFICATES, ROOTS, Policy

from network.config_update import compute_update

Group: TypeAlias = configtx_pb2.ConfigGroup
Update: TypeAlias = configtx_pb2.ConfigUpdate
Edit = Callable[[Group], object]

BOSSES = ("A.boss", "B.boss")
ENDED = ROOTS["C"].issue("C.ended", ["admin"], lasts=YEAR / 2)
GONE = ROOTS["C"].issue("C.gone boss", ["admin"])


@dataclass(frozen=True)
class Case:
    """A change, who signed it, and the configuration that it is for."""

    name: str
    group: Group
    envelope: configtx_pb2.ConfigUpdateEnvelope

    @property
    def channel(self) -> str:
        """The channel's name, one of its own for each case."""
        return channel_of(self.name)

    @property
    def as_json(self) -> dict[str, Any]:
        """The case as it stands in the file."""
        return {
            "name": self.name,
            "channel": self.channel,
            "group": self.group.SerializeToString(deterministic=True).hex(),
            "update": self.envelope.config_update.hex(),
            "signed": [
                {"header": s.signature_header.hex(), "signature": s.signature.hex()} for s in self.envelope.signatures
            ],
        }


def signer(name: str, certificate: Any = None) -> base.Signer:
    """Return somebody of an organisation, by its own certificate or another one."""
    known = {f"K.{who}": each for who, each in base.CERTIFICATES.items()} | CERTIFICATES
    return serialized(name[0], pem(certificate or known[name])), base.makes(name)


def channel_of(name: str) -> str:
    """Return the name of a case's channel."""
    return "c" + hashlib.sha256(name.encode()).hexdigest()[:12]


def channel() -> Group:
    """Return the channel of the cases: C has revoked one of its admins."""
    root = base.channel_group()
    edit_msp(root, "C", lambda msp: msp.revocation_list.append(ROOTS["C"].list([number_of("C.gone boss")])))
    return root


def made(name: str, edit: Edit, *signers: str | base.Signer, raw: Callable[[Update], object] | None = None) -> Case:
    """Return the change from the channel to an edited copy of it; `raw` then changes the message itself."""
    before, after = channel(), channel()
    edit(after)
    update = Update(channel_id=channel_of(name))
    if before != after:
        update = compute_update(channel_of(name), before, after)
    if raw:
        raw(update)
    who = [signer(each) if isinstance(each, str) else each for each in signers]
    return Case(name, before, base.update_envelope(update.SerializeToString(deterministic=True), who))


def edit_msp(root: Group, name: str, edit: Callable[[Any], object], part: str = "Application") -> None:
    value = root.groups[part].groups[name].values["MSP"]
    outer = msp_config_pb2.MSPConfig.FromString(value.value)
    inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
    edit(inner)
    outer.config = inner.SerializeToString(deterministic=True)
    value.value = outer.SerializeToString(deterministic=True)


def with_msp(name: str, edit: Callable[[Any], object]) -> Edit:
    return lambda root: edit_msp(root, name, edit)


def joined(msp: Msp, name: str = "D") -> Edit:
    group = base.organisation(msp.name, msp.config, base.MEMBER)
    return lambda root: root.groups["Application"].groups[name].CopyFrom(group)


D = joined(Msp("D", [Authority("root of D").pem]))
OWN_LIST = with_msp("C", lambda msp: msp.revocation_list.append(ROOTS["C"].list([7])))


def anchor(host: str, name: str = "C") -> Edit:
    anchors = peer_pb2.AnchorPeers(anchor_peers=[peer_pb2.AnchorPeer(host=host, port=7051)])
    return lambda root: base.put(root.groups["Application"].groups[name], "AnchorPeers", anchors)


def application_policy(name: str, policy: Policy, mod_policy: str = "Admins") -> Edit:
    return lambda root: base.guard(root.groups["Application"], name, policy, mod_policy)
