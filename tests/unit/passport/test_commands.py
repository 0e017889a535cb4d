"""`fedledger passport` where no ledger is needed: exit codes, and what people and machines read."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fl_node.commands.passport import passport
from tests.unit.passport.consortium import Consortium, write_model


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a receiver has it."""
    consortium = Consortium()
    consortium.write(tmp_path / "trust")
    write_model(tmp_path / "model")
    (tmp_path / "passport.json").write_bytes(consortium.signed())
    (tmp_path / "weak.json").write_bytes(consortium.signed(signers=[]))
    (tmp_path / "withdrawal.json").write_bytes(consortium.signed(consortium.withdrawal(consortium.signed())))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_the_exit_code_says_whether_a_passport_holds():
    for arguments, code, word in (
        (["passport.json", "--model", "model"], 0, "3 of 4"),
        (["weak.json"], 4, "FL6009"),
        (["passport.json", "--withdrawal", "withdrawal.json"], 4, "wrong labels"),
        (["none.json"], 1, "none.json"),
    ):
        said = CliRunner().invoke(passport, ["verify", *arguments, "--trust", "trust"])
        assert (said.exit_code, word in said.output) == (code, True), said.output


@pytest.mark.usefixtures("folder")
def test_machines_read_json():
    right = CliRunner().invoke(passport, ["verify", "passport.json", "--trust", "trust", "--json"])
    assert json.loads(right.stdout)["organisations"] == 4
    wrong = CliRunner().invoke(passport, ["verify", "weak.json", "--trust", "trust", "--json"])
    assert json.loads(wrong.stdout)["error"]["code"] == "FL6009"
    shown = CliRunner().invoke(passport, ["show", "passport.json"])
    assert json.loads(shown.stdout)["predicate"]["release"] == "tumour-1"


@pytest.mark.parametrize("rest", [["--format", "onnx"], ["--source", "x.py"], ["--format", "exe", "--source", "x.py"]])
def test_forms_and_their_source_go_together(rest: list[str]):
    line = ["propose", "tumour", "--release", "tumour-1", "--org", "hospital-a", *rest]
    said = CliRunner().invoke(passport, line)
    assert (said.exit_code, "go together" in " ".join(said.output.split())) == (2, True), said.output
