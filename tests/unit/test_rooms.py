"""The import rules hold a node's rooms apart: an import that crosses them is found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = Path(sys.executable).with_name("lint-imports")
CONTRACT = "rooms-of-a-node"


def lint(root: Path) -> str:
    """Return what import-linter says of a tree's rooms."""
    command = [LINT, "--config", ".importlinter", "--contract", CONTRACT, "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False).stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages with nothing changed."""
    folder = tmp_path_factory.mktemp("rooms")
    shutil.copy(ROOT / ".importlinter", folder)
    for package in ("network", "gateway", "fl_node", "audit", "fedledger_passport"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    assert "1 kept, 0 broken" in lint(folder)
    return folder


@pytest.mark.parametrize(
    ("file", "imported"),
    [
        ("round/duty.py", "fl_node.commands.common"),
        ("round/known.py", "fl_node.node.context"),
        ("round/loop.py", "fl_node.doctor.findings"),
        ("node/start.py", "fl_node.doctor.doctor"),
        ("blobs/mirror.py", "fl_node.round.duty"),
        ("ledger/records.py", "fl_node.round.checks"),
        ("secagg/session.py", "fl_node.ledger.records"),
        ("data/schema.py", "fl_node.plan.errors"),
    ],
)
def test_an_import_that_crosses_the_rooms_is_found(tree: Path, file: str, imported: str):
    path = tree / "fl_node" / file
    right = path.read_text()
    path.write_text(f"{right}\nimport {imported}\n")
    try:
        assert "0 kept, 1 broken" in lint(tree)
    finally:
        path.write_text(right)


def test_no_import_of_a_node_hides_from_the_rules():
    hidden = [path for path in (ROOT / "fl_node").rglob("*.py") if "TYPE_CHECKING" in path.read_text()]
    assert hidden == []
