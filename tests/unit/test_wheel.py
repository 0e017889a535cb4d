"""The wheel in an environment of its own, far from any checkout: what it finds, and what it says of what it lacks."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
UV = shutil.which("uv") or str(PROJECT / ".build" / "uv" / "bin" / "uv")  # where scripts/setup puts it
DATA = (
    "network/consortium.yaml",
    "network/codes.json",
    "fl_node/plan/tff/allowed_ops.txt",
    "fl_node/plan/jax/requirements.lock",
    "fl_node/plan/torch/requirements.lock",
    "fl_node/plan/torch/allowed_ops.txt",
    "fl_node/examples/tumour_ranges.json",
    "fl_node/examples/tumour.py",
    "audit/report/pages/report.html",
    "audit/report/pages/static/style.css",
    "fedledger_passport/schema.json",
)
"""Files that are read at run time and are no modules that something imports."""


class Installed:
    """An installation of the wheel with what it depends on at least, in a folder that has nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheel = self._build()
        self._uv("venv", "--quiet", "--python", sys.executable, "venv")
        pins = folder / "pins.txt"
        pins.write_text("\n".join(_versions((PROJECT / "requirements.lock").read_text())))
        self._uv("pip", "install", "--quiet", "--python", "venv", "--override", str(pins), str(self.wheel))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command."""
        command = [str(self.folder / "venv" / "bin" / "fedledger"), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=_environment(), capture_output=True, text=True, check=False, timeout=60
        )

    def answer(self, *arguments: str) -> Any:
        """Return what the installed command prints as JSON."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def _build(self) -> Path:
        self._uv("build", "--quiet", "--wheel", "--out-dir", str(self.folder / "dist"), str(PROJECT))
        return next((self.folder / "dist").glob("*.whl"))

    def _uv(self, *arguments: str) -> None:
        done = subprocess.run([UV, *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_every_file_that_is_read(installed: Installed):
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "network", "gateway", "fl_node", "audit", "fedledger_passport"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert set(DATA) <= names
    assert set(tracked) <= names


@pytest.mark.parametrize("code", ["FL0501", "FL5103"])
def test_a_code_is_explained(installed: Installed, code: str):
    said = installed.answer("explain", code)
    assert said["code"] == code
    assert said["meaning"].endswith(".")


def test_a_command_that_fails_says_what_to_do(installed: Installed):
    error = installed.answer("member", "list", "--org", "hospital-a")["error"]
    assert (error["code"], error["where"]) == ("FL1020", str(installed.folder / ".fedledger"))
    assert "network up" in error["hint"]


def test_a_refusal_of_the_contract_keeps_its_meaning(installed: Installed):
    script = (
        "from fl_node.ledger.client import meaning; import network, fl_node, json;"
        "print(json.dumps([meaning('FL0102'), network.__file__, fl_node.__file__]))"
    )
    python = str(installed.folder / "venv" / "bin" / "python")
    done = subprocess.run(
        [python, "-c", script], cwd=installed.folder, env=_environment(), capture_output=True, text=True, check=True
    )
    sentence, *places = json.loads(done.stdout)
    assert sentence.startswith("The federation has not been founded yet. Let each founder")
    assert all(Path(place).is_relative_to(installed.folder) for place in places)


def test_rows_are_read_only_where_the_packages_of_a_node_are(installed: Installed):
    script = (
        "from pathlib import Path; from fl_node.data.read import reader; "
        "from fl_node.data.errors import DataError\n"
        "try: reader(Path('rows.csv'))\n"
        "except DataError as error: print(error)"
    )
    python = str(installed.folder / "venv" / "bin" / "python")
    done = subprocess.run(
        [python, "-c", script], cwd=installed.folder, env=_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("FL3112: reading rows needs the package pyarrow (rows.csv).")
    assert "fedledger[node]" in done.stdout


def test_what_needs_a_checkout_says_so(installed: Installed):
    error = installed.answer("network", "up")["error"]
    assert error["code"] == "FL1042"
    assert "FEDLEDGER_CHECKOUT" in error["hint"]


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def _versions(lock: str) -> list[str]:
    """Return the pins of a lock without hashes and continuation; without markers' lines nothing is lost."""
    return [line.split(" \\")[0] for line in lock.splitlines() if "==" in line and not line.startswith(" ")]
