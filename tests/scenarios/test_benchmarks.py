"""Each benchmark still runs: as small as can be, by the command of a person who measures."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.runner.catalogue import BENCHMARKS

BY_NAME = {each.name: each for each in BENCHMARKS}
QUICK = ("start", "masking", "endorsement", "endorsement-in-groups", "data", "audit")
NETWORKS = ("rounds", "million", "fifty", "ledger", "ready", "growth")  # the others differ in their arguments alone
BESIDE = {"postgres": "round by the coordinator", "flower": "Flower's round", "flare": "FLARE's round"}
"""What is measured beside others, and the figure of theirs, which takes PostgreSQL or packages of their own."""
COMMAND = Path(sys.executable).with_name("fedledger-bench")


def figures(names: tuple[str, ...], folder: Path) -> dict[str, dict[str, float | None]]:
    """Run benchmarks; return their figures by name."""
    command = [COMMAND, *names, "--smoke", "--json", folder / "figures.json"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    found = json.loads((folder / "figures.json").read_text())["benchmarks"]
    return {each["name"]: {figure["name"]: figure["median"] for figure in each["figures"]} for each in found}


@pytest.mark.timeout(300)
def test_what_needs_no_network(tmp_path: Path):
    found = figures(QUICK, tmp_path)
    assert {name for name, values in found.items() if None not in values.values()} == {*QUICK} - {"masking"}
    assert found["masking"]["Flower's step over ours"] is None  # its environment is not this one
    assert found["start"]["fedledger --help"] > 0


@pytest.mark.lengthy
@pytest.mark.jax
@pytest.mark.timeout(300)
def test_what_privacy_costs(tmp_path: Path):
    (values,) = figures(("privacy",), tmp_path).values()
    assert None not in values.values()
    command = [sys.executable, "-m", "benchmarks.privacy", "--example", "credit", "--unit", "participant", "--json"]
    said = subprocess.run([*command, "--rounds", "1", "--seeds", "1"], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout)["cases"].keys() == {"federated", "federated, private, ε = 3"}


@pytest.mark.lengthy
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BESIDE)
def test_what_is_measured_beside_others(name: str, tmp_path: Path):
    values = figures((name,), tmp_path)[name]
    if values[BESIDE[name]] is None:
        pytest.skip("what it is measured beside is not here")
    assert None not in values.values()


@pytest.mark.lengthy
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", NETWORKS)
def test_what_brings_up_a_network(name: str, tmp_path: Path):
    (values,) = figures((name,), tmp_path).values()
    lacking = {label for label, value in values.items() if value is None}
    assert lacking <= {"of Node, 1 client", "of Node, 16 clients", "of Node, 64 clients"}
    if name == "ledger" and shutil.which("npm"):
        assert values["start to first commit"] > 0
