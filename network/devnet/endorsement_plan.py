"""Which organisations to ask for endorsements: the smallest sets that satisfy a policy."""

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from network.devnet.msp import Identity
from network.devnet.policy import Policy


@dataclass(frozen=True, slots=True)
class _AnyPeer:
    """Stands for whichever peer of an organisation will endorse."""

    msp_id: str
    role: str = "peer"
    serialized: bytes = b""


def layouts(policy: Policy, organisations: Iterable[str]) -> list[frozenset[str]]:
    """Return the smallest sets of organisations whose peers together satisfy a policy; empty if none do."""
    names = sorted(organisations)
    for size in range(1, len(names) + 1):
        found = [
            frozenset(chosen)
            for chosen in itertools.combinations(names, size)
            if policy.satisfied(cast("Sequence[Identity]", [_AnyPeer(name) for name in chosen]))
        ]
        if found:
            return found
    return []


@dataclass
class Plan:
    """Collects endorsements until one layout is complete; what fails takes every layout that needs it along."""

    layouts: list[frozenset[str]]
    endorsements: dict[str, Any] = field(default_factory=dict)
    payload: bytes | None = None
    errors: list[Any] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)

    def accept(self, organisation: str, response: Any) -> bool:
        """Note an endorsement; False if its payload differs from the first one's."""
        if self.payload is None:
            self.payload = response.payload
        if response.payload != self.payload:
            self.failed.add(organisation)
            return False
        self.endorsements[organisation] = response.endorsement
        return True

    def complete(self) -> list[Any] | None:
        """Return the endorsements of a complete layout; None if there is none yet."""
        for layout in self.layouts:
            if layout <= self.endorsements.keys():
                return [self.endorsements[name] for name in sorted(layout)]
        return None

    def next(self) -> list[str]:
        """Return whom to ask next: what is missing of a layout that can still be completed; empty if none can."""
        possible = [layout for layout in self.layouts if not layout & self.failed]
        if not possible:
            return []
        asked = self.endorsements.keys()
        fewest = min(len(layout - asked) for layout in possible)
        chosen = random.choice([layout for layout in possible if len(layout - asked) == fewest])  # noqa: S311 - spreads load
        return sorted(chosen - asked)
