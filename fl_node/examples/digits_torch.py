"""Hospital pictures: a convolutional network in PyTorch for the pictures, limits and split of `digits.py`.

fedledger plan runtime install torch
fedledger plan shares digits data hospital-a hospital-b hospital-c hospital-d
fedledger plan try fl_node/examples/digits_torch.py --data data/hospital-a.csv --split 2
"""

from torch import nn

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.torch.training import Training, accuracy, sgd

SIDE = 8

SCHEMA = Schema(
    columns=tuple(
        Column(name=f"pixel_{row}_{column}", minimum="0", maximum="16", mean="8", deviation="8")
        for row in range(SIDE)
        for column in range(SIDE)
    ),
    label=Label(name="digit", values=tuple(str(digit) for digit in range(10))),
)


def network() -> nn.Module:
    """Two convolutions, one hidden layer, one logit per digit."""
    return nn.Sequential(
        nn.Unflatten(1, (1, SIDE, SIDE)),
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def plan() -> Training:
    """Describes the plan."""
    return Training(
        name="digits-torch",
        model=network(),
        loss=nn.CrossEntropyLoss(),
        metrics={"accuracy": accuracy},
        optimiser=sgd(0.1),
        schema=SCHEMA,
        batching=Batching(batch=16, epochs=2, holdout_percent=20),
        quantisation=Quantisation(bits=18, clip="8", zero_above="20", weight_cap=4096),
    )
