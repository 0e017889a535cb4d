"""The API reference has a word on every public name of both packages (scripts/reference makes it)."""

import ast
import inspect
import itertools
import re
from pathlib import Path

import pytest

import gateway
from network.devnet import cli, fabric_network, pytest_plugin

PROJECT = Path(__file__).resolve().parents[2]
MODULES = [gateway, gateway.errors, gateway.signatures, gateway.digests, gateway.encoding, gateway.tokens]
DEVNET = [fabric_network, pytest_plugin, cli]


def public(module):
    """Yield name and object of whatever a module offers itself."""
    for name in getattr(module, "__all__", dir(module)):
        value = getattr(module, name)
        own = getattr(value, "__module__", "").startswith((module.__name__, "gateway"))
        if not name.startswith("_") and callable(value) and own:
            yield f"{module.__name__}.{name}", value


def members(name, kind):
    """Yield name and object of the public methods and properties that a class defines."""
    for member, value in vars(kind).items():
        method = inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)
        if not member.startswith("_") and method:
            yield f"{name}.{member}", value


@pytest.mark.parametrize("module", MODULES + DEVNET, ids=lambda module: module.__name__)
def test_every_public_name_has_a_docstring(module):
    assert module.__doc__
    named = dict(public(module))
    for name, value in list(named.items()):
        if inspect.isclass(value):
            named |= dict(members(name, value))
    assert named
    assert [name for name, value in named.items() if not inspect.getdoc(value)] == []


def fields_without_text(kind):
    """Yield the public fields of a class that neither its docstring names nor a text below them describes."""
    described = ast.get_docstring(kind) or ""
    for field, below in itertools.zip_longest(kind.body, kind.body[1:]):
        if isinstance(field, ast.AnnAssign) and not field.target.id.startswith("_"):
            text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            if not text and not re.search(rf"\b{field.target.id}\b", described):
                yield f"{kind.name}.{field.target.id}"


def test_every_field_is_described():
    files = [*(PROJECT / "gateway").glob("*.py"), PROJECT / "network" / "devnet" / "fabric_network.py"]
    classes = [node for file in files for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)]
    public_ones = [kind for kind in classes if kind.name in {*gateway.__all__, "FabricNetwork"}]
    assert len(public_ones) > 20
    assert [name for kind in public_ones for name in fields_without_text(kind)] == []
