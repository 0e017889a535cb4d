"""Low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685): a model stays as it is, small matrices beside it train.

A linear layer with the weight W computes (W + α/r · BA)x + b, where A has r rows and B r columns. A begins at random,
B at zero, so that the model begins as it was. Only A and B travel and are in a state; W and b are frozen.

def plan() -> Training:
    return Training("fine-tuned", adapted(network(), rank=4, whole=("head",)), …)
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch

from fl_node import codes
from fl_node.plan.errors import plan_error


class Adapted(torch.nn.Module):  # type: ignore[misc]  # PyTorch is untyped here
    """A linear layer with an adapter.

    Args:
        base: The layer, which is frozen.
        rank: r.
        alpha: α.
    """

    def __init__(self, base: Any, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = torch.nn.Parameter(torch.empty(rank, base.in_features))
        self.up = torch.nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = alpha / rank
        torch.nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, rows: Any) -> Any:
        """Computes the layer with its adapter."""
        linear = torch.nn.functional.linear
        return self.base(rows) + self.scale * linear(linear(rows, self.down), self.up)

    def merged(self) -> Any:
        """The linear layer that computes the same, without an adapter."""
        with torch.no_grad():
            self.base.weight += self.scale * (self.up @ self.down)
        return self.base


def adapted(
    model: Any,
    rank: int,
    alpha: float | None = None,
    layers: Collection[str] | None = None,
    whole: Collection[str] = (),
) -> Any:
    """Freezes a module and puts adapters beside linear layers of it; returns the module, which is changed.

    Args:
        model: The module, with its weights.
        rank: r, at least 1: an adapter has r · (inputs + outputs) numbers.
        alpha: α; r by default.
        layers: The names (`named_modules`) of the layers that get one; None: all that are `torch.nn.Linear`.
        whole: The names of modules that are trained whole, such as a new head.

    Raises:
        PlanError: FL3012 for a rank below 1, a name that no module has, and a layer that is not linear.
    """
    held = dict(model.named_modules())
    linear = [name for name, module in held.items() if name and isinstance(module, torch.nn.Linear)]
    names = [name for name in linear if name not in whole] if layers is None else list(layers)
    if unknown := sorted({*names, *whole} - held.keys()):
        raise plan_error(codes.SOURCE_UNUSABLE, f"no module has the name {unknown[0]}", "adapted")
    if rank < 1 or not names or set(names) & set(whole) or not set(names) <= set(linear):
        raise plan_error(
            codes.SOURCE_UNUSABLE, "adapters need a rank of 1 and linear layers not trained whole", "adapted"
        )
    model.requires_grad_(False)
    for name in whole:
        held[name].requires_grad_(True)
    for name in names:
        parent, _, own = name.rpartition(".")
        setattr(held[parent], own, Adapted(held[name], rank, rank if alpha is None else alpha))
    return model


def merged(model: Any) -> Any:
    """Puts what adapters learned into the layers beside them; returns the module, now without adapters."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Adapted):
                setattr(module, name, child.merged())
    return model


def restored(model: Any, weights: Mapping[str, Any]) -> Any:
    """Puts an exported model's parameters (`weights.npz`) into a module as its plan's source makes it; returns it.

    Raises:
        KeyError: A parameter is not among them.
        RuntimeError: One has another shape.
    """
    counts = {True: 0, False: 0}
    with torch.no_grad():
        for parameter in model.parameters():
            trained = parameter.requires_grad
            name = f"{'trainable' if trained else 'frozen'}/{counts[trained]}"
            parameter.copy_(torch.from_numpy(weights[name]))
            counts[trained] += 1
    return model
