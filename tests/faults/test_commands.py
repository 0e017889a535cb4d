"""What researchers and admins type, against a federation that has trained: tables, JSON, exit codes, errors."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fl_node.commands.application import application
from fl_node.demo.federation import opened
from tests.faults.stage import NAMES, Nodes, ended, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
TRAINING = "commands"


@pytest.fixture(scope="module")
def trained(run: Path, nodes: Nodes) -> Path:
    async def train() -> None:
        await nodes.ready()
        async with opened(run) as federation:
            await start(federation, TRAINING, 1)
            assert (await ended(federation.first, TRAINING, 1)).phase == "Final"

    asyncio.run(train())
    return run


def typed(run: Path, line: str, code: int = 0, org: str = "hospital-a") -> str:
    words = line.split()
    result = CliRunner().invoke(application(words), [*words, "--org", org, "--run", str(run)], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


def answered(run: Path, line: str, code: int = 0, org: str = "hospital-a") -> Any:
    return json.loads(typed(run, f"{line} --json", code, org))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("member list", "HospitalDMSP"),
        ("member show hospital-b", "HospitalBMSP"),
        ("proposal list", "register_plan"),
        ("plan list", TRAINING),
        (f"train status {TRAINING}", "Final"),
        (f"model lineage {TRAINING}", "hospital-d"),
        ("wallet balance", "total supply"),
        (f"wallet rewards {TRAINING} 1", "hospital-c"),
        ("wallet reputation hospital-b", "finished"),
        ("node status", "healthy"),
        ("node doctor", "participant"),
    ],
)
def test_what_is_shown_to_people_is_there_for_machines(trained: Path, line: str, shown: str):
    table = typed(trained, line)
    assert shown in table
    assert shown in json.dumps(answered(trained, line))


def test_a_list_has_no_empty_column(trained: Path):
    for record in answered(trained, "member list"):
        assert {"participant", "msp_id", "status", "stake", "profile"} <= set(record)
    rows = [line.split("│")[1:-1] for line in typed(trained, "member list").splitlines() if line.startswith("│")]
    assert [row[0].strip() for row in rows] == list(NAMES)
    assert all(cell.strip() for row in rows for cell in row)


def test_a_proposal_is_made_voted_and_takes_effect(trained: Path):
    made = answered(trained, 'proposal create set_parameters parameters={"count_bucket":1}')
    assert (made["status"], made["yes"]) == ("open", 1)
    assert "HospitalAMSP yes" in typed(trained, "proposal list")
    assert answered(trained, f"proposal vote {made['proposal'][:12]}", org="hospital-b")["yes"] == 2
    assert answered(trained, "proposal vote set_parameters", org="hospital-c")["status"] == "executed"
    assert answered(trained, "proposal vote set_parameters", code=1)["error"]["code"] == "FL4001"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("member show nobody", "FL0202", "no such participant"),
        ("train status nothing", "FL0404", "no such training"),
        ("train start another --plan nothing", "FL4001", "plan list"),
        ("proposal create nonsense a=b", "FL0111", "no such kind"),
        ("proposal create admit hospital-a", "FL4001", "key=value"),
        ("wallet transfer NobodyMSP 5", "FL0603", "no such account"),
        ("plan register /dev/null", "FL3001", "plan"),
        ("model lineage nothing", "FL0404", "no such training"),
        ("proposal create set_parameters count_bucket=1", "FL0002", "unknown-field"),
        ("train start a/b --plan commands", "FL0002", "a-z, 0-9"),
        ("blobs get 12 --out nowhere", "FL4001", "64 digits"),
        (f"blobs get {'0' * 64} --out nowhere", "FL4704", "has this blob"),
    ],
)
def test_a_mistake_is_an_error_with_a_code_and_a_sentence(trained: Path, line: str, code: str, said: str):
    error = answered(trained, line, code=1)["error"]
    assert error["code"] == code
    assert said in f"{error['message']} {error['hint']}"
    assert code in typed(trained, line, code=1)


@pytest.mark.parametrize("line", ["node status", "blobs serve", "member list"])
def test_an_organisation_that_is_not_there_is_named_with_those_that_are(trained: Path, line: str):
    shown = typed(trained, line, code=1, org="hospital-z")
    assert "FL1010: there is no organisation hospital-z" in shown
    assert "hospital-d, regulator" in shown


def test_a_file_that_cannot_be_written_is_named(trained: Path):
    plan = next(item["plan"] for item in answered(trained, "plan list"))
    error = answered(trained, f"blobs get {plan} --out /dev/null/plan.zip", code=1)["error"]
    assert (error["code"], error["where"]) == ("FL1012", "/dev/null/plan.zip")


@pytest.mark.parametrize("line", ["node status", "blobs serve"])
def test_a_regulator_has_neither_node_nor_blob_service(trained: Path, line: str):
    assert "FL4008" in typed(trained, line, code=1, org="regulator")


def test_tokens_change_hands(trained: Path):
    before = answered(trained, "wallet balance")
    answered(trained, "wallet transfer hospital-b 5", org="hospital-d")
    after = answered(trained, "wallet balance")
    assert (before["HospitalDMSP"] - after["HospitalDMSP"], after["HospitalBMSP"] - before["HospitalBMSP"]) == (5, 5)
    assert before["total supply"] == after["total supply"]


def test_a_plan_is_known_by_name_digest_or_its_beginning(trained: Path):
    (plan,) = [item["plan"] for item in answered(trained, "plan list") if item["name"] == TRAINING]
    for number, text in enumerate((TRAINING, plan, plan[:10])):
        assert answered(trained, f"train start again-{number} --plan {text}")["plan"] == plan
