"""From a module with its loss to two programs of aten operations: training, and measuring without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.synthetic import synthetic_examples
from fl_node.plan.arithmetic.compiling import SAMPLE_ROWS
from fl_node.plan.arithmetic.loaded import columns
from fl_node.plan.arithmetic.training import Training
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.torch.graph import DROPOUTS, Graph, Node, check_graph

MOST_ROWS: Final = 65_536
CHECKS: Final = ("aten._assert_tensor_metadata", "aten._assert_scalar", "aten.sym_constrain_range_for_size")
"""What the exporter adds to check its own assumptions."""


@dataclass(frozen=True)
class Traced:
    """A training as programs.

    Attributes:
        train: From trained and kept weights, constants, features and labels to the mean loss and the measures' sums.
        evaluate: Likewise to the measures' sums, the loss's first.
        trained: The trained weights.
        kept: Other weights that training changes: BatchNorm's moments.
        constants: All other tensors of the model; what a pass changes in them is forgotten after it.
    """

    train: Graph
    evaluate: Graph
    trained: list[NDArray[Any]]
    kept: list[NDArray[Any]]
    constants: list[NDArray[Any]]


class Measured(torch.nn.Module):
    """A model with its loss and metrics: from features and labels to the mean loss and the sum of each measure."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self.model = training.model
        self._measures = [per_row(training.loss), *map(per_row, training.metrics.values())]

    def forward(self, features: Any, labels: Any = None) -> Any:
        """Measures a batch; without labels the features are the labels."""
        wanted = features if labels is None else labels
        wanted = wanted.long() if wanted.dtype == torch.int32 else wanted
        outputs = self.model(features)
        values = [measure(outputs, wanted) for measure in self._measures]
        return values[0].mean(), [value.sum() for value in values]


def per_row(measure: Any) -> Any:
    """A loss or a metric as one number for each row: a loss of PyTorch without its reduction, the mean of the rest."""
    if isinstance(measure, torch.nn.Module) and hasattr(measure, "reduction"):
        measure.reduction = "none"

    def rows(outputs: Any, labels: Any) -> Any:
        found = measure(outputs, labels)
        if found.dim() == 0:
            hint = 'Pass reduction="none", or a loss of torch.nn.'
            raise plan_error(codes.SOURCE_UNUSABLE, "a loss or metric gives one number for all rows", hint=hint)
        return found.flatten(1).mean(1) if found.dim() > 1 else found

    return rows


def traced(training: Training) -> Traced:
    """Traces a training.

    Raises:
        PlanError: FL3005, FL3006 (operations), FL3009 for a trained weight of a type that is not averaged, FL3012 for
            what is no module, FL3013 where it cannot be traced for any number of rows.
    """
    if not isinstance(training.model, torch.nn.Module):
        raise plan_error(codes.SOURCE_UNUSABLE, f"{type(training.model).__name__} is no torch.nn.Module")
    whole = Measured(training)
    _check_types([one for one in whole.parameters() if one.requires_grad])
    sample = [torch.from_numpy(np.array(one)) for one in columns(synthetic_examples(training.schema, SAMPLE_ROWS))]
    trains, measures = (_exported(whole.train(mode), sample) for mode in (True, False))
    held = {
        **dict(whole.named_parameters(remove_duplicate=False)),
        **dict(whole.named_buffers(remove_duplicate=False)),
        **trains.constants,
        **measures.constants,
    }
    changed = _changed(whole, sample)
    trained = _once(one for one in held.values() if isinstance(one, torch.nn.Parameter) and one.requires_grad)
    kept = _once(one for name, one in held.items() if name in changed)
    rest = _once(one for one in held.values() if not any(one is other for other in (*trained, *kept)))
    order = [*trained, *kept, *rest]
    train, evaluate = (_graph(program, held, order) for program in (trains, measures))
    check_graph("train", train)
    check_graph("evaluate", evaluate)
    return Traced(train, evaluate, *([one.detach().numpy() for one in part] for part in (trained, kept, rest)))


