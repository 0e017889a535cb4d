import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner

from network import runfolder
from network.bringup import Request, down, up
from network.cli import identity, network
from network.devnet_plan import devnet_plan
from network.errors import NetworkError
from network.folders import folder_of
from network.organisation import here
from network.topology import load_consortium
from tests.ports import free_ports

app = typer.Typer()
app.add_typer(network, name="network")
app.add_typer(identity, name="identity")

DEFINITION = {
    "base_port": free_ports(),
    "organisations": [{"name": "orderer", "role": "orderer"}]
    + [{"name": f"hospital-{letter}", "role": "member"} for letter in "abc"],
}


def command(*arguments) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(DEFINITION))
    return path


@pytest.fixture
def stopped(tmp_path: Path, definition: Path) -> Path:
    """A run folder as `up` leaves it, of a network that does not run."""
    run = tmp_path / "run"
    consortium = load_consortium(definition)
    runfolder.prepare(run, consortium)
    folders = [folder for _, folder in here(run, consortium)]
    devnet_plan(consortium, folders, Path("/bin/false"), "fedledger:id").write(run)
    return run


def test_status_of_a_stopped_network_exits_with_3_and_names_every_process(stopped):
    code, output, _ = command("network", "status", "--run", stopped, "--json")
    status = json.loads(output)
    assert code == 3
    assert (status["kind"], {p["state"] for p in status["processes"]}) == ("devnet", {"stopped"})
    assert [p["name"] for p in status["processes"]] == [
        "orderer1",
        *(f"peer-hospital-{letter}" for letter in "abc"),
        *(f"chaincode-hospital-{letter}" for letter in "abc"),
    ]


@pytest.mark.parametrize("arguments", [["status"], ["logs", "orderer1"], ["start", "orderer1"], ["stop", "orderer1"]])
def test_without_a_network_commands_say_so(tmp_path, arguments):
    code, output, _ = command("network", *arguments, "--run", tmp_path / "none", "--json")
    assert code == 1
    assert json.loads(output)["error"]["code"] == "FL1020"


def test_errors_are_plain_sentences_for_people(tmp_path):
    code, output, errors = command("network", "status", "--run", tmp_path / "none")
    assert (code, output) == (1, "")
    assert errors == f"FL1020: there is no network here ({tmp_path / 'none'}). Start one with `fedledger network up`.\n"


def test_down_without_a_network_is_done_at_once_and_creates_nothing(tmp_path):
    assert json.loads(command("network", "down", "--run", tmp_path / "none", "--json")[1]) == {
        "stopped": [],
        "wiped": False,
    }
    assert not (tmp_path / "none").exists()


def test_wiping_removes_a_run_folder(stopped):
    command("network", "down", "--run", stopped, "--wipe")
    assert not stopped.exists()


def test_wiping_any_other_folder_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    code, output, _ = command("network", "down", "--run", tmp_path / "mine", "--wipe", "--json")
    assert (code, json.loads(output)["error"]["code"]) == (1, "FL1033")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_another_definition_is_refused_and_changes_nothing(stopped, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({**DEFINITION, "channel": "otherchannel"}))
    before = (stopped / "consortium.yaml").read_bytes()
    with pytest.raises(NetworkError, match="FL1031"):
        up(Request(stopped, definition=other), print)
    assert (stopped / "consortium.yaml").read_bytes() == before


def test_a_wrong_definition_is_refused_before_anything_is_written(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump({**DEFINITION, "endorsement": 1}))
    code, output, _ = command("network", "up", "--run", tmp_path / "run", "--definition", wrong, "--json")
    error = json.loads(output)["error"]
    assert (code, error["code"], error["where"]) == (1, "FL1002", f"{wrong}:2")
    assert not (tmp_path / "run").exists()


def test_a_run_folder_of_the_other_kind_is_refused(stopped):
    with pytest.raises(NetworkError, match="FL1034: this run folder holds a devnet network"):
        up(Request(stopped, kind="fabric"), print)


def test_two_commands_at_once_do_not_meet(stopped):
    with runfolder.locked(stopped), pytest.raises(NetworkError, match="FL1032"):
        down(stopped)


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="needs a folder that nobody can write to")
def test_a_disk_that_cannot_be_written_is_named():
    with pytest.raises(NetworkError, match=r"FL1012: cannot write: .*(/sys/kernel/run)"):
        runfolder.prepare(Path("/sys/kernel/run"), load_consortium())


FILL = """
import resource, sys
from pathlib import Path
from network import runfolder
from network.errors import NetworkError
from network.topology import load_consortium
from tests.ports import free_ports
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    runfolder.prepare(Path(sys.argv[1]), load_consortium(Path(sys.argv[2])))
except NetworkError as error:
    sys.exit(error.code)
"""


def test_a_write_that_does_not_fit_loses_nothing_that_was_there(stopped, definition):
    key = folder_of(stopped, "hospital-a").secrets / "ca" / "key.pem"
    before = (stopped / "consortium.yaml").read_bytes(), key.read_bytes()
    result = subprocess.run(
        [sys.executable, "-c", FILL, stopped, definition], check=False, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (1, "FL1012\n")
    assert ((stopped / "consortium.yaml").read_bytes(), key.read_bytes()) == before
    assert [p for p in stopped.rglob(".*") if p.name != ".lock"] == []


def test_a_nearly_full_disk_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    monkeypatch.setattr(runfolder, "MINIMUM_FREE_BYTES", free * 2)
    with pytest.raises(NetworkError, match=r"FL1014: only .* MB are free"):
        runfolder.prepare(tmp_path / "run", load_consortium())
    assert list((tmp_path / "run").iterdir()) == []


def test_identities_are_added_and_listed(stopped):
    code, output, _ = command("identity", "add", "hospital-a", "laptop", "--run", stopped, "--json")
    assert (code, json.loads(output)["name"]) == (0, "laptop")
    listed = json.loads(command("identity", "list", "--run", stopped, "--json")[1])
    assert [e["unit"] for e in listed if e["name"] == "laptop"] == ["client"]
    assert not any(e["revoked"] for e in listed)


def test_revoking_without_a_network_writes_the_list_and_says_what_is_left(stopped):
    code, output, _ = command("identity", "revoke", "hospital-a", "client", "--run", stopped, "--json")
    error = json.loads(output)["error"]
    assert (code, error["code"]) == (1, "FL1060")
    assert "no answer from peer-hospital-a at " in error["message"]
    assert "`fedledger network start peer-hospital-a`" in error["hint"]
    listed = json.loads(command("identity", "list", "--run", stopped, "--json")[1])
    assert [e["name"] for e in listed if e["revoked"]] == ["client"]


def test_the_federation_that_the_chaincode_expects_is_written_for_every_member(stopped):
    for letter in "abc":
        value = json.loads(folder_of(stopped, f"hospital-{letter}").terms.read_text())
        assert value["members"] == ["HospitalAMSP", "HospitalBMSP", "HospitalCMSP"]
        assert value["channel"] == "fedchannel"
