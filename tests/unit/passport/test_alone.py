"""The small package by itself: installed where nothing else is, and beside tools that everybody has."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.passport import consortium as paper

PROJECT = Path(__file__).resolve().parents[3]
UV = shutil.which("uv") or str(PROJECT / ".build" / "uv" / "bin" / "uv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a receiver has it: a passport, the model and whom to trust."""
    found = tmp_path_factory.mktemp("received")
    consortium = paper.Consortium()
    consortium.write(found / "consortium")
    paper.write_model(found / "model")
    (found / "passport.json").write_bytes(consortium.signed())
    (found / "weak.json").write_bytes(consortium.signed(signers=[consortium.members[0].admin]))
    return found


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed into an empty environment from a copy of its own folder alone."""
    place = tmp_path_factory.mktemp("alone")
    shutil.copytree(PROJECT / "fedledger_passport", place / "source", ignore=shutil.ignore_patterns("__pycache__"))
    for line in (
        ("venv", "--quiet", "--python", sys.executable, "venv"),
        ("pip", "install", "--quiet", "--python", "venv", "./source"),
    ):
        done = subprocess.run([UV, *line], cwd=place, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return place / "venv" / "bin" / "fedledger-passport"


def run(command: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL"))}
    line = [str(command), *arguments]
    return subprocess.run(line, cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_the_package_alone_checks_a_passport(command: Path, folder: Path):
    trust = ("--trust", "consortium", "--model", "model")
    right = run(command, folder, "verify", "passport.json", *trust, "--json")
    assert json.loads(right.stdout)["signed_by"] == ["HospitalAMSP", "HospitalBMSP", "HospitalCMSP"], right.stderr
    assert run(command, folder, "verify", "passport.json", *trust).returncode == 0
    wrong = run(command, folder, "verify", "weak.json", *trust)
    assert (wrong.returncode, "FL6009" in wrong.stderr) == (4, True)
    assert run(command, folder, "verify", "none.json", *trust).returncode == 1
    assert json.loads(run(command, folder, "show", "passport.json").stdout)["_type"].startswith("https://in-toto.io")


def test_the_pages_commands_check_a_passport_with_standard_tools(folder: Path, tmp_path: Path):
    if not all(map(shutil.which, ("jq", "openssl", "sha256sum"))):
        pytest.skip("no jq, openssl or sha256sum here")
    page = (PROJECT / "docs" / "passport.md").read_text()
    (script,) = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    shutil.copytree(folder, tmp_path / "here")
    done = subprocess.run(["bash", "-euc", script], cwd=tmp_path / "here", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for word in ("Verified OK", "cert.pem: OK", "model/model.safetensors: OK"):
        assert word in done.stdout
    envelope = json.loads((tmp_path / "here" / "passport.json").read_text())
    envelope["signatures"][0]["sig"] = envelope["signatures"][1]["sig"]
    (tmp_path / "here" / "passport.json").write_text(json.dumps(envelope))
    done = subprocess.run(["bash", "-euc", script], cwd=tmp_path / "here", capture_output=True, text=True, check=False)
    assert done.returncode != 0
