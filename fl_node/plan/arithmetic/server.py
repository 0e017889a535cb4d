"""What the server does with the mean update Δ: Reddi et al., Adaptive Federated Optimization, ICLR 2021, algorithm 2.

Each line is one operation for all elements, so that nothing is fused and each result is rounded once.
"""

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.arithmetic.averaging import Server

Doubles = NDArray[np.float64]
Moved = tuple[Doubles, tuple[Doubles, ...]]


def step(server: Server, delta: Doubles, moments: tuple[Doubles, ...]) -> Moved:
    """Computes by how much a tensor of weights moves, and the moments after it.

    Args:
        server: Its kind and constants.
        delta: The mean update.
        moments: What the server kept: nothing (fedavg), the first (fedavgm), the first and the second moment.
    """
    if server.kind == "fedavg":
        return delta * float(server.rate), ()
    if server.kind == "fedavgm":
        first = moments[0] * float(server.momentum)
        first = first + delta
        return first * float(server.rate), (first,)
    first, second = _moments(server, delta, *moments)
    root = np.sqrt(second) + float(server.floor)
    return (first * float(server.rate)) / root, (first, second)


def _moments(server: Server, delta: Doubles, first: Doubles, second: Doubles) -> tuple[Doubles, Doubles]:
    momentum, decay = float(server.momentum), float(server.decay)
    first = first * momentum
    first = first + delta * (1.0 - momentum)
    square = delta * delta
    if server.kind == "fedadam":
        second = second * decay
        return first, second + square * (1.0 - decay)
    towards = np.sign(second - square)
    return first, second - (square * (1.0 - decay)) * towards
