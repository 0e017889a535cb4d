"""The nodes beside a coordinator are the ledger's own, so that their client must do all that they ask of a ledger."""

import ast
import inspect
import textwrap
from types import FunctionType

import pytest

from benchmarks.coordinator.client import Coordinated
from fl_node.ledger.client import Ledger

FOR_OTHERS = {"word", "refused"}
"""What is signed for somebody else to bring: by version 1 of the rules, which the coordinator runs, nobody does."""


def asks_a_gateway(method: FunctionType) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    return any(isinstance(node, ast.Attribute) and node.attr == "_contract" for node in ast.walk(tree))


METHODS = {name for name, method in vars(Ledger).items() if isinstance(method, FunctionType) and asks_a_gateway(method)}


@pytest.mark.parametrize("name", sorted(METHODS - FOR_OTHERS - {"__init__"}))
def test_what_asks_a_gateway_asks_the_coordinator_there(name: str):
    assert name in vars(Coordinated)


def test_the_methods_that_ask_a_gateway_are_found():
    assert METHODS >= FOR_OTHERS | {"query", "submit"}
