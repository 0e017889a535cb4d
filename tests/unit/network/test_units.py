"""What is rendered for one organisation's hosts, checked by what reads it, and refused where keys lie wrong."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from network import runfolder
from network.bringup import plan_of
from network.cli import network
from network.errors import NetworkError
from network.folders import folder_of
from network.organisation import here
from network.package import locked, write_lock
from network.topology import Consortium, load_consortium
from network.units.model import Wishes, units_of
from network.units.output import Rendering, plan_at, render
from network.units.places import Places
from tests.unit.network.own_folder import own_folder, service

CHAINCODE = "chaincode-0123456789abcdef"
ORGANISATIONS = ("orderer", "hospital-a", "regulator")
PLACES = Places()


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with the keys of every organisation, of a network that does not run."""
    run = tmp_path_factory.mktemp("everybody") / "run"
    consortium = load_consortium()
    runfolder.prepare(run, consortium)
    program = run / CHAINCODE
    program.write_bytes(b"a program")
    lock = locked(consortium, program)
    for _, folder in here(run, consortium):
        write_lock(folder.root, lock)
    plan_of("devnet", consortium, run, program).write(run)
    return run


@pytest.fixture(scope="module")
def consortium(everybody: Path) -> Consortium:
    return load_consortium(everybody / "consortium.yaml")


@pytest.fixture
def own(everybody: Path, tmp_path: Path) -> Path:
    """The folder of hospital-a."""
    return own_folder(everybody, "hospital-a", tmp_path / "own")


def asked(run: Path, organisation: str = "hospital-a", form: str = "systemd", **wishes) -> Rendering:
    return Rendering(run, organisation, form, "fabric", PLACES, Wishes(**wishes))  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_organisation_gets_its_own_processes_and_no_other(everybody, consortium, tmp_path):
    expected = {
        "orderer": ["orderer1", "orderer2", "orderer3", "orderer4"],
        "hospital-a": ["peer-hospital-a", "chaincode-hospital-a", "node-hospital-a"],
        "regulator": ["peer-regulator", "dashboard-regulator"],
    }
    for organisation, names in expected.items():
        own = own_folder(everybody, organisation, tmp_path / organisation)
        files = render(consortium, asked(own, organisation), CHAINCODE, tmp_path / "out" / organisation)
        units = [f"fedledger-{name}.service" for name in names] + [f"fedledger-{organisation}.target"]
        assert set(units) <= set(files)
        assert [name for name in files if name.endswith(".service")] == sorted(units[:-1])


def test_rendering_again_gives_the_same_bytes_and_removes_what_is_gone(own, consortium, tmp_path):
    out = tmp_path / "out"
    render(consortium, asked(own), CHAINCODE, out)
    first = contents(out)
    render(consortium, asked(own), CHAINCODE, out)
    assert contents(out) == first
    render(consortium, asked(own, blobs_only=True), CHAINCODE, out)
    assert not (out / "fedledger-node-hospital-a.service").exists()
    assert (out / "fedledger-blobs-hospital-a.service").exists()


