"""Builds every plan and every refusal in one process, and trains one directly; in the environment of PyTorch.

python -m tests.unit.plan.torch.reference FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from fl_node.plan.arithmetic.compiling import SEED
from fl_node.plan.torch.compile import build_plan
from fl_node.plan.torch.optimising import Steps
from fl_node.plan.torch.training import adam, adamw, sgd
from network.errors import FedledgerError
from tests.unit.plan.torch import sources

SOURCES = Path(sources.__file__)


def main(folder: Path) -> None:
    for function in sources.GOOD:
        (folder / f"{function.__name__}.flplan").write_bytes(build_plan(SOURCES, function.__name__))
    again = build_plan(SOURCES, "normalised") == (folder / "normalised.flplan").read_bytes()
    report = {"again": again, "bad": {function.__name__: refusal(function.__name__) for function in sources.BAD}}
    report["directly"] = directly()
    report["steps"] = [farthest(*pair) for pair in optimisers()]
    (folder / "report.json").write_text(json.dumps(report))


def refusal(name: str) -> str:
    try:
        build_plan(SOURCES, name)
    except FedledgerError as error:
        return f"{error.code}: {error.message}"
    return "built"


def directly() -> list[list[float]]:
    """The weights of a network with BatchNorm after two passes over eleven rows, as one trains with PyTorch alone."""
    torch.manual_seed(SEED)
    model = sources.plain().model.train()
    rows = torch.arange(33, dtype=torch.float32).reshape(11, 3) / 33
    labels = torch.arange(11) % 2
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for start in (0, 4, 8, 0, 4, 8):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(rows[start : start + 4]), labels[start : start + 4]).backward()
        optimiser.step()
    moments = [buffer for name, buffer in model.named_buffers() if "running" in name]
    return [[float(value) for value in one.ravel()] for one in (*model.parameters(), *moments)]


def optimisers() -> list[tuple[Any, Any]]:
    """Each optimiser as a manifest names it, and PyTorch's own with the same constants."""
    optim, adaptive = torch.optim, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.02}
    return [
        (sgd(0.1), lambda weights: optim.SGD(weights, lr=0.1)),
        (sgd(0.1, 0.5, 0.02), lambda weights: optim.SGD(weights, lr=0.1, momentum=0.5, weight_decay=0.02)),
        (adam(0.1, 0.8, 0.95, 1e-6, 0.02), lambda weights: optim.Adam(weights, **adaptive)),
        (adamw(0.1, 0.8, 0.95, 1e-6, 0.02), lambda weights: optim.AdamW(weights, **adaptive)),
    ]


def farthest(named: Any, theirs: Any) -> float:
    """How far weights lie apart after five steps of ours and of PyTorch's."""
    torch.manual_seed(1)
    ours = [torch.randn(4, 3), torch.randn(())]
    twins = [one.clone().requires_grad_() for one in ours]
    steps, optimiser = Steps(named, ours), theirs(twins)
    for _ in range(5):
        slopes = [torch.randn_like(one) for one in ours]
        for twin, slope in zip(twins, slopes, strict=True):
            twin.grad = slope.clone()
        steps.take(slopes)
        optimiser.step()
    return max(float((one - twin).abs().max()) for one, twin in zip(ours, twins, strict=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
