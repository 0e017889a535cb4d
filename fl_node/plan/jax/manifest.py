"""The manifest of a plan on JAX."""

from typing import ClassVar, Literal

from fl_node.plan.arithmetic.manifest import AveragingManifest


class JaxManifest(AveragingManifest):
    """What such a plan is."""

    entries: ClassVar[tuple[str, ...]] = ("work.stablehlo", "evaluate.stablehlo")

    framework: Literal["jax"] = "jax"
