"""The examples: whose rows they are, which frameworks train them, what their models are compared by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ROUNDS: Final = 5
ACCURACY: Final = "accuracy"
LOSS: Final = "loss"


@dataclass(frozen=True)
class Example:
    """One example.

    Attributes:
        who: What a participant is.
        frameworks: What runs it, by the word of the command line; the first where none is asked for.
        metric: What models are compared by, as plans name it: an accuracy, or a loss, of which less is better.
        titles: What that is called for people, by framework, where it is not the metric's name.
        rounds: How many rounds a demonstration trains, by framework, where it is not `ROUNDS`.
    """

    who: str
    frameworks: tuple[str, ...]
    metric: str
    titles: Mapping[str, str] = field(default_factory=dict)
    rounds: Mapping[str, int] = field(default_factory=dict)

    def title(self, framework: str) -> str:
        """What models are compared by, for people."""
        return self.titles.get(framework, self.metric)

    def rounds_of(self, framework: str) -> int:
        """How many rounds a demonstration trains where nobody says."""
        return self.rounds.get(framework, ROUNDS)


EXAMPLES: Final[Mapping[str, Example]] = {
    "tumour": Example("hospital", ("tff", "jax", "torch"), ACCURACY),
    "digits": Example("hospital", ("tff", "jax", "torch"), ACCURACY),
    "claims": Example(
        "insurer", ("jax", "kinds"), LOSS, {"jax": "Poisson deviance", "kinds": "Poisson loss"}, {"kinds": 6}
    ),
    "credit": Example("bank", ("jax", "kinds"), LOSS, {"jax": "log loss", "kinds": "log loss"}, {"kinds": 16}),
    "demand": Example("retailer", ("jax",), LOSS, {"jax": "quantile loss"}),
}
"""By name. Regression takes some six rounds; sixteen find the trees' edges, and the first four of the trees."""


def source_of(example: str, framework: str) -> str:
    """Returns the name of a plan's source in this folder, without its ending."""
    return example if framework == "tff" else f"{example}_{framework}"
