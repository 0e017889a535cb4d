"""The command line: quick help, JSON, exit codes, errors with their code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fl_node.commands.application import application
from fl_node.commands.common import show
from fl_node.commands.parts import PARTS, overview
from fl_node.commands.proposal import body_of
from fl_node.errors import NodeError

RUNNER = CliRunner()


FRAMEWORKS = {
    "aiohttp", "asyncio", "cryptography", "grpc", "jax", "matplotlib", "numpy", "pandas", "pyarrow",
    "pydantic", "rich", "structlog", "tensorflow", "torch", "typer", "yaml",
}  # fmt: skip
"""Packages whose import a person would notice."""


def imported(script: str) -> tuple[str, set[str]]:
    """Return what a script prints in an interpreter of its own, and which packages it has imported by then."""
    ending = "\nimport sys; print(); print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script + ending], capture_output=True, text=True, check=True)
    said, _, names = done.stdout.rstrip().rpartition("\n")
    return said, set(names.split())


def test_help_names_every_part_and_imports_none():
    said, names = imported("import sys; sys.argv = ['fedledger', '--help']; from fl_node.cli import main; main()")
    assert names.isdisjoint(FRAMEWORKS)
    assert all(name in said for name in PARTS)


def test_help_is_as_wide_as_the_terminal():
    assert max(map(len, overview(60).splitlines())) <= 60


def test_a_node_starts_without_what_only_plans_and_people_need():
    _, names = imported("import fl_node.commands.node")
    assert names.isdisjoint({"jax", "matplotlib", "pandas", "pyarrow", "tensorflow", "torch"})


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_imported_and_explains_itself(part: str):
    result = RUNNER.invoke(application([part]), [part, "--help"])
    assert (result.exit_code, "Usage" in result.output) == (0, True), result.output


def test_the_shell_completes_parts_and_their_commands():
    for words, place, expected in (("fedledger wal", "1", "wallet"), ("fedledger train sta", "2", "start status")):
        done = subprocess.run(
            [sys.executable, "-m", "fl_node"],
            env={**os.environ, "_FEDLEDGER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.split() == expected.split(), done.stderr


def test_an_unknown_command_is_an_error_of_usage():
    assert RUNNER.invoke(application(["nonsense"]), ["nonsense"]).exit_code == 2


def test_an_error_has_its_code_in_json_and_ends_with_one(tmp_path: Path):
    arguments = ["member", "list", "--org", "hospital-a", "--run", str(tmp_path), "--json"]
    result = RUNNER.invoke(application(arguments), arguments)
    assert (result.exit_code, json.loads(result.output)["error"]["code"]) == (1, "FL1020")


def test_a_doctor_with_findings_ends_with_four(run: Path):
    arguments = ["node", "doctor", "--org", "hospital-a", "--run", str(run), "--json"]
    result = RUNNER.invoke(application(arguments), arguments)
    codes = {finding["check"]: finding["code"] for finding in json.loads(result.output)}
    assert (result.exit_code, codes["channel"], codes["ledger"]) == (4, "FL1060", "FL4005")


def test_a_node_that_cannot_start_says_why(run: Path):
    arguments = ["node", "run", "--org", "hospital-a", "--data", "/nowhere.csv", "--run", str(run)]
    result = RUNNER.invoke(application(arguments), arguments)
    assert (result.exit_code, "FL4001" in result.output) == (1, True)


def test_a_body_is_read_from_fields():
    fields = ["participant=hospital-a", "rounds=5", 'parameters={"epoch_rounds":3}', "name=a=b"]
    assert body_of(fields) == {
        "participant": "hospital-a",
        "rounds": 5,
        "parameters": {"epoch_rounds": 3},
        "name": "a=b",
    }
    with pytest.raises(NodeError, match="FL4001"):
        body_of(["rounds"])


def test_records_show_as_json_whole(capsys: pytest.CaptureFixture[str]):
    records = [{"participant": "a", "profile": {"rows": 3}}]
    show(records, as_json=True)
    assert json.loads(capsys.readouterr().out) == records


@pytest.mark.parametrize(
    ("code", "says"), [("FL0408", "another phase"), ("fl1020", "network up"), ("FL4203", "restored")]
)
def test_a_code_of_any_owner_is_explained(code: str, says: str):
    result = RUNNER.invoke(application(["explain"]), ["explain", code])
    assert (result.exit_code, says in result.output) == (0, True), result.output


def test_a_code_that_nobody_knows_is_refused():
    result = RUNNER.invoke(application(["explain"]), ["explain", "FL9999"])
    assert (result.exit_code, "FL4001" in result.output) == (1, True)
