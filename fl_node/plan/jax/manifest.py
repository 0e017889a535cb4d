"""The manifest of a plan on JAX."""

from typing import ClassVar, Final, Literal

from fl_node.plan.arithmetic.manifest import AveragingManifest

FROZEN: Final = "frozen.state"
"""The entry of weights that stay as they are for ever."""


class JaxManifest(AveragingManifest):
    """What such a plan is.

    Attributes:
        frozen: Whether the model has weights that nothing trains. They are in the plan file, in no state and in no sum.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"frozen"})
    programs: ClassVar[tuple[str, ...]] = ("work.stablehlo", "evaluate.stablehlo")

    framework: Literal["jax"] = "jax"
    frozen: bool = False

    @property
    def entries(self) -> tuple[str, ...]:
        """The programs, and the frozen weights where there are any."""
        return (*self.programs, FROZEN) if self.frozen else self.programs