def _exported(whole: Measured, sample: Sequence[Any]) -> Any:
    rows = torch.export.Dim("rows", min=1, max=MOST_ROWS)
    shapes = tuple({0: rows} for _ in sample)
    try:
        program = torch.export.export(whole, tuple(sample), dynamic_shapes=shapes)
    except PlanError:
        raise
    except Exception as error:
        inner = error.__cause__ if isinstance(error.__cause__, PlanError) else None
        if inner:
            raise inner from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise plan_error(
            codes.NOT_A_ROUND, f"the model cannot be exported: {type(error).__name__}: {reason}"
        ) from error
    for node in reversed(program.graph.nodes):
        if node.op == "call_function" and _name(node.target).rpartition(".")[0] in CHECKS:
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    return program


def _once(tensors: Any) -> list[Any]:
    found: list[Any] = []
    for one in tensors:
        if not any(one is other for other in found):
            found.append(one)
    return found


def _check_types(trained: Sequence[Any]) -> None:
    for one in trained:
        if one.dtype not in (torch.float32, torch.float16):
            raise plan_error(codes.UNSUPPORTED_TYPE, f"a weight of type {one.dtype}, not float32 or float16")
    if not trained:
        raise plan_error(codes.SOURCE_UNUSABLE, "the model has no weights to train")


def _changed(whole: Measured, sample: Sequence[Any]) -> set[str]:
    """The names of buffers of floats that a training batch changes; they are as before afterwards."""
    before = {name: one.clone() for name, one in whole.named_buffers()}
    with torch.no_grad():
        whole.train()(*sample)
        after = {name: one.clone() for name, one in whole.named_buffers()}
        for name, one in whole.named_buffers():
            one.copy_(before[name])
    floats = (torch.float32, torch.float16)
    return {name for name, one in after.items() if one.dtype in floats and not torch.equal(one, before[name])}


def _targets(program: Any) -> Mapping[str, str]:
    """From a placeholder to what it stands for in the module, rows left out."""
    specs = program.graph_signature.input_specs
    return {spec.arg.name: spec.target for spec in specs if spec.target is not None}


def _graph(program: Any, held: Mapping[str, Any], order: Sequence[Any]) -> Graph:
    targets, rows = _targets(program), 0
    values: dict[str, Any] = {}
    nodes: list[Node] = []
    inputs = len(order) + sum(spec.target is None for spec in program.graph_signature.input_specs)
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in targets:
            tensor = held[targets[node.name]]
            values[node.name] = next(at for at, one in enumerate(order) if one is tensor)
        elif node.op == "placeholder":
            values[node.name] = len(order) + rows
            rows += 1
        elif node.op == "output":
            return Graph(inputs, tuple(nodes), tuple(values[one.name] for one in node.args[0]))
        elif (same := _idle(node)) is not None:
            values[node.name] = values[same.name]
        else:
            values[node.name] = inputs + len(nodes)
            nodes.append(_written(node, values))
    raise AssertionError("a graph ends with its output")


def _idle(node: Any) -> Any:
    """What a dropout that drops nothing, since it does not train, passes on; None for any other node."""
    name = _name(node.target)
    idle = name.startswith("aten.") and name.split(".")[1].removesuffix("_").endswith("dropout")
    return node.args[0] if idle and node.args[2] is False else None


def _written(node: Any, values: Mapping[str, Any]) -> Node:
    name = _name(node.target)
    if node.op != "call_function":
        raise plan_error(codes.OP_NOT_ALLOWED, f"operation {node.op} {node.target}")
    args = [_argument(one, values) for one in node.args]
    place = DROPOUTS.get(name)
    if place is not None and len(args) > place + 1 and args[place + 1] is False:  # it does not train: it drops nothing
        args[place] = {"float": (0.0).hex()}
    return Node(name, args, {word: _argument(one, values) for word, one in node.kwargs.items()})


def _argument(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, torch.fx.Node):
        return {"at": values[value.name]}
    if isinstance(value, list | tuple):
        return [_argument(one, values) for one in value]
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, torch.device):
        return {"device": "cpu"}
    for word in ("dtype", "layout", "memory_format"):
        if isinstance(value, getattr(torch, word)):
            return {word: str(value).removeprefix("torch.")}
    if value is None or isinstance(value, bool | int | str):
        return value
    raise plan_error(codes.NOT_A_ROUND, f"an argument of type {type(value).__name__}")


def _name(target: Any) -> str:
    """An operation's name: `aten.add.Tensor`, `operator.mul`."""
    if getattr(target, "__module__", "") in ("_operator", "operator"):
        return f"operator.{target.__name__}"
    return str(target)
