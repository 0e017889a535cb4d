"""Trainings of every kind, and what the compiler refuses. Imported only where PyTorch runs."""

import torch
from torch import nn
from torch.nn import functional

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.arithmetic.averaging import Server
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.torch.adapters import adapted
from fl_node.plan.torch.training import Compression, Scaffold, Training, accuracy, adam, adamw, sgd

COLUMNS = tuple(Column(name=name) for name in ("a", "b", "c"))
ROWS = Schema(columns=COLUMNS, label=Label(name="kind", values=("no", "yes")))
NUMBERS = Schema(columns=COLUMNS, label=Label(name="size", type="float"))
PIXELS = Schema(columns=tuple(Column(name=f"p{at}") for at in range(16)), label=ROWS.label)
BATCHING = Batching(batch=4, epochs=2, holdout_percent=20)
QUANTISATION = Quantisation(bits=16, clip="2", zero_above="10", weight_cap=64)
COMMON = {"schema": ROWS, "batching": BATCHING, "quantisation": QUANTISATION, "metrics": {"accuracy": accuracy}}


def average():
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    return Training("average", model, nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def normalised():
    """BatchNorm, dropout and Adam; FedAdam at the server, FedProx at the client."""
    layers = nn.Linear(3, 4), nn.ReLU(inplace=True), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 2)
    server = Server(kind="fedadam", rate="0.05")
    return Training(
        "normalised", nn.Sequential(*layers), nn.CrossEntropyLoss(), adam(0.01), server=server, proximal="0.5", **COMMON
    )


def plain():
    """BatchNorm and Adam alone: one can train it by hand."""
    layers = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2)
    return Training("plain", nn.Sequential(*layers), nn.CrossEntropyLoss(), adam(0.01), **COMMON)


def compressed():
    """Three of eight numbers travel in a round."""
    compression = Compression(keep="0.3")
    model, loss = nn.Linear(3, 2), nn.CrossEntropyLoss()
    return Training("compressed", model, loss, sgd(0.1), compression=compression, **COMMON)


def fine_tuned_network():
    """A body with an adapter of rank 2, and a head that is trained whole."""
    model = nn.Sequential()
    model.body, model.bend, model.head = nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)
    return adapted(model, 2, 4.0, whole=["head"])


def fine_tuned():
    return Training("fine-tuned", fine_tuned_network(), nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


class Line(nn.Module):
    """A regression; the height of a row's first number is frozen, its unit a constant."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(3))
        self.height = nn.Parameter(torch.ones(()), requires_grad=False)
        self.register_buffer("unit", torch.tensor(2.0))

    def forward(self, rows):
        return rows @ self.slope * self.unit + self.height + torch.tensor(0.5)


def line():
    """Unweighted, with a loss that falls below zero; without a hold-out."""

    def loss(found, sizes):
        return torch.log((found - sizes) ** 2 + 1e-3)

    return Training(
        "line",
        Line(),
        loss,
        sgd(0.01, momentum=0.5, decay=0.001),
        NUMBERS,
        Batching(batch=7, epochs=1, holdout_percent=0),
        Quantisation(bits=24, clip="2"),
        server=Server(kind="fedyogi", rate="0.1"),
    )


def controlled(optimiser=None):
    """A line through rows of unlike participants, all rows of one in a batch, with SCAFFOLD's control variates."""

    class Slope(nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = nn.Parameter(torch.zeros(3))

        def forward(self, rows):
            return rows @ self.slope

    def loss(found, sizes):
        return (found - sizes) ** 2

    batching, quantisation = Batching(batch=64, epochs=30, holdout_percent=0), Quantisation(bits=24, clip="20")
    scaffold = Scaffold(participants=4, clip="60")
    step = optimiser or sgd(0.02)
    return Training("controlled", Slope(), loss, step, NUMBERS, batching, quantisation, scaffold=scaffold)


def controlled_adam():
    return controlled(adam(0.02))


def pictures():
    """Convolution, pooling and weight decay over rows that are reshaped."""
    model = nn.Sequential(
        nn.Unflatten(1, (1, 4, 4)),
        nn.Conv2d(1, 2, 2),
        nn.GELU(),
        nn.MaxPool2d((2, 1)),
        nn.Flatten(),
        nn.LayerNorm(6),
        nn.Linear(6, 2),
    )
    return Training("pictures", model, nn.CrossEntropyLoss(), adamw(0.1), **COMMON | {"schema": PIXELS})


def unlabelled():
    """An autoencoder: what goes in is what shall come out."""
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 3))
    return Training("unlabelled", model, nn.MSELoss(), sgd(0.1), Schema(columns=COLUMNS), BATCHING, QUANTISATION)


