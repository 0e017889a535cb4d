"""What a researcher's file returns: a `torch.nn.Module`, a loss, an optimiser, what the plan says of data and limits.

def plan() -> Training:
    return Training("tumour", network(), loss=torch.nn.CrossEntropyLoss(), optimiser=sgd(0.05), …)

A loss and a metric are called as PyTorch's are, with outputs and labels. The labels are int64[batch] for one index,
float32 otherwise; without a label they are the features.
"""

from typing import Any

import torch

from fl_node.plan.arithmetic.averaging import Compression, Scaffold
from fl_node.plan.arithmetic.training import Measure, Training
from fl_node.plan.torch.manifest import Optimiser

__all__ = ["Compression", "Measure", "Optimiser", "Scaffold", "Training", "accuracy", "adam", "adamw", "sgd"]


def sgd(rate: float, momentum: float = 0.0, decay: float = 0.0) -> Optimiser:
    """Stochastic gradient descent; with momentum, m ← momentum · m + g and w ← w - rate · m."""
    return Optimiser(kind="sgd", rate=_text(rate), momentum=_text(momentum), decay=_text(decay))


def adam(rate: float, first: float = 0.9, second: float = 0.999, floor: float = 1e-8, decay: float = 0.0) -> Optimiser:
    """Adam (Kingma and Ba, ICLR 2015); `decay` adds to the gradient."""
    return _adaptive("adam", rate, first, second, floor, decay)


def adamw(
    rate: float, first: float = 0.9, second: float = 0.999, floor: float = 1e-8, decay: float = 0.01
) -> Optimiser:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""
    return _adaptive("adamw", rate, first, second, floor, decay)


def accuracy(outputs: Any, labels: Any) -> Any:
    """Whether the largest of a row's outputs is its label's."""
    return (torch.argmax(outputs, dim=-1) == labels).float()


def _adaptive(kind: Any, rate: float, first: float, second: float, floor: float, decay: float) -> Optimiser:
    return Optimiser(
        kind=kind,
        rate=_text(rate),
        momentum=_text(first),
        second=_text(second),
        floor=_text(floor),
        decay=_text(decay),
    )


def _text(number: float) -> str:
    return f"{number:.12f}".rstrip("0").rstrip(".")
