"""What a transaction touches, as the endorsement planner needs to know it, and the policies that follow.

Sources: core/endorser/endorser.go (buildChaincodeInterest), discovery/endorsement/{endorsement,collection}.go,
discovery/support/chaincode/support.go, internal/pkg/gateway/endorse.go.
"""

from collections.abc import Collection as Names
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from network.devnet import lifecycle
from network.devnet import protos as p
from network.devnet.channel import Channel
from network.devnet.collection_rules import any_peer, application_policy, find
from network.devnet.endorsement_plan import Endorsers
from network.devnet.envelopes import MalformedError, parse
from network.devnet.policy import Policy, SignaturePolicy
from network.devnet.private_sets import VALIDATION_PARAMETER, hashes_of
from network.devnet.simulator import Simulation
from network.devnet.snapshot import Snapshot
from network.devnet.system_chaincodes import SYSTEM


class NoPlanError(Exception):
    """No endorsements can be planned for; the message is Fabric's."""


@dataclass
class _Touched:
    """Of one chaincode: policies of written keys, and by collection ("": public) whether its own is asked for."""

    key_policies: list[Any] = field(default_factory=list)
    required: dict[str, bool] = field(default_factory=dict)


def interest_of(simulation: Simulation) -> Any:
    """Return the ChaincodeInterest of a simulation."""
    touched: dict[str, _Touched] = {}
    for chaincode, collection, keys in simulation.written():
        if keys:
            here = touched.setdefault(chaincode, _Touched(required={"": False}))
            _note(here, simulation.snapshot, chaincode, collection, keys)
    for chaincode in simulation.chaincodes():
        touched.setdefault(chaincode, _Touched(required={"": True}))
    for chaincode, collection in simulation.private_reads:
        touched[chaincode].required[collection] = True
    interest = p.proposal_response.ChaincodeInterest()
    for chaincode in sorted(touched.keys() - SYSTEM):
        for collection in sorted(touched[chaincode].required):
            _add_call(interest, chaincode, collection, touched[chaincode], simulation)
    return interest


def _note(touched: _Touched, state: Snapshot, chaincode: str, collection: str, keys: Iterable[str]) -> None:
    space = hashes_of(chaincode, collection) if collection else chaincode
    for key in keys:
        policy = state.metadata(space, key).get(VALIDATION_PARAMETER)
        if policy:
            touched.key_policies.append(p.policies.SignaturePolicyEnvelope.FromString(policy))
        else:
            touched.required[collection] = True


def _add_call(interest: Any, chaincode: str, collection: str, touched: _Touched, simulation: Simulation) -> None:
    if collection:
        unread = (chaincode, collection) not in simulation.private_reads
        interest.chaincodes.add(name=chaincode, collection_names=[collection], no_private_reads=unread)
    elif touched.key_policies:
        alone = not touched.required[""]
        interest.chaincodes.add(name=chaincode, key_policies=touched.key_policies, disregard_namespace_policy=alone)
    elif touched.required[""]:
        interest.chaincodes.add(name=chaincode)


class AllOf(Policy):
    """Several policies, each of which must be satisfied."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._policies = tuple(policies)

    def evaluate(self, identities: Any) -> None:
        """Raise PolicyError unless the identities satisfy each policy."""
        for policy in self._policies:
            policy.evaluate(identities)

    def counts(self, identity: Any) -> bool:
        """Say whether the identity counts for one of the policies."""
        return any(policy.counts(identity) for policy in self._policies)


def endorsers_for(interest: Any, state: Snapshot, channel: Channel, organisations: Names[str]) -> Endorsers:
    """Return whom to ask for what a transaction touches.

    Args:
        interest: a ChaincodeInterest.
        state: where definitions are.
        channel: its policies.
        organisations: MSP ids of those with peers.

    Raises:
        NoPlanError: it touches what is not defined.
    """
    policies: list[Policy] = []
    allowed = set(organisations)
    for call in interest.chaincodes:
        policies += _policies_of(call, state, channel)
        if not call.no_private_reads:
            allowed &= _holders(call, state, channel, organisations)
    return Endorsers.of(AllOf(policies), allowed)


def _policies_of(call: Any, state: Snapshot, channel: Channel) -> list[Policy]:
    parameter = lifecycle.validation_parameter(state, call.name)
    if parameter is None:
        raise NoPlanError(f"No metadata was found for chaincode {call.name} in channel {channel.name}")
    own = application_policy(parse(p.policies.ApplicationPolicy, parameter, "ApplicationPolicy"), channel)
    found = [] if call.disregard_namespace_policy or call.collection_names else [own]
    for name in call.collection_names:
        collection = find(state, channel, call.name, name)
        found.append(own if collection is None else collection.endorsement(channel) or own)
    try:
        return found + [SignaturePolicy(policy) for policy in call.key_policies]
    except MalformedError as error:
        raise NoPlanError(f"state based endorsement policy cannot be satisfied: {error}") from None


def _holders(call: Any, state: Snapshot, channel: Channel, organisations: Names[str]) -> set[str]:
    """Return those who hold all collections of a call."""
    collections = [find(state, channel, call.name, name) for name in call.collection_names]
    known = [collection for collection in collections if collection is not None]
    return {name for name in organisations if all(collection.admits(any_peer(name)) for collection in known)}


def protected(interest: Any) -> tuple[Any, list[str]]:
    """Return the interest under which transient data reaches holders of its collections only, and these collections."""
    careful = type(interest)()
    careful.CopyFrom(interest)
    names: list[str] = []
    for call in careful.chaincodes:
        if call.no_private_reads:
            call.no_private_reads = False
            names += call.collection_names
    return careful, names
