"""Error codes: one catalogue for each owner, constants that follow from it, no other place."""

import ast
import re
import runpy
from pathlib import Path
from types import ModuleType

import pytest

import audit.codes
import fedledger_passport.codes
import fl_node.codes
import network.codes
from network import contract_codes

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(PROJECT / "scripts" / "codes.py"))
ROOMS = ("network", "fl_node", "audit", "fedledger_passport")
GENERATED = set(SCRIPT["generated"]())
SOURCES = [path for room in ROOMS for path in (PROJECT / room).rglob("*.py") if path not in GENERATED]
OWNERS = [network.codes, fl_node.codes, audit.codes, fedledger_passport.codes]
OWN = pytest.mark.parametrize("owner", OWNERS, ids=lambda module: module.__name__)


def test_constants_and_tables_follow_from_the_catalogues():
    """Fails after a change of a catalogue until scripts/codes.py has run."""
    for path, text in SCRIPT["generated"]().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run scripts/codes.py"


def test_no_code_is_written_out_where_a_constant_exists():
    literals = re.compile(r"""["']FL\d{4}["']""")
    written = [f"{path}: {found}" for path in SOURCES for found in literals.findall(path.read_text(encoding="utf-8"))]
    assert not written


@OWN
def test_every_code_of_a_catalogue_is_used(owner: ModuleType):
    names = {name for name, value in vars(owner).items() if isinstance(value, str) and value.startswith("FL")}
    used = {name for path in SOURCES for name in _codes_of(owner.__name__, path)}
    assert names == used - {"CATALOGUE"}


@pytest.mark.parametrize("owner", [*OWNERS, contract_codes], ids=lambda module: module.__name__)
def test_a_code_has_one_name_and_a_sentence(owner: ModuleType):
    values = [value for value in vars(owner).values() if isinstance(value, str) and value.startswith("FL")]
    catalogue: dict[str, tuple[str, str]] = owner.CATALOGUE
    assert sorted(values) == sorted(catalogue)
    for code, entry in catalogue.items():
        for sentence in filter(None, entry):
            assert re.fullmatch(r"\S.*[.]", sentence), (code, sentence)


def test_no_two_owners_share_a_code():
    codes = [code for owner in (*OWNERS, contract_codes) for code in owner.CATALOGUE]
    assert len(codes) == len(set(codes))


def _codes_of(module: str, path: Path) -> set[str]:
    """Return the constants of a module that a file names as `codes.NAME`, or by the name that it imports it under."""
    text, room = path.read_text(encoding="utf-8"), module.removesuffix(".codes")
    if f"from {room} import " not in text:  # reading it as Python takes longer than all else here
        return set()
    tree = ast.parse(text)
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == room:
            known = {imported.asname or "codes" for imported in node.names if imported.name == "codes"}
            attributes = (n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name))
            named |= {n.attr for n in attributes if n.value.id in known}  # type: ignore[attr-defined]
    return named
