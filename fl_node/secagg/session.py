"""What one attempt of one round is, and the digest that binds every key and share to it."""

from dataclasses import dataclass, field
from functools import cached_property

from fl_node.canonical import LABEL_SESSION, tagged_hash
from fl_node.secagg.layout import Layout

GROUP = 0
"""The only group there is in the mode secure_sum."""

SMALLEST = 3
"""With fewer survivors one of them would know another's update."""


def threshold(cohort: int) -> int:
    """Returns how many of a drawn cohort must reveal: ⌊2n/3⌋ + 1 (T3 and T8)."""
    return 2 * cohort // 3 + 1


@dataclass(frozen=True)
class Session:
    """One attempt of one round, as the ledger fixed it when it opened.

    Attributes:
        plan: SHA-256 of the plan file.
        base_state: SHA-256 of the state that is trained from.
        cohort: Ids of the drawn participants, in cohort order.
        threshold: Shares that rebuild a secret.
    """

    channel: str
    training: str
    round: int
    attempt: int
    plan: bytes
    base_state: bytes
    layout: Layout
    cohort: tuple[str, ...]
    threshold: int
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {name: place for place, name in enumerate(self.cohort)})

    @cached_property
    def digest(self) -> bytes:
        """The session digest S, 32 bytes."""
        context = (self.channel, self.training, self.round, self.attempt, GROUP)
        return tagged_hash(LABEL_SESSION, *context, self.plan, self.base_state, self.layout.digest)

    def place(self, participant: str) -> int:
        """Returns the cohort index, from 0."""
        return self._index[participant]

    def members(self, some: object) -> tuple[str, ...]:
        """Returns those of the cohort that a container holds, in cohort order."""
        return tuple(name for name in self.cohort if name in some)  # type: ignore[operator]
