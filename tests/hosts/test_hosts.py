"""Organisations on hosts of their own, set up by the documented commands alone, each from its own folder."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from network.folders import folder_of
from network.topology import DEFAULT_DEFINITION
from network.units.keys import foreign_keys
from tests.contract.harness.ledger import FABRIC_PROGRAMS, fabric_program
from tests.faults import synthetic
from tests.hosts.hosts import PATIENCE_S, Host, hosts, problem

MEMBERS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")
ROOT = Path(__file__).resolve().parents[2]
NODE = f"""PYTHONPATH='{ROOT}' exec "$1" -m tests.faults.synthetic "$2" "$3" "$2/rows.csv" >"$2/node.log" 2>&1"""
ORGANISATIONS = ("orderer", *MEMBERS, "regulator")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def federation(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    """A federation that is founded; everything was done on the organisations' own hosts."""
    reason = problem()
    if reason:
        pytest.skip(reason)
    fabric = pytestconfig.getoption("--network", "devnet") == "fabric"
    if fabric and not all(map(fabric_program, FABRIC_PROGRAMS)):
        pytest.skip("no Fabric binaries in FABRIC_BIN or PATH")
    base = tmp_path_factory.mktemp("hosts")
    letters = base / "letters"
    letters.mkdir()
    with hosts(ORGANISATIONS, base / "disks") as made:
        definition = base / "consortium.yaml"
        definition.write_text(_definition(made))
        try:
            for host in made.values():
                kind = ["--fabric"] if fabric else []
                host.fedledger("org", "init", host.organisation, "--definition", definition, *kind)
                host.fedledger("org", "export", "--out", letters / f"{host.organisation}.export")
            for host in made.values():
                host.fedledger("network", "import", *sorted(letters.iterdir()))
                host.fedledger("network", "genesis")
            for host in made.values():
                host.fedledger("org", "join")
            with ThreadPoolExecutor() as pool:
                list(pool.map(_found, (made[name] for name in MEMBERS)))
            yield made
        finally:
            for host in made.values():
                if (host.folder / "org.yaml").exists():
                    host.fedledger("network", "down")


def _definition(made: dict[str, Host]) -> str:
    value = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    for organisation in value["organisations"]:
        organisation["host"] = made[organisation["name"]].name
    return yaml.safe_dump(value, sort_keys=False)


def _found(host: Host) -> None:
    host.fedledger("member", "found", "--org", host.organisation)


def test_all_render_the_same_first_block_and_verify_one_anothers(federation: dict[str, Host], tmp_path: Path):
    blocks = {(host.folder / "consortium" / "channel.block").read_bytes() for host in federation.values()}
    assert len(blocks) == 1
    (tmp_path / "channel.block").write_bytes(blocks.pop())
    federation["regulator"].fedledger("network", "verify-genesis", tmp_path / "channel.block")


def test_no_host_holds_a_private_key_that_is_not_its_own_organisations(federation: dict[str, Host]):
    for host in federation.values():
        assert list(foreign_keys(host.folder, host.organisation)) == []
        assert folder_of(host.folder, host.organisation).user("admin").exists()


def test_a_host_sees_no_other_organisations_folder(federation: dict[str, Host]):
    seen = federation["hospital-a"].run("ls", federation["hospital-a"].base)
    assert seen.split() == ["hospital-a"]


def test_every_organisation_reads_the_federation_from_its_own_peer(federation: dict[str, Host]):
    genesis = set()
    for name in (*MEMBERS, "regulator"):
        genesis.add(federation[name].fedledger("audit", "genesis", "--org", name))
    assert len(genesis) == 1


def test_a_blob_goes_from_one_host_to_another(federation: dict[str, Host]):
    """The service shows a certificate with its host's name: without it every transfer between hosts fails."""
    source, target = federation["hospital-a"], federation["hospital-b"]
    content = b"to every member"
    (source.folder / "letter").write_bytes(content)
    with ExitStack() as stack:
        for name in MEMBERS:
            host = federation[name]
            service = host.start(*host.command("blobs", "serve", "--org", name))
            stack.callback(service.communicate)
            stack.callback(service.terminate)
        answer = json.loads(_again(lambda: source.fedledger("blobs", "put", "letter", "--org", "hospital-a", "--json")))
        assert answer["digest"] == hashlib.sha256(content).hexdigest()
        target.fedledger("blobs", "get", answer["digest"], "--out", target.folder / "got", "--org", "hospital-b")
    assert (target.folder / "got").read_bytes() == content


def _again(step: Callable[[], str]) -> str:
    """Do a step until it succeeds: services may need a while to come up."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return step()
        except AssertionError:
            if time.monotonic() > deadline:
                raise


def test_a_training_of_three_rounds_ends_final_and_the_regulator_finds_nothing(federation: dict[str, Host]):
    plan = synthetic.plan_of("hosts")
    for number, name in enumerate(MEMBERS, start=1):
        folder = federation[name].folder
        (folder / "sum.flplan").write_bytes(plan)
        (folder / "rows.csv").write_text("\n".join(["number", *[str(number)] * synthetic.ROWS]) + "\n")
    with ExitStack() as stack:
        for name in MEMBERS:
            node = federation[name].start("sh", "-c", NODE, "sh", sys.executable, federation[name].folder, name)
            stack.callback(node.communicate)
            stack.callback(node.terminate)
        _admit_all(federation)
        _act(federation, "hospital-a", "plan", "register", "sum.flplan")
        _vote(federation, "register_plan", *MEMBERS[1:3])
        digest = hashlib.sha256(plan).hexdigest()
        _act(federation, "hospital-a", "train", "start", "first", "--plan", digest, "--rounds", "3")
        _vote(federation, "start_training", *MEMBERS[1:3])
        _wait_for_three_rounds(federation["hospital-a"])
    regulator = federation["regulator"]
    regulator.fedledger("audit", "fetch", "--out", "audit")
    genesis = json.loads(_act(federation, "hospital-c", "audit", "genesis", "--json"))["genesis_hash"]
    regulator.fedledger("audit", "verify", "--blocks", "audit", "--genesis", genesis)
    test_no_host_holds_a_private_key_that_is_not_its_own_organisations(federation)


def _act(federation: dict[str, Host], organisation: str, *words: object) -> str:
    return _again(lambda: federation[organisation].fedledger(*words, "--org", organisation))


def _vote(federation: dict[str, Host], proposal: str, *voters: str) -> None:
    for voter in voters:
        _act(federation, voter, "proposal", "vote", proposal)


def _admit_all(federation: dict[str, Host]) -> None:
    for name in MEMBERS:
        _act(federation, name, "member", "apply", "--plan", "sum.flplan", "--data", "rows.csv")
        _act(federation, name, "proposal", "create", "admit", f"participant={name}")
        _vote(federation, name, *[other for other in MEMBERS if other != name][:2])


def _wait_for_three_rounds(host: Host) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = json.loads(host.fedledger("train", "status", "first", "--org", host.organisation, "--json"))
        phases = [attempt["phase"] for attempt in status["attempts"]]
        if phases.count("Final") == 3:
            return
        assert time.monotonic() < deadline, status
