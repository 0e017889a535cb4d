"""SGD, Adam and AdamW as `torch.optim` computes them, without importing it.

The first use of `torch.optim` loads PyTorch's compiler: seconds, some 150 MB, and files that it wants to write.
"""

import math
from typing import Any

import torch

from fl_node.plan.torch.manifest import Optimiser


class Steps:
    """Moves weights by their gradients, as an optimiser says that begins afresh.

    Args:
        named: The optimiser.
        weights: What it moves, in place.
    """

    def __init__(self, named: Optimiser, weights: list[Any]) -> None:
        self._named, self._weights = named, weights
        self._first: list[Any] = [None for _ in weights]
        self._second = [torch.zeros_like(one) for one in weights]
        self._number = 0

    def take(self, slopes: list[Any]) -> None:
        """Takes a step; a weight without a gradient (None) stays."""
        self._number += 1
        with torch.no_grad():
            for at, (weight, slope) in enumerate(zip(self._weights, slopes, strict=True)):
                if slope is not None:
                    self._move(at, weight, slope)

    def _move(self, at: int, weight: Any, slope: Any) -> None:
        rate, decay, momentum = (float(one) for one in (self._named.rate, self._named.decay, self._named.momentum))
        if self._named.kind == "adamw":
            weight.mul_(1 - rate * decay)
        elif decay:
            slope = slope.add(weight, alpha=decay)
        if self._named.kind != "sgd":
            self._adapt(at, weight, slope)
            return
        if momentum:
            before = self._first[at]
            slope = self._first[at] = slope.clone() if before is None else before.mul_(momentum).add_(slope)
        weight.add_(slope, alpha=-rate)

    def _adapt(self, at: int, weight: Any, slope: Any) -> None:
        rate, first, second = (float(one) for one in (self._named.rate, self._named.momentum, self._named.second))
        mean = self._first[at] = torch.zeros_like(weight) if self._first[at] is None else self._first[at]
        mean.lerp_(slope, 1 - first)
        square = self._second[at].mul_(second).addcmul_(slope, slope, value=1 - second)
        root = (square.sqrt() / math.sqrt(1 - second**self._number)).add_(float(self._named.floor))
        weight.addcdiv_(mean, root, value=-rate / (1 - first**self._number))
