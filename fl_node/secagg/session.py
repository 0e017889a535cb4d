"""What one attempt of one round is, and the digest that binds every key and share to it."""

from dataclasses import dataclass, field
from functools import cached_property

from fl_node.canonical import LABEL_GROUPS, LABEL_SESSION, prefixed, tagged_hash
from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.interface import Mode
from fl_node.secagg.modes.secure_sum import SecureSum

GROUP = 0
"""Numbers the session of an attempt: the groups of a cohort, where there are some, have one in common."""

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
        groups: The groups that masks are shared within. Invariant: a partition of the cohort, or empty where the cohort
            has one sum.
        mode: How the groups' sums become the aggregate.
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
    groups: tuple[tuple[str, ...], ...] = ()
    mode: Mode = field(default_factory=SecureSum)
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {name: place for place, name in enumerate(self.cohort)})

    @cached_property
    def digest(self) -> bytes:
        """The session digest S, 32 bytes."""
        context = (self.channel, self.training, self.round, self.attempt, GROUP)
        bound = (self.plan, self.base_state, self.layout.digest)
        return tagged_hash(LABEL_SESSION, *context, *bound, *self._groups_digest)

    @property
    def _groups_digest(self) -> tuple[bytes, ...]:
        lists = [b"".join(prefixed(name.encode()) for name in group) for group in self.groups]
        return (tagged_hash(LABEL_GROUPS, *lists),) if lists else ()

    @property
    def split(self) -> tuple[tuple[str, ...], ...]:
        """The groups, or the whole cohort as the only one."""
        return self.groups or (self.cohort,)

    def partners(self, participant: str) -> tuple[str, ...]:
        """Returns the members of a participant's group, itself among them: they share its masks."""
        return next(group for group in self.split if participant in group)

    def place(self, participant: str) -> int:
        """Returns the cohort index, from 0."""
        return self._index[participant]

    def members(self, some: object) -> tuple[str, ...]:
        """Returns those of the cohort that a container holds, in cohort order."""
        return tuple(name for name in self.cohort if name in some)  # type: ignore[operator]