def test_a_folder_with_other_files_is_not_written_into(own, consortium, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(NetworkError, match=r"FL1083: own/"):
        render(consortium, asked(own), CHAINCODE, tmp_path)


def test_a_key_of_another_organisation_in_the_folder_is_named(everybody, own, consortium, tmp_path):
    with pytest.raises(NetworkError, match=r"FL1080: a private key of hospital-b is in the folder of hospital-a"):
        render(consortium, asked(everybody), CHAINCODE, tmp_path / "out")
    hidden = folder_of(own, "hospital-a").user("admin") / "notes.txt"
    hidden.write_bytes((folder_of(everybody, "regulator").user("client") / "msp/keystore/key.pem").read_bytes())
    with pytest.raises(NetworkError, match=r"FL1080: a private key of none of its own identities .*notes\.txt"):
        render(consortium, asked(own), CHAINCODE, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    hidden.unlink()
    assert render(consortium, asked(own), CHAINCODE, tmp_path / "out")


@pytest.mark.parametrize(
    "lost", ["peers/peer0/msp/keystore/key.pem", "users/node/tls/client.key", "chaincode/server.key"]
)
def test_a_key_of_its_own_that_lacks_is_named(own, consortium, tmp_path, lost):
    path = folder_of(own, "hospital-a").secrets / lost
    path.unlink()
    with pytest.raises(NetworkError, match="FL1081") as caught:
        render(consortium, asked(own), CHAINCODE, tmp_path / "out")
    assert caught.value.where == str(path)


def test_the_command_says_what_it_wrote_and_why_it_refuses(everybody, own, tmp_path):
    def ask(run: Path) -> tuple[int, str]:
        arguments = ["render", "--org", "hospital-a", "--run", str(run), "--out", str(tmp_path / "out"), "--json"]
        result = CliRunner().invoke(network, arguments)
        return result.exit_code, result.stdout

    assert ask(everybody)[0] == 1
    assert "FL1080" in ask(everybody)[1]
    code, said = ask(own)
    assert code == 0
    assert "fedledger-hospital-a.target" in said


def test_a_host_gets_what_runs_on_it(consortium):
    definition = consortium.model_dump()
    for number, orderer in enumerate(definition["organisations"][0]["orderers"]):
        orderer["host"] = f"order{number}.example.org"
    spread = Consortium.model_validate(definition)
    plan = plan_at(spread, "fabric", "orderer", PLACES, CHAINCODE, "fedledger:id")
    names = [u.name for u in units_of(spread, plan, "orderer", PLACES, Wishes(host="order2.example.org"))]
    assert names == ["orderer3"]
    with pytest.raises(NetworkError, match=r"FL1022: orderer has no process on elsewhere"):
        units_of(spread, plan, "orderer", PLACES, Wishes(host="elsewhere"))


def test_words_of_a_command_reach_the_process_as_they_are(own, consortium, tmp_path):
    data = Path('/srv/rows of 50% "new"/$HOME')
    render(consortium, asked(own, data=data), CHAINCODE, tmp_path / "out")
    _, command = service((tmp_path / "out" / "fedledger-node-hospital-a.service").read_text())
    assert command[command.index("--data") + 1] == str(data)


def test_no_process_sees_the_keys_of_another(own, consortium, tmp_path):
    render(consortium, asked(own), CHAINCODE, tmp_path / "out")
    keys = {path.relative_to(own) for path in folder_of(own, "hospital-a").secrets.rglob("*") if _is_key(path)}
    for name in ("peer", "chaincode", "node"):
        text = (tmp_path / "out" / f"fedledger-{name}-hospital-a.service").read_text()
        hidden = [line.partition("=-")[2] for line in text.splitlines() if line.startswith("InaccessiblePaths")]
        seen = {key for key in keys if not any((PLACES.folder / key).is_relative_to(path) for path in hidden)}
        plan = plan_at(consortium, "fabric", "hospital-a", PLACES, CHAINCODE, "fedledger:id")
        (unit,) = [u for u in units_of(consortium, plan, "hospital-a", PLACES, Wishes()) if u.name.startswith(name)]
        assert {PLACES.folder / key for key in seen} <= set(unit.keys)


def _is_key(path: Path) -> bool:
    return path.is_file() and b"PRIVATE KEY-----" in path.read_bytes()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
@pytest.mark.parametrize("organisation", ORGANISATIONS)
def test_systemd_finds_nothing_to_say_about_the_units(everybody, consortium, tmp_path, organisation):
    own = own_folder(everybody, organisation, tmp_path / "own")
    places = Places(tmp_path / "own", tmp_path / "programs")
    for name in ("bin/peer", "bin/orderer", f"bin/{CHAINCODE}", "venv/bin/fedledger", "venv/bin/python"):
        (places.programs / name).parent.mkdir(parents=True, exist_ok=True)
        (places.programs / name).write_text("#!/bin/sh\n")
        (places.programs / name).chmod(0o755)
    rendering = Rendering(own, organisation, "systemd", "fabric", places, Wishes())
    files = render(consortium, rendering, CHAINCODE, tmp_path / "out")
    units = [str(tmp_path / "out" / name) for name in files if name.endswith((".service", ".target"))]
    verify = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(verify, capture_output=True, text=True, check=False, timeout=120)
    ours = [line for line in done.stderr.splitlines() if "fedledger" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
@pytest.mark.parametrize("name", ["peer", "chaincode", "node"])
def test_systemd_rates_the_units_as_protected(own, consortium, tmp_path, name):
    render(consortium, asked(own), CHAINCODE, tmp_path / "out")
    unit = tmp_path / "out" / f"fedledger-{name}-hospital-a.service"
    rate = ["systemd-analyze", "security", "--offline=yes", "--threshold=30", "--no-pager", str(unit)]
    done = subprocess.run(rate, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-1500:]