class Sequence(nn.Module):
    """A row of numbers read one after the other, then by attention to one another."""

    def __init__(self):
        super().__init__()
        self.remember = nn.LSTM(1, 4, num_layers=2, batch_first=True, dropout=0.1)
        self.attend = nn.MultiheadAttention(4, 2, dropout=0.1, batch_first=True)
        self.last = nn.Linear(4, 2)

    def forward(self, rows):
        found, _ = self.remember(rows.unsqueeze(-1))
        found, _ = self.attend(found, found, found, need_weights=False)
        return self.last(found.mean(1))


def sequence():
    return Training("sequence", Sequence(), nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def counts():
    """Claims of contracts by the years that each has run: Poisson's likelihood."""

    def loss(found, labels):
        claims, years = labels[:, 0], labels[:, 1]
        return functional.poisson_nll_loss(found.squeeze(1) + years.log(), claims, reduction="none")

    schema = Schema(columns=COLUMNS, label=Label(name="claims", type="count", exposure="years"))
    return Training("counts", nn.Linear(3, 1), loss, sgd(0.01), schema, BATCHING, QUANTISATION)


GOOD = (average, normalised, plain, line, pictures, unlabelled, sequence, counts, controlled, compressed, fine_tuned)


def adapter_for_none():
    model = adapted(nn.Sequential(nn.Linear(3, 2)), 2, layers=["nowhere"])
    return Training("none", model, nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def adapter_of_a_norm():
    model = adapted(nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2)), 2, layers=["0"])
    return Training("none", model, nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def another_width():
    return Training("wide", nn.Linear(5, 2), nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def no_model():
    return Training("none", object(), nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def one_loss_for_all():
    return Training("all", nn.Linear(3, 2), functional.cross_entropy, sgd(0.1), **COMMON)


def own_optimiser():
    return Training("own", nn.Linear(3, 2), nn.CrossEntropyLoss(), torch.optim.SGD, **COMMON)


def forbidden():
    def loss(found, labels):
        square = found.T @ found + torch.eye(2)
        return functional.cross_entropy(found, labels, reduction="none") + torch.linalg.cholesky(square).sum()

    return Training("library", nn.Linear(3, 2), loss, sgd(0.1), **COMMON)


def draws_in_metric():
    metrics = {"noise": lambda found, _: torch.rand_like(found[:, 0])}
    return Training("noise", nn.Linear(3, 2), nn.CrossEntropyLoss(), sgd(0.1), **COMMON | {"metrics": metrics})


def whole_rows():
    """A branch on what a row holds: no program for any rows."""

    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, rows):
            return self.layer(rows) if rows.sum() > 0 else self.layer(-rows)

    return Training("branch", Branch(), nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def doubles():
    return Training("doubles", nn.Linear(3, 2).double(), nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def frozen():
    return Training("frozen", nn.Linear(3, 2).requires_grad_(False), nn.CrossEntropyLoss(), sgd(0.1), **COMMON)


def always_zeroed():
    limited = COMMON | {"quantisation": Quantisation(bits=16, clip="2", zero_above="0.000001")}
    return Training("zeroed", nn.Linear(3, 2), nn.CrossEntropyLoss(), sgd(0.1), **limited)


def no_training():
    return 7


BAD = (
    another_width,
    no_model,
    one_loss_for_all,
    own_optimiser,
    forbidden,
    draws_in_metric,
    whole_rows,
    doubles,
    frozen,
    always_zeroed,
    no_training,
    controlled_adam,
    adapter_for_none,
    adapter_of_a_norm,
)
