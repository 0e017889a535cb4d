r"""A program as a list of aten operations, in canonical JSON: read and judged before anything of it runs.

    {"format": "fedledger-aten/1", "inputs": n, "outputs": [k, …],
     "nodes": [[operation, [argument, …], {name: argument}], …]}

Value k is input k, and after the inputs the result of a node, in order. An argument is an integer, a text, a boolean,
null, a list of arguments, `{"at": k}` (an earlier value), `{"float": hexadecimal text}`, or the name of one of
PyTorch's own words: `{"dtype": …}`, `{"layout": …}`, `{"memory_format": …}`, `{"device": "cpu"}`.

PyTorch's own file of an exported program holds pickles, and texts that its reader evaluates; this holds neither, and
one model gives the same bytes each time. Needs no PyTorch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fl_node import codes
from fl_node.canonical import CanonicalError, canonical_json, decode_strict
from fl_node.plan.allowed import allowed_ops
from fl_node.plan.errors import plan_error

FORMAT: Final = "fedledger-aten/1"
HERE: Final = Path(__file__).parent
WORDS: Final = ("dtype", "layout", "memory_format", "device")
_RECURRENT: Final = ("lstm", "gru", "rnn_tanh", "rnn_relu")
DROPOUTS: Final = {
    **{f"aten.{name}.input": 5 for name in _RECURRENT},
    **{f"aten.{name}.data": 6 for name in _RECURRENT},
    "aten.scaled_dot_product_attention.default": 4,
}
"""Operations that draw where they are told a share to drop: the place of that argument."""
DROPPED: Final = ("dropout", "dropout_p")
"""That argument's names."""
NOTHING: Final = (None, 0, {"float": (0.0).hex()})


@dataclass(frozen=True)
class Node:
    """One operation: its name with its overload, and its arguments as the program writes them."""

    operation: str
    args: list[Any]
    kwargs: dict[str, Any]

    @property
    def family(self) -> str:
        """The operation without its overload, as allow-lists name it."""
        return self.operation if self.operation.startswith("operator.") else self.operation.rpartition(".")[0]

    @property
    def drops(self) -> Any:
        """The share that it drops at random; None for an operation that is never told one."""
        place = DROPOUTS.get(self.operation)
        if place is None:
            return None
        named = [self.kwargs[name] for name in DROPPED if name in self.kwargs]
        return named[0] if named else self.args[place] if len(self.args) > place else None


@dataclass(frozen=True)
class Graph:
    """A program: how many inputs it takes, its nodes, and which values it returns."""

    inputs: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def encode(self) -> bytes:
        """The program's bytes in the plan file."""
        nodes = [[node.operation, node.args, node.kwargs] for node in self.nodes]
        return canonical_json({"format": FORMAT, "inputs": self.inputs, "nodes": nodes, "outputs": list(self.outputs)})


def read_graph(name: str, raw: bytes) -> Graph:
    """Reads a program.

    Args:
        name: `train` or `evaluate`.
        raw: Its bytes.

    Raises:
        PlanError: FL3013 where they are no program, or use a value before it is there.
    """
    try:
        match decode_strict(raw):
            case {"format": "fedledger-aten/1", "inputs": int(inputs), "nodes": list(nodes), "outputs": list(outputs)}:
                graph = Graph(inputs, tuple(map(_node, nodes)), tuple(outputs))
            case _:
                raise ValueError("not a program of this version")  # noqa: TRY301 - all that is wrong with it in one place
        if graph.encode() != raw:
            raise ValueError("not in canonical form")  # noqa: TRY301 - as above
        for at, node in enumerate(graph.nodes):
            _check_values([*node.args, *node.kwargs.values()], inputs + at)
        _check_values([{"at": at} for at in outputs], inputs + len(nodes))
    except (ValueError, CanonicalError) as error:
        raise plan_error(codes.NOT_A_ROUND, f"{name} cannot be read: {error}") from error
    return graph


def _node(entry: Any) -> Node:
    match entry:
        case [str(operation), list(args), dict(kwargs)]:
            return Node(operation, args, kwargs)
        case _:
            raise ValueError(f"node {str(entry)[:80]}")


def _check_values(arguments: list[Any], before: int) -> None:
    """Checks every argument's form, and that values it names are there by then."""
    for one in _flat(arguments):
        match one:
            case {"at": int(at)} if len(one) == 1 and type(at) is int and 0 <= at < before:
                pass
            case {"float": str(text)} if len(one) == 1:
                float.fromhex(text)
            case dict() if len(one) == 1 and next(iter(one)) in WORDS and isinstance(next(iter(one.values())), str):
                pass
            case dict():
                raise ValueError(f"argument {str(one)[:80]}")


def _flat(arguments: list[Any]) -> Iterator[Any]:
    for one in arguments:
        if isinstance(one, list):
            yield from _flat(one)
        else:
            yield one


def check_graph(name: str, graph: Graph) -> tuple[str, ...]:
    """Checks every operation of a program.

    Args:
        name: `train` or `evaluate`.
        graph: The program.

    Returns:
        The random operations that it holds, sorted, each once.

    Raises:
        PlanError: FL3005 (operation not allowed), FL3006 (random operation outside training).
    """
    drawn = set()
    for node in graph.nodes:
        section = allowed_ops(HERE).get(node.family)
        if section is None:
            raise plan_error(codes.OP_NOT_ALLOWED, f"operation {node.operation} in {name}")
        if section == "random" or node.drops not in NOTHING:
            drawn.add(node.family)
    if drawn and name != "train":
        raise plan_error(codes.RANDOM_OP, f"operation {min(drawn)} in {name}")
    return tuple(sorted(drawn))
