"""What a researcher's file returns, whatever framework trains: a model, and what the plan says of data and limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fl_node.data.schema import Schema
from fl_node.plan.arithmetic.averaging import Compression, Scaffold, Server
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.manifest import Batching, Quantisation

Measure = Callable[[Any, Any], Any]
"""From labels and outputs (JAX), or outputs and labels (PyTorch), each in its library's own order, to one number for
each row, [batch]."""


@dataclass(frozen=True)
class Training:
    """Everything about a plan.

    Attributes:
        name: Short name, [a-z0-9-].
        model: What is trained, with the weights to begin with, pretrained or not: a built Keras model or `Functions`
            for JAX, a `torch.nn.Module` for PyTorch.
        loss: A loss of the library, or a `Measure`. Its values may have any sign.
        optimiser: What a participant trains with; the functions of the framework's `training` module make them.
        schema: What a participant's rows look like. Without a label the features are the labels (autoencoders).
        batching: Rows a batch, passes a round, share of rows held out.
        quantisation: How updates are clipped and quantised.
        metrics: Name → `Measure`, beside the loss; their means over rows are published.
        server: What the server does with the mean update.
        cohort_max: The largest cohort; the slots must hold its sums.
        proximal: FedProx's μ, decimal text: how strongly a participant is held to the weights that it began with.
        moments_clip: Norm that the change of weights that are not trained (BatchNorm's moments) is clipped to.
        local_moments: Whether those stay with each participant instead, for its own rows (FedBN).
        scaffold: SCAFFOLD's control variates, for participants with unlike rows; `optimiser` is then plain gradient
            descent. Twice as many numbers are masked.
        compression: Which share of the trained numbers travels in a round: a public set, another in each round.
        gpu: Whether it is to train on a GPU; PyTorch alone. Members whose policy allows none, or who have none, cannot
            train such a plan.
        privacy: Differential privacy. With unit `record` the local step is one gradient at the base model, clipped row
            by row to `quantisation.clip`; `server` moves the model by the mean of them, and `optimiser` is not used.
        contribution: For how many groups (robust_groups) the sums have room to say what each contributed, by every
            participant's own hold-out; docs/decisions/0027-contribution.md.
    """

    name: str
    model: Any
    loss: Any
    optimiser: Any
    schema: Schema
    batching: Batching
    quantisation: Quantisation
    metrics: Mapping[str, Measure] = field(default_factory=dict)
    server: Server = field(default_factory=Server)
    cohort_max: int = 8
    proximal: str = "0"
    moments_clip: str = "100"
    local_moments: bool = False
    privacy: Goal | None = None
    contribution: int = 0
    scaffold: Scaffold | None = None
    compression: Compression | None = None
    gpu: bool = False


def decimal_text(number: float | None) -> str | None:
    """A float as a decimal that is read back as the same float; None for None."""
    return None if number is None else format(Decimal(repr(float(number))), "f")
