"""What the demonstration was asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from fl_node import codes
from fl_node.demo.attacks import ATTACKS
from fl_node.errors import NodeError
from fl_node.examples.catalogue import EXAMPLES, Example, source_of

PHASES: Final = ("keys", "shares", "updates", "unmask")
LEAST: Final = 4
MOST: Final = 8
"""For how many participants the examples' sums have room."""
MODES: Final = ("secure_sum", "robust_groups")
IN_GROUPS: Final = 9
"""The fewest participants of robust groups: three groups of three, one of which may be spoilt."""
MOST_IN_GROUPS: Final = 20
"""For how many the sums of the example for robust groups have room."""
WITH_ROOM: Final = 12
"""As many make three groups of four, each of which may lose a member."""


@dataclass(frozen=True)
class Drop:
    """Which node is killed at the beginning of which phase."""

    node: str
    phase: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read NODE@PHASE.

        Raises:
            NodeError: FL4001.
        """
        node, at, phase = text.partition("@")
        if not (node and at and phase in PHASES):
            hint = f"Such as hospital-d@updates; phases are {', '.join(PHASES)}."
            raise NodeError(codes.INPUT_UNUSABLE, f"{text!r} is not NODE@PHASE", hint=hint)
        return cls(node, phase)


@dataclass(frozen=True)
class Options:
    """Settings of one demonstration; see `fedledger demo --help`."""

    run: Path
    rounds: int = 5
    example: str = "tumour"
    framework: str = "tff"
    plan: Path | None = None
    data: Path | None = None
    drops: tuple[Drop, ...] = (Drop("hospital-d", "updates"),)
    participants: int = LEAST
    keep: bool = False
    fabric: bool = False
    base_port: int = 17000
    audit: bool = True
    epsilon: float | None = None
    mode: str = MODES[0]
    attack: str = ""

    def __post_init__(self) -> None:
        self._check_poisoning()
        if self.example not in EXAMPLES or self.framework not in EXAMPLES[self.example].frameworks:
            known = ", ".join(f"{name} with {' or '.join(each.frameworks)}" for name, each in EXAMPLES.items())
            text = f"there is no example {self.example} with {self.framework}"
            raise NodeError(codes.INPUT_UNUSABLE, text, hint=f"There are {known}.")
        if self.epsilon is not None and (self.framework, self.example) != ("jax", "tumour"):
            hint = "Add --framework jax; the example is tumour."
            raise NodeError(codes.INPUT_UNUSABLE, "the example with privacy runs on jax", hint=hint)
        unknown = [drop.node for drop in self.drops if drop.node not in self.names]
        if unknown:
            raise NodeError(
                codes.INPUT_UNUSABLE, f"there is no {', '.join(unknown)}", hint=f"There are {', '.join(self.names)}."
            )

    def _check_poisoning(self) -> None:
        """Refuse a mode or an attack that is unknown, or for which there is no example or there are too few."""
        for given, known in ((self.mode, MODES), (self.attack or ATTACKS[0], ATTACKS)):
            if given not in known:
                hint = f"There are {', '.join(known)}."
                raise NodeError(codes.INPUT_UNUSABLE, f"the demonstration has no {given}", hint=hint)
        in_groups = self.mode == "robust_groups"
        asked = (self.framework, self.example, self.plan, self.data, self.epsilon)
        if (self.attack or in_groups) and asked != ("jax", "tumour", None, None, None):
            hint = "Leave --plan, --data-dir and --epsilon away, and take --framework jax."
            raise NodeError(codes.INPUT_UNUSABLE, "modes and attacks are shown with tumour on jax", hint=hint)
        least, most = (IN_GROUPS, MOST_IN_GROUPS) if in_groups else (LEAST, MOST)
        if not least <= self.participants <= most:
            text = f"{self.participants} participants"
            raise NodeError(codes.INPUT_UNUSABLE, text, hint=f"{self.mode} is shown with {least} to {most}.")

    @property
    def attacker(self) -> str:
        """Return who is faulty; empty where nobody is."""
        return self.names[2] if self.attack else ""

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of the mode that the members vote for; empty where no mode is voted."""
        if self.mode == MODES[0]:
            return {}
        size = 4 if self.participants >= WITH_ROOM else 3
        return {"size": size, "faulty": (self.participants // size - 1) // 2, "rule": "trimmed_mean"}

    @property
    def source(self) -> str:
        """Return the name of the example's source, without its ending."""
        if self.attack or self.settings:
            return "tumour_groups"
        if self.epsilon is not None:
            return f"{self.example}_private"
        return source_of(self.example, self.framework)

    @property
    def shown(self) -> Example:
        """Return what is known of the example."""
        return EXAMPLES[self.example]

    @property
    def building(self) -> tuple[str, ...]:
        """Return the options with which the example is built."""
        asked = () if self.epsilon is None else ("--epsilon", f"{self.epsilon!r}", "--rounds", f"{self.rounds}")
        return ("--framework", self.framework, *asked)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the participants' names."""
        return tuple(f"{self.shown.who}-{chr(ord('a') + number)}" for number in range(self.participants))

    @property
    def drop_round(self) -> int:
        """Return the round in which nodes are killed."""
        return min(3, self.rounds)

    @property
    def fraud_round(self) -> int:
        """Return the first round in which a fraud is tried: before nodes are killed, where there are rounds enough."""
        return max(1, self.drop_round - 1)
