"""What a plan's graphs may hold: an allow-list of ops, none of them random in `prepare` and `update`."""

from pathlib import Path
from typing import Any, Final

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_federated.proto.v0 import computation_pb2

from fl_node import codes
from fl_node.plan.allowed import allowed_ops
from fl_node.plan.errors import plan_error

CLOCKS: Final = frozenset({"Timestamp"})
HERE: Final = Path(__file__).parent


def check_computation(name: str, serialized: bytes) -> tuple[str, ...]:
    """Checks every op of a serialized computation, function bodies included.

    Args:
        name: `prepare`, `work` or `update`.
        serialized: A serialized TFF computation that is plain TensorFlow.

    Returns:
        The random ops that it holds, sorted, each once.

    Raises:
        PlanError: FL3005 (op not allowed), FL3006 (random or clock op where none may be), FL3013 (not TensorFlow).
    """
    drawn = set()
    for node in _nodes(name, serialized):
        section = allowed_ops(HERE).get(node.op)
        if name != "work" and (section == "random" or node.op in CLOCKS):
            raise plan_error(codes.RANDOM_OP, f"op {node.op} in {name}", node.name)
        if section is None:
            raise plan_error(codes.OP_NOT_ALLOWED, f"op {node.op} in {name}", node.name)
        if section == "random":
            drawn.add(node.op)
    return tuple(sorted(drawn))


def _nodes(name: str, serialized: bytes) -> list[Any]:
    try:
        computation = computation_pb2.Computation.FromString(serialized)
    except DecodeError as error:
        raise plan_error(codes.NOT_A_ROUND, f"{name} cannot be parsed: {error}") from error
    if computation.WhichOneof("computation") != "tensorflow":
        raise plan_error(codes.NOT_A_ROUND, f"{name} is {computation.WhichOneof('computation')}, not TensorFlow")
    graph = tf.compat.v1.GraphDef()
    computation.tensorflow.graph_def.Unpack(graph)
    return [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
