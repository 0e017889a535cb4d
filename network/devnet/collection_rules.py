"""Collections of private data: who holds one, who may read and write it, who must endorse, how long it lives.

Sources: core/common/privdata/{store,simplecollection}.go, core/chaincode/lifecycle/deployedcc_infoprovider.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from network.devnet import lifecycle
from network.devnet import protos as p
from network.devnet.channel import ENDORSEMENT, Channel
from network.devnet.envelopes import parse
from network.devnet.policy import Policy, SignaturePolicy, role_principal, signature_envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from network.devnet.msp import Identity
    from network.devnet.snapshot import Snapshot

IMPLICIT = "_implicit_org_"


@dataclass(frozen=True, slots=True)
class AnyPeer:
    """Stands for whichever peer of an organisation will endorse or hold data."""

    msp_id: str
    roles: frozenset[str] = frozenset({"peer"})
    units: frozenset[tuple[str, bytes]] = frozenset()
    invalid: str = ""

    @property
    def key(self) -> tuple[str, bytes]:
        """Return what no certificate has."""
        return self.msp_id, b""


def any_peer(msp_id: str) -> Identity:
    """Return an identity that stands for any peer of an organisation."""
    return cast("Identity", AnyPeer(msp_id))


@dataclass(frozen=True)
class Collection:
    """One collection of a chaincode; `config` is its StaticCollectionConfig."""

    config: Any
    members: Policy

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.config.name)

    def admits(self, identity: Identity) -> bool:
        """Say whether an identity is a member's."""
        return self.members.satisfied([identity])

    def holders(self, msp_ids: Iterable[str]) -> list[str]:
        """Return those of the organisations whose peers hold the collection."""
        return [msp_id for msp_id in msp_ids if self.admits(any_peer(msp_id))]

    def may_read(self, creator: Identity) -> bool:
        """Say whether a transaction's creator may read."""
        return not self.config.member_only_read or self.admits(creator)

    def may_write(self, creator: Identity) -> bool:
        """Say whether a transaction's creator may write."""
        return not self.config.member_only_write or self.admits(creator)

    def expires(self, number: int) -> int | None:
        """Return the block at which what a block wrote is gone; None: never."""
        return number + self.config.block_to_live + 1 if self.config.block_to_live else None

    def endorsement(self, channel: Channel) -> Policy | None:
        """Return the collection's own endorsement policy; None: the chaincode's holds."""
        implicit = implicit_organisation(self.name)
        if implicit:
            return channel.policies.policy(f"/Channel/Application/{implicit}/Endorsement")
        if not self.config.HasField("endorsement_policy"):
            return None
        return application_policy(self.config.endorsement_policy, channel)


def application_policy(policy: Any, channel: Channel) -> Policy:
    """Return what an ApplicationPolicy says: a signature policy, or one of the channel's."""
    if policy.WhichOneof("Type") == "signature_policy":
        return SignaturePolicy(policy.signature_policy)
    return channel.policies.policy(policy.channel_config_policy_reference or ENDORSEMENT)


def implicit_organisation(name: str) -> str:
    """Return the MSP id of whom an implicit collection is for; "" of any other collection."""
    return name.removeprefix(IMPLICIT) if name.startswith(IMPLICIT) else ""


def find(state: Snapshot, channel: Channel, chaincode: str, name: str) -> Collection | None:
    """Return a collection of a chaincode in a state; None if there is none."""
    implicit = implicit_organisation(name)
    if implicit:
        defined = chaincode == lifecycle.NAMESPACE or lifecycle.validation_parameter(state, chaincode) is not None
        members = channel.config.channel_group.groups["Application"].groups
        return _implicit(implicit) if defined and implicit in members else None
    return next((found for found in _explicit(lifecycle.collections(state, chaincode)) if found.name == name), None)


@lru_cache(maxsize=64)
def _implicit(msp_id: str) -> Collection:
    config = p.collection.StaticCollectionConfig(name=f"{IMPLICIT}{msp_id}")
    config.member_orgs_policy.signature_policy.CopyFrom(signature_envelope(1, [role_principal(msp_id, "member")]))
    return _collection(config)


@lru_cache(maxsize=16)
def _explicit(raw: bytes) -> Sequence[Collection]:
    package = parse(p.collection.CollectionConfigPackage, raw, "CollectionConfigPackage")
    return [_collection(entry.static_collection_config) for entry in package.config]


def _collection(config: Any) -> Collection:
    return Collection(config, SignaturePolicy(config.member_orgs_policy.signature_policy))
