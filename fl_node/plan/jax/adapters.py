"""Low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685): a model stays as it is, small matrices beside it train.

A layer with the kernel W computes x(W + α/r · AB) + b, where A has r columns and B r rows. A begins at random, B at
zero, so that the model begins as it was. Only A and B travel and are in a state; W and b are frozen.

def plan() -> Training:
    return Training("fine-tuned", adapted(network(), rank=4, whole=("head",)), …)
"""

from collections.abc import Collection
from typing import Any

import keras

from fl_node import codes
from fl_node.plan.errors import plan_error


def adapted(
    model: Any,
    rank: int,
    alpha: float | None = None,
    layers: Collection[str] | None = None,
    whole: Collection[str] = (),
) -> Any:
    """Freezes a built Keras model and gives layers of it adapters; returns the model, which is changed.

    Args:
        model: The model, with its weights.
        rank: r, at least 1: an adapter has r · (inputs + outputs) numbers.
        alpha: α; r by default.
        layers: The names of the layers that get one, of any kind that knows `enable_lora`; None: all that are Dense.
        whole: The names of layers that are trained whole, such as a new head.

    Raises:
        PlanError: FL3012 for a rank below 1, a name that no layer has, and a layer that takes no adapter.
    """
    held = {layer.name: layer for layer in model._flatten_layers(include_self=False)}  # noqa: SLF001 - there is no other
    dense = [name for name, layer in held.items() if isinstance(layer, keras.layers.Dense) and name not in whole]
    names = dense if layers is None else list(layers)
    if unknown := sorted({*names, *whole} - held.keys()):
        raise plan_error(codes.SOURCE_UNUSABLE, f"no layer has the name {unknown[0]}", "adapted")
    if rank < 1 or not names or set(names) & set(whole):
        raise plan_error(
            codes.SOURCE_UNUSABLE, "adapters need a rank of 1 and a layer that is not trained whole", "adapted"
        )
    for name, layer in held.items():
        if name in names:
            _adapt(layer, rank, rank if alpha is None else alpha)
        elif name not in whole and not hasattr(layer, "layers"):
            layer.trainable = False
    return model


def _adapt(layer: Any, rank: int, alpha: float) -> None:
    if not hasattr(layer, "enable_lora"):
        raise plan_error(codes.SOURCE_UNUSABLE, f"{layer.name} is no layer that takes an adapter", "adapted")
    for variable in layer.trainable_variables:
        variable.trainable = False
    layer.enable_lora(rank, lora_alpha=alpha)
