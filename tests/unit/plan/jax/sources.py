"""Trainings of every kind, and what the compiler refuses. Imported only where JAX runs."""

from pathlib import Path

import jax
import jax.numpy as jnp
import keras

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.arithmetic.averaging import Server
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.jax.adapters import adapted
from fl_node.plan.jax.training import Compression, Functions, Scaffold, Training, accuracy, adam, sgd
from fl_node.plan.manifest import Batching, Quantisation

COLUMNS = tuple(Column(name=name) for name in ("a", "b", "c"))
ROWS = Schema(columns=COLUMNS, label=Label(name="kind", values=("no", "yes")))
NUMBERS = Schema(columns=COLUMNS, label=Label(name="size", type="float"))
BATCHING = Batching(batch=4, epochs=2, holdout_percent=20)
QUANTISATION = Quantisation(bits=16, clip="2", zero_above="10", weight_cap=64)
CROSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
COMMON = {"schema": ROWS, "batching": BATCHING, "quantisation": QUANTISATION, "metrics": {"accuracy": accuracy}}


def network(*layers, width=3):
    return keras.Sequential([keras.layers.Input((width,)), *layers])


def average():
    model = network(keras.layers.Dense(5, "relu"), keras.layers.Dense(2))
    return Training("average", model, CROSS, sgd(0.1), **COMMON)


def normalised():
    """BatchNorm, dropout, regularisation and Adam; FedAdam at the server."""
    dense = keras.layers.Dense(4, "relu", kernel_regularizer="l2")
    model = network(dense, keras.layers.BatchNormalization(), keras.layers.Dropout(0.2), keras.layers.Dense(2))
    server = Server(kind="fedadam", rate="0.05")
    return Training("normalised", model, CROSS, adam(0.01), server=server, proximal="0.5", **COMMON)


def local():
    """BatchNorm whose moments stay with each participant."""
    model = network(keras.layers.Dense(4, "relu"), keras.layers.BatchNormalization(), keras.layers.Dense(2))
    return Training("local", model, CROSS, sgd(0.1), local_moments=True, **COMMON)


def compressed():
    """Three of eight numbers travel in a round."""
    model = network(keras.layers.Dense(2))
    compression, server = Compression(keep="0.3"), Server(kind="fedavgm", rate="0.5")
    return Training("compressed", model, CROSS, sgd(0.1), compression=compression, server=server, **COMMON)


def fine_tuned_network():
    """A body with an adapter of rank 2; BatchNorm that is frozen, and one whose moments go on."""
    layers = keras.layers
    model = network(
        layers.Dense(8, "relu", name="body"),
        layers.BatchNormalization(name="still"),
        layers.BatchNormalization(name="moving"),
        layers.Dropout(0.1),
        layers.Dense(2, name="head"),
    )
    return adapted(model, 2, 4.0, layers=["body"], whole=["moving", "head"])


def fine_tuned():
    return Training("fine-tuned", fine_tuned_network(), CROSS, sgd(0.1), **COMMON)


def pair():
    """A regression in plain JAX, unweighted, whose loss falls below zero; without a hold-out."""

    def apply(weights, rows):
        return rows @ weights["slope"] + weights["height"]

    def loss(sizes, found):
        return jnp.log((found - sizes) ** 2 + 1e-3)

    return Training(
        "pair",
        Functions({"slope": jnp.zeros(3), "height": jnp.zeros(())}, apply),
        loss,
        sgd(0.01, momentum=0.5),
        NUMBERS,
        Batching(batch=7, epochs=1, holdout_percent=0),
        Quantisation(bits=24, clip="2"),
        server=Server(kind="fedyogi", rate="0.1"),
    )


def regression(scaffold=None, optimiser=None):
    """A line through rows of unlike participants, all rows of one in a batch; without a hold-out."""

    def apply(weights, rows):
        return rows @ weights

    def loss(sizes, found):
        return (found - sizes) ** 2

    batching = Batching(batch=64, epochs=30, holdout_percent=0)
    model = Functions(jnp.zeros(3), apply)
    step = optimiser or sgd(0.02)
    return Training(
        "regression", model, loss, step, NUMBERS, batching, Quantisation(bits=24, clip="20"), scaffold=scaffold
    )


def controlled():
    """The same with SCAFFOLD's control variates."""
    return regression(Scaffold(participants=4, clip="60"))


def controlled_momentum():
    return regression(Scaffold(participants=4), sgd(0.02, momentum=0.9))


def pictures():
    """Convolution and pooling over rows that are reshaped."""
    layers = keras.layers
    model = network(
        layers.Reshape((4, 4, 1)),
        layers.Conv2D(2, 2, activation="relu"),
        layers.MaxPooling2D((2, 1)),
        layers.Flatten(),
        layers.LayerNormalization(),
        layers.Dense(2),
        width=16,
    )
    schema = Schema(columns=tuple(Column(name=f"p{at}") for at in range(16)), label=ROWS.label)
    return Training("pictures", model, CROSS, sgd(0.1), **COMMON | {"schema": schema})


def several():
    """Two labels at once."""
    labels = (Label(name="size", type="float"), Label(name="weight", type="float"))
    schema = Schema(columns=COLUMNS, labels=labels)
    model = network(keras.layers.Dense(2))
    return Training("several", model, keras.losses.MeanSquaredError(), sgd(0.1), schema, BATCHING, QUANTISATION)


