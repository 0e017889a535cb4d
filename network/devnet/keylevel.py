"""Which policies endorsements must satisfy: the written keys' own, else the collection's, else the chaincode's.

Source: core/common/validation/statebased/{v20,validator_keylevel,vpmanagerimpl}.go.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from network.devnet import protos as p
from network.devnet.envelopes import MalformedError, parse
from network.devnet.msp import Identity
from network.devnet.policy import Policy, PolicyError, SignaturePolicy
from network.devnet.private_sets import VALIDATION_PARAMETER, split_hashes


class KeyPolicies(Protocol):
    """What the ledger says about keys and collections when a block arrives."""

    def key_policy(self, namespace: str, key: str) -> bytes:
        """Return a key's own policy, a serialized SignaturePolicyEnvelope; empty if it has none."""

    def collection_policy(self, chaincode: str, collection: str) -> Policy | None:
        """Return a collection's own policy, None: the chaincode's; PolicyError if there is no such collection."""


@dataclass
class Changed:
    """Keys whose policies this block's earlier transactions changed: nobody knows yet which policy is in force."""

    keys: set[tuple[str, str]] = field(default_factory=set)

    def note(self, spaces: Sequence[tuple[str, Any]]) -> None:
        """Note the keys whose metadata a transaction writes."""
        self.keys |= {(space, write.key) for space, kv_set in spaces for write in kv_set.metadata_writes}


def check_chaincode(
    spaces: Sequence[tuple[str, Any]],
    endorsers: Sequence[Identity],
    policy: Callable[[], Policy],
    known: KeyPolicies,
    changed: Changed,
) -> None:
    """Check the endorsements of all that a transaction writes of one chaincode.

    Args:
        spaces: its public namespace and those of hashes, each with the KVRWSet that is written.
        endorsers: whose signatures hold.
        policy: returns the chaincode's own.
        known: keys' and collections' own policies.
        changed: keys whose policy is not settled.

    Raises:
        PolicyError: they do not suffice, or a key's policy changed in this block.
    """
    checked: set[str] = set()
    by_key = False
    for space, key in _written(spaces):
        if (space, key) in changed.keys:
            raise PolicyError(f"validation parameters for key [{key}] in namespace [{space}] have been changed")
        own = known.key_policy(space, key)
        if own:
            key_policy(own).evaluate(endorsers)
            by_key = True
        else:
            _check_space(space, endorsers, policy, known, checked)
    if not checked and not by_key:
        policy().evaluate(endorsers)


def _check_space(
    space: str, endorsers: Sequence[Identity], policy: Callable[[], Policy], known: KeyPolicies, checked: set[str]
) -> None:
    """Check the policy of a collection or, where it has none, of the chaincode; each but once."""
    chaincode, collection = split_hashes(space)
    if collection in checked:
        return
    own = known.collection_policy(chaincode, collection) if collection else None
    if own is None and "" in checked:
        return
    (own or policy()).evaluate(endorsers)
    checked.add(collection if own else "")


def _written(spaces: Sequence[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield namespace and key of all that is written: values before metadata, public before private."""
    public = [(space, kv_set) for space, kv_set in spaces if not split_hashes(space)[1]]
    private = [(space, kv_set) for space, kv_set in spaces if split_hashes(space)[1]]
    for group in (public, private):
        for kind in ("writes", "metadata_writes"):
            for space, kv_set in group:
                for write in getattr(kv_set, kind):
                    yield space, write.key


def key_policy(raw: bytes) -> Policy:
    """Return a key's own policy; PolicyError if it cannot be read."""
    try:
        return SignaturePolicy(parse(p.policies.SignaturePolicyEnvelope, raw, "SignaturePolicyEnvelope"))
    except MalformedError as error:
        raise PolicyError(f"the policy of a key cannot be read: {error}") from None


def policy_among(entries: Sequence[Any]) -> bytes:
    """Return the policy among the metadata of a key; empty if there is none."""
    return next((bytes(entry.value) for entry in entries if entry.name == VALIDATION_PARAMETER), b"")
