"""Whether endorsements satisfy all that a transaction's writes ask for.

A key's own policy takes the place of its collection's, a collection's that of its chaincode's; where nothing is written
the chaincode's holds. Policies are those of the state before the block.

Source: core/common/validation/statebased/{v20,validator_keylevel,vpmanagerimpl}.go of Hyperledger Fabric 3.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from fabric_protos.common import policies_pb2

from audit.fabric.channel import ChannelConfig
from audit.fabric.envelope import Action
from audit.fabric.lifecycle import UndefinedError, collection_policy, policy_for
from audit.fabric.msp import Identity
from audit.fabric.policy import application_policy_holds, signature_policy_holds
from audit.fabric.state import Place, State
from audit.fabric.wire import WireError, decode


class EndorsementError(ValueError):
    """The endorsements do not satisfy a policy."""


@dataclass
class Unsettled:
    """Keys whose policies earlier transactions of the block change: whoever writes them is refused.

    A scenario. One transaction lets an organisation alone endorse a key, the next one of the same block writes the key.
    Peers validate a block's transactions side by side, so none of them knows which policy would be in force.
    """

    places: set[Place] = field(default_factory=set)

    def note(self, action: Action, ns: str) -> None:
        """Note the keys of a namespace whose policies an action changes whose endorsements suffice there.

        It counts even where the transaction turns out invalid later, by a read or in another namespace.
        """
        self.places |= {place for place, _ in action.marks if place[0] == ns}


def check_endorsements(
    state: State, config: ChannelConfig, action: Action, ns: str, endorsers: list[Identity], unsettled: Unsettled
) -> None:
    """Check the endorsements of what an action writes into one namespace.

    Raises:
        EndorsementError: they do not suffice, or a key's policy changed earlier in the block.
        UndefinedError: there is no such chaincode.
        WireError: its definition does not parse.
    """
    check = _Check(state, config, ns, endorsers, policy_for(state, config, ns))
    for place in _written(action, ns):
        if place in unsettled.places:
            raise EndorsementError(f"{ns}: the policy of {_shown(place)} changed earlier in the block")
        check.place(place)
    if not check.held:
        check.space("")
    unsettled.note(action, ns)


def _written(action: Action, ns: str) -> Iterator[Place]:
    """Yield the places of a namespace that an action writes, those of policies too."""
    for space, rwset in action.rwsets:
        if space == ns:
            yield from ((ns, "", write.key.encode()) for write in rwset.writes)
    for space, coll, hashed in action.hashed_rwsets:
        if space == ns:
            yield from ((ns, coll, write.key_hash) for write in hashed.hashed_writes)
    yield from (place for place, _ in action.marks if place[0] == ns)


@dataclass
class _Check:
    """The policies of one namespace that one transaction's endorsements were found to satisfy."""

    state: State
    config: ChannelConfig
    ns: str
    endorsers: list[Identity]
    chaincode_policy: bytes
    held: set[str | Place] = field(default_factory=set)
    """Collections, "" for the chaincode, and keys."""

    def place(self, place: Place) -> None:
        """Check the policy that guards a place."""
        own = self.state.policy(place)
        if not own:
            self.space(place[1])
            return
        try:
            envelope = decode(policies_pb2.SignaturePolicyEnvelope, own, "policy")
            held = signature_policy_holds(envelope, self.endorsers)
        except WireError as error:
            raise EndorsementError(f"{self.ns}: the policy of {_shown(place)}: {error}") from error
        self._require(f"{self.ns}, {_shown(place)}", held=held)
        self.held.add(place)

    def space(self, coll: str) -> None:
        """Check the policy of a collection, "" for the chaincode itself; each but once."""
        if coll in self.held:
            return
        try:
            policy = collection_policy(self.state, self.config, self.ns, coll) if coll else self.chaincode_policy
            held = application_policy_holds(self.config.policies, policy, self.endorsers)
        except (UndefinedError, WireError) as error:  # a policy that does not compile is one that nobody satisfies
            raise EndorsementError(f"{self.ns}: {error}") from error
        self._require(f"{self.ns}, {coll}" if coll else self.ns, held=held)
        self.held.add(coll)

    def _require(self, what: str, *, held: bool) -> None:
        if not held:
            who = ", ".join(sorted(e.msp_id for e in self.endorsers)) or "nobody"
            raise EndorsementError(f"{what}: the valid endorsements are by {who}")


def _shown(place: Place) -> str:
    """Return a key as words: its text, or the hex hash of a private one."""
    return f"hash {place[2].hex()}" if place[1] else f"key {place[2].decode(errors='backslashreplace')!r}"
