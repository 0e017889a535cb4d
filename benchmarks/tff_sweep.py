"""Which layers, losses, optimisers, metrics and processes of TensorFlow Federated become plans; the rest's refusals.

    python benchmarks/tff_sweep.py [WORD …]      # only cases whose name holds one of the words

Prints a line for each: `built`, or the code, what is refused and the mend.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf
import tensorflow_federated as tff

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.manifest import Batching, Quantisation
from fl_node.plan.source import PlanSource
from fl_node.plan.tff.aggregation import quantised_mean, secure_metrics
from fl_node.plan.tff.compile import compile_source
from network.errors import FedledgerError

K, L, O = tf.keras, tf.keras.layers, tff.learning.optimizers  # noqa: E741 - as TFF's pages call it
WIDTH = 64
COLUMNS = tuple(Column(name=f"x{at}", minimum="-1", maximum="1") for at in range(WIDTH))
CLASSES = Schema(columns=COLUMNS, label=Label(name="y", values=tuple(str(at) for at in range(10))))
NUMBER = Schema(columns=COLUMNS, label=Label(name="y", type="float"))
Q = Quantisation(bits=18, clip="4", zero_above="20", weight_cap=4096)
BATCHING = Batching(batch=8, epochs=1, holdout_percent=0)
Layers = Callable[[], list[Any]]


def shaped(shape: tuple[int, ...], *layers: Callable[[], Any]) -> Layers:
    return lambda: [L.Reshape(shape), *[layer() for layer in layers], L.Flatten()]


def image(*layers: Callable[[], Any]) -> Layers:
    return shaped((8, 8, 1), *layers)


def steps(*layers: Callable[[], Any]) -> Layers:
    return shaped((8, 8), *layers)


def volume(*layers: Callable[[], Any]) -> Layers:
    return shaped((4, 4, 4, 1), *layers)


def dense(*layers: Callable[[], Any]) -> Layers:
    return lambda: [L.Dense(8), *[layer() for layer in layers]]


def function(of: Callable[[Any], Any]) -> Layers:
    return dense(lambda: L.Lambda(of))


def whole(x: Any) -> Any:
    return tf.cast(tf.abs(x) * 9, tf.int32)


class SelfAttention(L.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.attend = L.MultiHeadAttention(2, 4)

    def call(self, x: Any) -> Any:
        return self.attend(x, x)


LAYERS: dict[str, Layers] = {
    "Embedding": lambda: [L.Lambda(whole), L.Embedding(30, 8), L.Flatten()],
    "Embedding, LSTM": lambda: [L.Lambda(whole), L.Embedding(30, 8), L.LSTM(8)],
    "LSTM": steps(lambda: L.LSTM(8)),
    "LSTM of sequences": steps(lambda: L.LSTM(8, return_sequences=True)),
    "LSTM unrolled": steps(lambda: L.LSTM(8, unroll=True)),
    "LSTM with recurrent dropout": steps(lambda: L.LSTM(8, recurrent_dropout=0.1)),
    "GRU": steps(lambda: L.GRU(8)),
    "GRU, reset before": steps(lambda: L.GRU(8, reset_after=False)),
    "SimpleRNN": steps(lambda: L.SimpleRNN(8)),
    "Bidirectional LSTM": steps(lambda: L.Bidirectional(L.LSTM(8))),
    "Masking, LSTM": steps(L.Masking, lambda: L.LSTM(8)),
    "ConvLSTM1D": shaped((4, 8, 2), lambda: L.ConvLSTM1D(4, 3)),
    "Conv1D": steps(lambda: L.Conv1D(4, 3)),
    "Conv1D, causal, dilated": steps(lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2)),
    "Conv2D": image(lambda: L.Conv2D(4, 3)),
    "Conv2D, dilated": image(lambda: L.Conv2D(4, 3, dilation_rate=2)),
    "Conv2DTranspose": image(lambda: L.Conv2DTranspose(4, 3)),
    "SeparableConv2D": image(lambda: L.SeparableConv2D(4, 3)),
    "DepthwiseConv2D": image(lambda: L.DepthwiseConv2D(3)),
    "Conv3D": volume(lambda: L.Conv3D(2, 3)),
    "Conv3DTranspose": volume(lambda: L.Conv3DTranspose(2, 3)),
    "LocallyConnected1D": steps(lambda: L.LocallyConnected1D(2, 3)),
    "MaxPool1D": steps(L.MaxPool1D),
    "MaxPool2D": image(L.MaxPool2D),
    "MaxPool3D": volume(L.MaxPool3D),
    "AveragePooling2D": image(L.AveragePooling2D),
    "AveragePooling3D": volume(L.AveragePooling3D),
    "GlobalAveragePooling2D": image(L.GlobalAveragePooling2D),
    "UpSampling2D": image(L.UpSampling2D),
    "UpSampling2D, bilinear": image(lambda: L.UpSampling2D(interpolation="bilinear")),
    "ZeroPadding2D": image(L.ZeroPadding2D),
    "Resizing": image(lambda: L.Resizing(4, 4)),
    "BatchNormalization": dense(L.BatchNormalization),
    "LayerNormalization": dense(L.LayerNormalization),
    "GroupNormalization": image(lambda: L.Conv2D(4, 3), lambda: L.GroupNormalization(2)),
    "SpectralNormalization": dense(lambda: L.SpectralNormalization(L.Dense(4))),
    "Dropout": dense(lambda: L.Dropout(0.2)),
    "GaussianNoise": dense(lambda: L.GaussianNoise(0.1)),
    "AlphaDropout": dense(lambda: L.AlphaDropout(0.1)),
    "MultiHeadAttention": steps(SelfAttention),
    **{name: dense(lambda name=name: L.Activation(name)) for name in ("gelu", "swish", "mish", "selu", "softplus")},
    "RandomFlip": image(L.RandomFlip),
    "RandomRotation": image(lambda: L.RandomRotation(0.1)),
    "RandomZoom": image(lambda: L.RandomZoom(0.1)),
    "RandomTranslation": image(lambda: L.RandomTranslation(0.1, 0.1)),
    "RandomContrast": image(lambda: L.RandomContrast(0.1)),
    "RandomBrightness": image(lambda: L.RandomBrightness(0.1)),
    "RandomCrop": image(lambda: L.RandomCrop(6, 6)),
    "CategoryEncoding": lambda: [L.Lambda(whole), L.CategoryEncoding(30, "multi_hot")],
    "Hashing": lambda: [L.Lambda(whole), L.Hashing(10), L.Lambda(lambda x: tf.cast(x, tf.float32))],
    "Discretization": lambda: [L.Discretization([0.0, 1.0]), L.Lambda(lambda x: tf.cast(x, tf.float32))],
    "IntegerLookup": lambda: [
        L.Lambda(lambda x: tf.cast(x, tf.int64)),
        L.IntegerLookup(vocabulary=[1, 2, 3]),
        L.Lambda(lambda x: tf.cast(x, tf.float32)),
    ],
    "rfft": function(lambda x: tf.abs(tf.signal.rfft(x))),
    "dct": function(tf.signal.dct),
    "top_k": function(lambda x: tf.math.top_k(x, 2)[0]),
    "atan": function(tf.atan),
    "lgamma": function(lambda x: tf.math.lgamma(tf.abs(x) + 1)),
    "local_response_normalization": image(lambda: L.Lambda(tf.nn.local_response_normalization)),
}
LOSSES = {
    name: getattr(K.losses, name)
    for name in ("Huber", "LogCosh", "KLDivergence", "Poisson", "Hinge", "MeanAbsolutePercentageError")
}
OPTIMISERS = {
    "adam": lambda: O.build_adam(0.01),
    "adamw": lambda: O.build_adamw(0.01),
    "yogi": lambda: O.build_yogi(0.01),
    "adagrad": lambda: O.build_adagrad(0.1),
    "rmsprop": lambda: O.build_rmsprop(0.01),
    "sgd with momentum": lambda: O.build_sgdm(0.1, 0.9),
    "adafactor": lambda: O.build_adafactor(0.1),
}
METRICS = {
    "AUC": lambda: K.metrics.AUC(from_logits=True),
    "SensitivityAtSpecificity": lambda: K.metrics.SensitivityAtSpecificity(0.9),
    "BinaryIoU": K.metrics.BinaryIoU,
    "F1Score": lambda: K.metrics.F1Score(threshold=0.5, average="micro"),
    "R2Score": K.metrics.R2Score,
    "CosineSimilarity": K.metrics.CosineSimilarity,
    "MeanAbsoluteError": K.metrics.MeanAbsoluteError,
}


def averaging(layers: Layers, loss: Any = None, optimiser: Any = None, metric: Any = None) -> Any:
    outputs, label = (10, tf.int32) if loss is None else (1, tf.float32)

    def model_fn() -> Any:
        return tff.learning.models.from_keras_model(
            K.Sequential([L.InputLayer((WIDTH,)), *layers(), L.Dense(outputs)]),
            input_spec=(tf.TensorSpec([None, WIDTH]), tf.TensorSpec([None], label)),
            loss=loss() if loss else K.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[metric()] if metric else [],
        )

    step = optimiser or (lambda: O.build_sgdm(0.1))
    return tff.learning.algorithms.build_weighted_fed_avg(
        model_fn, step(), step(), model_aggregator=quantised_mean(Q), metrics_aggregator=secure_metrics
    )


def cases() -> dict[str, tuple[Callable[[], Any], Schema]]:
    entropy = lambda: K.losses.BinaryCrossentropy(from_logits=True)  # noqa: E731
    found = {name: (lambda layers=layers: averaging(layers), CLASSES) for name, layers in LAYERS.items()}
    found |= {f"loss {n}": (lambda of=of: averaging(dense(), of), NUMBER) for n, of in LOSSES.items()}
    found |= {
        f"optimiser {n}": (lambda of=of: averaging(dense(), optimiser=of), CLASSES) for n, of in OPTIMISERS.items()
    }
    return found | {
        f"metric {n}": (lambda of=of: averaging(dense(), entropy, None, of), NUMBER) for n, of in METRICS.items()
    }


def outcome(name: str, process: Callable[[], Any], schema: Schema) -> str:
    plain = "".join(letter if letter.isalnum() else "-" for letter in name.lower())[:40]
    try:
        compile_source(PlanSource(plain, process(), schema, BATCHING, quantisation=Q))
    except FedledgerError as error:
        return f"{error.code}: {error.message}. {error.hint}"
    except Exception as error:  # noqa: BLE001 - TFF's own refusal, before there is a process
        lines = str(error).strip().splitlines()
        return f"TFF itself: {type(error).__name__}: {lines[-1].strip()[:120] if lines else ''}"
    return "built"


def main(words: list[str]) -> None:
    for name, (process, schema) in cases().items():
        if not words or any(word.lower() in name.lower() for word in words):
            began = time.perf_counter()
            print(f"| {name} | {outcome(name, process, schema)} | {time.perf_counter() - began:.1f} s |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