def unlabelled():
    """An autoencoder: what goes in is what shall come out."""
    model = network(keras.layers.Dense(2, "tanh"), keras.layers.Dense(3))
    schema = Schema(columns=COLUMNS)
    return Training("unlabelled", model, keras.losses.MeanSquaredError(), sgd(0.1), schema, BATCHING, QUANTISATION)


def recurrent():
    """A network that remembers, which must compile; nobody trains it here."""
    layers = keras.layers
    model = network(layers.Reshape((3, 1)), layers.LSTM(2), layers.Dense(2))
    return Training("recurrent", model, CROSS, sgd(0.1), **COMMON)


def counts():
    """Claims of contracts with a date and a scan, by the years that each has run: Poisson's likelihood."""

    def apply(weights, rows):
        return rows @ weights["slope"] + weights["height"]

    def loss(labels, found):
        claims, years = labels[:, 0], labels[:, 1]
        return years * jnp.exp(found) - claims * (found + jnp.log(years))

    signed = Column(name="signed", type="date", mean="19000", deviation="1000")
    scan = Column(name="scan", type="array", shape=(2, 2), mean="0", deviation="255")
    schema = Schema(columns=(signed, scan), label=Label(name="claims", type="count", exposure="years"))
    model = Functions({"slope": jnp.zeros(5), "height": jnp.zeros(())}, apply)
    return Training("counts", model, loss, sgd(0.01), schema, BATCHING, QUANTISATION)


def private(batching=None, *layers):
    """Each row's gradient clipped, and noise for a large ε: the sum of a few vectors still says something."""
    terms = {
        "batching": batching or Batching(batch=4, epochs=1, holdout_percent=20),
        "quantisation": Quantisation(bits=24, clip="0.5", weight_cap=64),
        "privacy": Goal(epsilon="3", rounds=10),
    }
    model = network(*layers, keras.layers.Dense(5, "relu"), keras.layers.Dense(2))
    return Training("private", model, CROSS, sgd(0.1), **COMMON | terms)


def private_passes():
    return private(BATCHING)


def private_moments():
    return private(None, keras.layers.BatchNormalization())


GOOD = (
    average,
    normalised,
    local,
    pair,
    pictures,
    several,
    unlabelled,
    recurrent,
    counts,
    private,
    regression,
    controlled,
    compressed,
    fine_tuned,
)


def compressed_controlled():
    compression, scaffold = Compression(keep="0.3"), Scaffold(participants=4)
    model = network(keras.layers.Dense(2))
    return Training("both", model, CROSS, sgd(0.1), compression=compression, scaffold=scaffold, **COMMON)


def adapter_for_none():
    model = adapted(network(keras.layers.Dense(2)), 2, layers=["nowhere"])
    return Training("none", model, CROSS, sgd(0.1), **COMMON)


def adapter_of_no_rank():
    return Training("none", adapted(network(keras.layers.Dense(2)), 0), CROSS, sgd(0.1), **COMMON)


def adapter_of_a_norm():
    model = network(keras.layers.BatchNormalization(name="norm"), keras.layers.Dense(2))
    return Training("none", adapted(model, 2, layers=["norm"]), CROSS, sgd(0.1), **COMMON)


def another_width():
    return Training("wide", network(keras.layers.Dense(2), width=5), CROSS, sgd(0.1), **COMMON)


def not_built():
    return Training("none", keras.Sequential([keras.layers.Dense(2)]), CROSS, sgd(0.1), **COMMON)


def no_model():
    return Training("none", object(), CROSS, sgd(0.1), **COMMON)


def calls_back():
    def loss(labels, outputs):
        jax.debug.callback(lambda: Path("/tmp/x").touch())
        return CROSS.call(labels, outputs)

    return Training("calls", network(keras.layers.Dense(2)), loss, sgd(0.1), **COMMON)


def library_call():
    def loss(labels, outputs):
        square = outputs.T @ outputs + jnp.eye(2)
        return CROSS.call(labels, outputs) + jnp.linalg.cholesky(square).sum()

    return Training("library", network(keras.layers.Dense(2)), loss, sgd(0.1), **COMMON)


def whole_numbers():
    pair = Functions({"w": jnp.zeros((3, 2)), "n": jnp.zeros((), jnp.int32)}, lambda weights, rows: rows @ weights["w"])
    return Training("whole", pair, CROSS, sgd(0.1), **COMMON)


def always_zeroed():
    limited = COMMON | {"quantisation": Quantisation(bits=16, clip="2", zero_above="0.000001")}
    return Training("zeroed", network(keras.layers.Dense(2)), CROSS, sgd(0.1), **limited)


def diverges():
    return Training("far", network(keras.layers.Dense(2)), CROSS, sgd(1e38, momentum=0.9), **COMMON)


def no_training():
    return 7


def broken():
    raise ValueError("the researcher's own fault")


BAD = (
    another_width,
    not_built,
    no_model,
    calls_back,
    library_call,
    whole_numbers,
    always_zeroed,
    diverges,
    no_training,
    broken,
    private_passes,
    private_moments,
    controlled_momentum,
    compressed_controlled,
    adapter_for_none,
    adapter_of_no_rank,
    adapter_of_a_norm,
)
