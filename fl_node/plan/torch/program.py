"""Runs a program that was read and judged, one operation after the other, so that autograd sees an ordinary model."""

import operator
from collections.abc import Sequence
from typing import Any, Final

import torch

from fl_node import codes
from fl_node.plan.errors import plan_error
from fl_node.plan.torch.graph import Graph

ON_SIZES: Final = "operator."
OF_TENSORS: Final = "aten."


class Program:
    """A program, ready to run.

    Args:
        name: `train` or `evaluate`.
        graph: The program, checked by `check_graph`.
        device: Where it runs.

    Raises:
        PlanError: FL3013 for an operation or a word that PyTorch does not have.
    """

    def __init__(self, name: str, graph: Graph, device: str) -> None:
        self._device = torch.device(device)
        self.inputs, self._outputs = graph.inputs, graph.outputs
        try:
            self._steps = [
                (
                    _function(node.operation),
                    self._read(node.args),
                    {name: self._read(one) for name, one in node.kwargs.items()},
                )
                for node in graph.nodes
            ]
        except (AttributeError, ValueError) as error:
            raise plan_error(codes.NOT_A_ROUND, f"{name} cannot be read: {error}") from error

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """Runs it; returns its outputs."""
        values = list(inputs)
        for function, args, kwargs in self._steps:
            named = {name: _filled(one, values) for name, one in kwargs.items()}
            values.append(function(*_filled(args, values), **named))
        return [values[at] for at in self._outputs]

    def _read(self, argument: Any) -> Any:
        """An argument with PyTorch's own words in the place of their names; values stay to be filled in."""
        match argument:
            case list():
                return [self._read(one) for one in argument]
            case {"at": int(at)}:
                return _Value(at)
            case {"float": str(text)}:
                return float.fromhex(text)
            case {"device": _}:
                return self._device
            case dict():
                return _word(argument)
        return argument


def _word(argument: dict[str, Any]) -> Any:
    """One of PyTorch's own words, such as {"dtype": "float32"}."""
    ((kind, word),) = argument.items()
    found = getattr(torch, word)
    if not isinstance(found, getattr(torch, kind)):
        raise plan_error(codes.NOT_A_ROUND, f"{word} is no {kind}")
    return found


class _Value(int):
    """The number of an earlier value."""


def _filled(argument: Any, values: list[Any]) -> Any:
    if isinstance(argument, _Value):
        return values[argument]
    return [_filled(one, values) for one in argument] if isinstance(argument, list) else argument


def _function(operation: str) -> Any:
    if operation.startswith(ON_SIZES):
        return getattr(operator, operation.removeprefix(ON_SIZES))
    family, _, overload = operation.removeprefix(OF_TENSORS).partition(".")
    return getattr(getattr(torch.ops.aten, family), overload)
