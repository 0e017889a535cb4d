"""The tumour example with PyTorch: the same rows, network and limits as `tumour.py`.

fedledger plan runtime install torch
fedledger plan build fl_node/examples/tumour_torch.py --framework torch -o tumour-torch.flplan
"""

import json
from pathlib import Path

import torch

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.torch.training import Training, accuracy, sgd

HERE = Path(__file__).parent
RANGES = json.loads((HERE / "tumour_ranges.json").read_text())
STATISTICS = json.loads((HERE / "tumour_statistics.json").read_text())

SCHEMA = Schema(
    columns=tuple(Column(name=name, **RANGES[name], **STATISTICS[name]) for name in RANGES),
    label=Label(name="diagnosis", values=("malignant", "benign")),
)


def network() -> torch.nn.Module:
    """Thirty features, one hidden layer, one logit per diagnosis."""
    return torch.nn.Sequential(torch.nn.Linear(SCHEMA.width, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))


def plan() -> Training:
    """Describes the plan."""
    return Training(
        name="tumour-torch",
        model=network(),
        loss=torch.nn.CrossEntropyLoss(),
        metrics={"accuracy": accuracy},
        optimiser=sgd(0.05),
        schema=SCHEMA,
        batching=Batching(batch=16, epochs=3, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="4", zero_above="20", weight_cap=1024),
    )
