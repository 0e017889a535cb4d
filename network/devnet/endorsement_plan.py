"""Which organisations to ask for endorsements: sets that satisfy a policy and from which nobody can be left out.

A set is found by leaving out, one by one, the organisations without which the policy still holds: one evaluation of the
policy for each organisation. Listing the sets instead would take C(n, n/2) evaluations.
"""

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from network.devnet.collection_rules import any_peer
from network.devnet.policy import Policy

Enough = Callable[[Collection[str]], bool]
"""Whether the endorsements of these organisations, by MSP id, suffice."""


@dataclass(frozen=True)
class Endorsers:
    """The organisations whose peers an endorsement policy counts, and whether some of them suffice."""

    policy: Policy
    organisations: frozenset[str]

    @classmethod
    def of(cls, policy: Policy, organisations: Iterable[str]) -> "Endorsers":
        """Return those of the organisations, by MSP id, whose peers the policy counts."""
        return cls(policy, frozenset(name for name in organisations if policy.counts(any_peer(name))))

    def enough(self, names: Collection[str]) -> bool:
        """Say whether peers of these organisations, one each, satisfy the policy."""
        return self.policy.satisfied([any_peer(name) for name in sorted(names)])


@dataclass
class Plan:
    """Collects endorsements until they suffice; an organisation of which every peer failed is not asked again.

    Attributes:
        enough: says when endorsements suffice; more of them never make it false.
        candidates: MSP ids of the organisations that may be asked.
        endorsements: by MSP id; invariant: all over the same payload.
        failed: all their peers refused or gave another payload; invariant: none of them is in `endorsements`.
    """

    enough: Enough
    candidates: frozenset[str]
    endorsements: dict[str, Any] = field(default_factory=dict)
    payload: bytes | None = None
    errors: list[Any] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    @classmethod
    def of_all(cls, organisations: Iterable[str]) -> "Plan":
        """Return the plan in which each of the organisations must endorse."""
        wanted = frozenset(organisations)
        return cls(wanted.issubset, wanted)

    def accept(self, organisation: str, response: Any) -> bool:
        """Note an endorsement; False if its payload differs from the first one's."""
        if self.payload is None:
            self.payload = response.payload
        if response.payload != self.payload:
            return False
        self.endorsements[organisation] = response.endorsement
        return True

    def possible(self) -> bool:
        """Say whether the organisations that have not failed would suffice."""
        return self.enough(self.candidates - self.failed)

    def complete(self) -> list[Any] | None:
        """Return endorsements that suffice and of which none can be left out; None while there are too few."""
        if not self.enough(self.endorsements.keys()):
            return None
        kept = _indispensable(self.enough, frozenset(), sorted(self.endorsements, reverse=True))
        return [self.endorsements[name] for name in sorted(kept)]

    def next(self) -> list[str]:
        """Return whom to ask next, chosen at random so that the load spreads; empty if nobody can help any more."""
        if not self.possible():
            return []
        others = list(self.candidates - self.failed - self.endorsements.keys())
        random.shuffle(others)
        return sorted(_indispensable(self.enough, frozenset(self.endorsements), others))


def _indispensable(enough: Enough, given: frozenset[str], others: Sequence[str]) -> frozenset[str]:
    """Return those of the others who suffice together with the given ones, after leaving out whom one can, in order."""
    kept = frozenset(others)
    for name in others:
        if enough(given | (kept - {name})):
            kept -= {name}
    return kept
