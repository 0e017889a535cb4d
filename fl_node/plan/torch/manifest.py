"""The manifest of a plan on PyTorch."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from fl_node.data.schema import Decimal, Model
from fl_node.plan.arithmetic.manifest import AveragingManifest


class Optimiser(Model):
    """What a participant trains with, afresh in every round: `torch.optim.SGD`, `Adam` or `AdamW`.

    Attributes:
        kind: Which.
        rate: The learning rate.
        momentum: Of `sgd`; β₁ of the others.
        second: β₂ of `adam` and `adamw`.
        floor: ε of `adam` and `adamw`.
        decay: Weight decay.
    """

    kind: Literal["sgd", "adam", "adamw"]
    rate: Decimal
    momentum: Decimal = "0"
    second: Decimal = "0.999"
    floor: Decimal = "0.00000001"
    decay: Decimal = "0"

    @property
    def plain(self) -> bool:
        """Whether a step is the gradient times the rate."""
        return self.kind == "sgd" and not float(self.momentum)

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not (float(self.rate) > 0 and float(self.floor) > 0 and float(self.decay) >= 0):
            raise ValueError("rate and floor are above zero, decay is not below")
        if not (0 <= float(self.momentum) < 1 and 0 <= float(self.second) < 1):
            raise ValueError("momentum and second lie in 0 … below 1")
        return self


class TorchManifest(AveragingManifest):
    """What such a plan is.

    Attributes:
        loss: The loss that the program holds, by its name; for people to read.
        optimiser: What a participant trains with.
        device: Where: on the CPU, or on a GPU, which each organisation's own policy allows or not.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"device"})
    programs: ClassVar[tuple[str, ...]] = ("train.aten", "evaluate.aten", "constants.state")

    framework: Literal["torch"] = "torch"
    loss: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.<>]{1,80}$")]
    optimiser: Optimiser
    device: Literal["cpu", "gpu"] = "cpu"

    @model_validator(mode="after")
    def _as_the_optimiser_is(self) -> Self:
        if self.averaging.by_record:
            raise ValueError("single rows are not protected here: no program clips them")
        scaffold = self.averaging.scaffold
        if scaffold and not (self.optimiser.plain and self.optimiser.rate == scaffold.rate):
            raise ValueError("scaffold's rate is not that of a plain gradient descent")
        return self
