"""Organisations upgrade the chaincode, each in its own folder and when it comes to it; real processes."""

import shutil
from pathlib import Path

import pytest
import yaml

from gateway import Endpoint, Identity, Signer, connect
from network import genesis, processes
from network.bringup import down, join
from network.checkout import chaincode_sources
from network.connection import consortium_of, profile
from network.errors import NetworkError
from network.export import export
from network.folders import coming_lock_path
from network.importing import checked, keep
from network.organisation import begin
from network.package import Lock, read_lock
from network.plan import Plan
from network.topology import DEFAULT_DEFINITION, Consortium, load_consortium
from network.upgrade import make_lock, upgrade
from tests.contract.harness.ledger import FABRIC_PROGRAMS, fabric_program
from tests.ports import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
NAMES = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")
FABRIC = pytest.param(
    "fabric",
    marks=[
        pytest.mark.fabric,
        pytest.mark.skipif(not all(map(fabric_program, FABRIC_PROGRAMS)), reason="no Fabric binaries"),
    ],
)


def quiet(_: str) -> None:
    pass


def folders_of(base: Path, consortium: Consortium, kind: str) -> dict[str, Path]:
    """Every organisation's own folder, with the others' exports and the first block."""
    made = {o.name: begin(base / o.name, consortium, o.name, kind) for o in consortium.organisations}  # type: ignore[arg-type]
    exports = [export(folder, consortium.organisation(name)).dump() for name, folder in made.items()]
    for folder in made.values():
        for each in exports:
            keep(folder.root, checked(consortium, each), replace=True)
        genesis.write(folder.root, consortium, kind)  # type: ignore[arg-type]
    return {name: folder.root for name, folder in made.items()}


def newer(folder: Path) -> Path:
    sources = folder / "chaincode"
    shutil.copytree(chaincode_sources(), sources, ignore=shutil.ignore_patterns("*_test.go", "testdata"))
    (sources / "cmd" / "conformance" / "newer.go").write_text("package main\n\nfunc init() { println() }\n")
    return sources


def programs(folder: Path) -> list[str]:
    """The chaincode processes of an organisation that run."""
    plan = Plan.read(folder)
    return [p.name for p in plan.processes if p.service == "chaincode" and processes.pid(folder, p.name) is not None]


async def put(folder: Path, name: str, value: str) -> None:
    """Submit at an organisation's own peer; its own program and two others endorse."""
    user = profile(folder, name)
    endpoints = [Endpoint(address, root_certificates=root) for address, root in user.peers]
    async with connect(endpoints, Identity(user.msp_id, user.cert_pem), Signer.from_pem(user.key_pem)) as gateway:
        contract = gateway.network("fedchannel").contract("fedledger")
        await contract.submit("Put", name, value)
        assert await contract.evaluate("Get", name, endorsing_organizations=[user.msp_id]) == value.encode()


@pytest.mark.parametrize("kind", ["devnet", FABRIC])
async def test_each_organisation_upgrades_in_its_own_folder_and_the_last_of_a_majority_commits(tmp_path, kind):
    raw = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    raw |= {"base_port": free_ports(), "chaincode": {"package": "./cmd/conformance"}}
    definition = tmp_path / "definition.yaml"
    definition.write_text(yaml.safe_dump(raw))
    folders = folders_of(tmp_path / "organisations", load_consortium(definition), kind)
    sources = newer(tmp_path)
    try:
        for folder in folders.values():
            join(folder, quiet)
        lock = make_lock(folders["hospital-a"], "1.1", sources)
        for number, name in enumerate(NAMES[:2], start=1):
            done = upgrade(folders[name], lock, quiet, sources)
            assert (done.formed.committed, len(done.formed.approved), done.formed.needed) == (False, number, 3)
            assert programs(folders[name]) == [f"chaincode-{name}", f"chaincode-{name}-2"]
            await put(folders[name], name, "by the old program")
        done = upgrade(folders["hospital-c"], lock, quiet, sources)
        assert (done.formed.committed, done.stopped) == (True, ("chaincode-hospital-c",))
        for name in ("hospital-a", "hospital-b", "hospital-d", "regulator", "orderer"):
            upgrade(folders[name], lock, quiet, sources)
        for name in NAMES:
            assert programs(folders[name]) == [f"chaincode-{name}-2"]
            await put(folders[name], name, "by the new program")
        for folder in folders.values():
            assert consortium_of(folder).chaincode.version == read_lock(folder).version == "1.1"
            assert not coming_lock_path(folder).exists()
        assert upgrade(folders["hospital-a"], lock, quiet, sources).stopped == ()
        refuses_what_does_not_follow(folders["hospital-a"], lock, sources)
    finally:
        for folder in folders.values():
            down(folder)


def refuses_what_does_not_follow(folder: Path, lock: Lock, sources: Path) -> None:
    after = make_lock(folder, "1.2", sources)
    with pytest.raises(NetworkError, match=r"FL1043: .* its source is"):
        upgrade(folder, after, quiet)
    with pytest.raises(NetworkError, match=r"FL1046: .* definition 4 .* is at 2"):
        upgrade(folder, Lock(**{**vars(lock), "sequence": 4}), quiet, sources)
    assert not coming_lock_path(folder).exists()
