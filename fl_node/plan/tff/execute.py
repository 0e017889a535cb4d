"""Runs a plan's three computations on flat arrays: state → broadcast → integer sums → next state and metrics."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf
import tensorflow_federated as tff
from numpy.typing import NDArray
from tensorflow_federated.proto.v0 import computation_pb2

from fl_node import codes
from fl_node.data.examples import Examples
from fl_node.plan.errors import plan_error
from fl_node.plan.manifest import Batching
from fl_node.plan.state_codec import Leaf
from fl_node.plan.tff.structure import flatten, is_text, pack, tensor_types

EVALUATION_BATCH: Final = 256
"""Rows a batch of the hold-out; nothing depends on it but memory."""


@dataclass(frozen=True)
class Computations:
    """`prepare`, `work` and `update` of TFF's MapReduceForm (their types: architecture §6)."""

    prepare: Any
    work: Any
    update: Any

    @property
    def state_type(self) -> Any:
        """The state's type."""
        return self.update.type_signature.parameter[0]

    @property
    def data_type(self) -> Any:
        """The type of a client's data."""
        return self.work.type_signature.parameter[0]

    @property
    def sums_type(self) -> Any:
        """The type of the client's work result: the plain part, then the three kinds of secure sums."""
        return self.work.type_signature.result

    def broadcast(self, state: Sequence[Leaf]) -> Any:
        """Computes what every client gets."""
        return self.prepare(self._state(state))

    def run_work(self, broadcast: Any, data: Any) -> list[NDArray[Any]]:
        """Runs a client's work; returns its integer tensors in the order of `sums_type`."""
        return flatten(self.work(data, broadcast), self.sums_type)

    def run_update(self, state: Sequence[Leaf], sums: Sequence[NDArray[Any]]) -> tuple[list[Leaf], dict[str, float]]:
        """Runs the server's update; returns the next state and the metrics by name."""
        result_type = self.update.type_signature.result
        result = self.update(self._state(state), pack(sums, self.sums_type))
        arrays = flatten(result, result_type)
        size = len(list(tensor_types(result_type[0])))
        return leaves(arrays[:size], result_type[0]), _metrics(arrays[size:], result_type[1])

    def _state(self, state: Sequence[Leaf]) -> Any:
        specs = [leaf.spec for leaf in state]
        if specs != state_specs(self.state_type):
            raise plan_error(codes.BAD_STATE, "the state has other tensors than the plan's")
        return pack([leaf.array for leaf in state], self.state_type)


def load_computations(serialized: Mapping[str, bytes]) -> Computations:
    """Deserializes the computations of a plan (after `tff.graphs` has checked them)."""
    return Computations(
        **{
            name: tff.framework.deserialize_computation(computation_pb2.Computation.FromString(raw))
            for name, raw in serialized.items()
        }
    )


def leaves(arrays: Sequence[NDArray[Any]], value_type: Any) -> list[Leaf]:
    """Names the arrays of a flattened state."""
    return [Leaf("/".join(path), array) for (path, _), array in zip(tensor_types(value_type), arrays, strict=True)]


def state_specs(state_type: Any) -> list[tuple[str, str, tuple[int, ...]]]:
    """What the leaves of a state must look like: path, dtype, shape."""
    zeros = [np.zeros(t.shape, np.object_ if is_text(t) else t.dtype) for _, t in tensor_types(state_type)]
    return [leaf.spec for leaf in leaves(zeros, state_type)]


def metric_names(result_type: Any) -> list[str]:
    """The names of the numbers that `update` returns beside the state, sorted."""
    return sorted(name for name, _ in _numbers(result_type))


def split_data(data_type: Any) -> bool:
    """Whether client data is <train=…, holdout=…>, that is, whether the base model is evaluated."""
    names = tff.structure.name_list(data_type) if isinstance(data_type, tff.StructType) else []
    return names == ["train", "holdout"]


def client_data(train: Examples, holdout: Examples, batching: Batching, data_type: Any) -> Any:
    """Makes what `work` reads of a participant's rows."""
    if not split_data(data_type):
        return _dataset(train, data_type).batch(batching.batch).repeat(batching.epochs)
    return OrderedDict(
        train=_dataset(train, data_type["train"]).batch(batching.batch).repeat(batching.epochs),
        holdout=_dataset(holdout, data_type["holdout"]).batch(EVALUATION_BATCH),
    )


def _dataset(examples: Examples, sequence_type: Any) -> Any:
    element = sequence_type.element
    if not isinstance(element, tff.StructType):
        return tf.data.Dataset.from_tensor_slices(_as(examples.features, element))
    names = tff.structure.name_list_with_nones(element)
    types = [member for _, member in tff.structure.iter_elements(element)]
    labels = examples.features if examples.labels is None else examples.labels
    columns = [_as(array, member) for array, member in zip((examples.features, labels), types, strict=False)]
    if None in names:
        return tf.data.Dataset.from_tensor_slices(tuple(columns))
    return tf.data.Dataset.from_tensor_slices(OrderedDict(zip(names, columns, strict=True)))


def _as(array: NDArray[Any], tensor_type: Any) -> NDArray[Any]:
    """Returns rows as a batch's tensor takes them: a wider type, a last dimension of 1 (see `agree`)."""
    shaped = array[..., np.newaxis] if len(tensor_type.shape) > array.ndim else array
    return shaped.astype(tensor_type.dtype, copy=False)


def _numbers(metrics_type: Any) -> list[tuple[str, Any]]:
    return [
        ("/".join(path) or "metric", tensor)
        for path, tensor in tensor_types(metrics_type)
        if not is_text(tensor) and not tensor.shape
    ]


def _metrics(arrays: Sequence[NDArray[Any]], metrics_type: Any) -> dict[str, float]:
    named = {
        "/".join(path) or "metric": array for (path, _), array in zip(tensor_types(metrics_type), arrays, strict=True)
    }
    return {name: float(named[name]) for name in metric_names(metrics_type)}
