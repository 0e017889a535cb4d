"""What the monitor looks at: figures of each attempt, without where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Group:
    """One group's mean update, beside the others of its round.

    Attributes:
        place: The group's number in its epoch, from 0.
        members: Its survivors.
        norm: The length of its mean update, in parts of the median length over all groups.
        distance: How far it lies from the median over all groups, slot by slot, in parts of the median of that.
        cosine: Of its angle to that median, -1 … 1.
        loss: Its training loss per row, in parts of the median of all groups'; None where the plan's sums hold none.
    """

    place: int
    members: tuple[str, ...]
    norm: float
    distance: float
    cosine: float
    loss: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One attempt that froze its survivors.

    Attributes:
        where: Training, round and attempt: "diagnosis/3/1".
        epoch: Whose groups it has.
        cohort: Who was drawn.
        late: Who of the cohort committed no update.
        declared: The rows that each declared.
        groups: Of a Final in groups, where the groups' sums are at hand.
        shown: Each group is one participant's update, which members see (mode plain); its number means nothing.
        length: The length of the whole's mean update, in any unit that stays the same; None where it is not at hand.
        turn: The cosine to the whole's mean update of the round before; None where one of both is not at hand.
        loss: The training loss that was published; None where there is none.
    """

    where: str
    epoch: int
    cohort: tuple[str, ...]
    late: tuple[str, ...] = ()
    declared: Mapping[str, int] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    shown: bool = False
    length: float | None = None
    turn: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class Flag:
    """Something that looks unlike the rest. It says where to look, and proves nothing.

    Attributes:
        kind: Which rule: late, inconsistent, outlying, norm, opposed, loss, drift, repeated.
        about: The participants, all members of a group where no more can be told apart; empty: the whole training.
        evidence: The attempts, each with the figure that was unlike the rest.
        text: For people.
        vote: What the members might vote about it, as a command; empty where no vote helps. Nothing is done by itself.
    """

    kind: str
    about: tuple[str, ...]
    evidence: Mapping[str, float]
    text: str
    vote: str = ""
