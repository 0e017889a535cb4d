"""Every page of docs/runbooks: its commands run as they stand there, by an organisation in its own folder.

That rounds go on meanwhile, and that a restored node leaves the attempt that ran, is in tests/faults/test_keeping.py.
"""

import asyncio
import os
import re
import shlex
import shutil
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from fl_node.demo.federation import opened
from fl_node.doctor.doctor import examine
from fl_node.doctor.findings import Finding
from fl_node.ledger.client import public_key_hash
from fl_node.node.config import NodeConfig
from network.bringup import Request, down, join, stop_one, up
from network.ca.keys import load_key
from network.connection import consortium_of, network_kind, organisation_of, profile
from network.folders import folder_of
from network.identities import identities_of
from network.plan import Plan
from network.rotation import certificates_of
from network.topology import DEFAULT_DEFINITION
from network.units.keys import foreign_keys
from network.update.members import members
from network.update.steps import desk
from tests.faults.stage import found
from tests.following import fedledger, follow
from tests.hosts.page import runbook
from tests.ports import free_ports

PAGES = Path(__file__).resolve().parents[3] / "docs" / "runbooks"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
OWNER = "hospital-b"
ORDERERS = ("orderer", "hospital-a", "hospital-b", "hospital-c")
"""An orderer each; the embedded network runs the first."""
ORDERING = "orderer"
POLL_S = 0.2
IDENTITIES = ("peer0", "chaincode", "blobs", "admin", "client", "node")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Stage:
    """A founded federation: `run` is everybody else's, `own` the folder of the organisation that had the accident."""

    run: Path
    own: Path

    def folder(self, organisation: str) -> Path:
        """An organisation's own folder."""
        return folder_of(self.run, organisation).root

    def together(self, page: str, number: int, leaving: str = "") -> None:
        """Run a block of several organisations' commands; what was submitted all others adopt that stay."""
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(os.environ["BACKUPS"])
            for who, command in runbook(page)[number]:
                self.give(who, *shlex.split(command)[1:])
                if " submit " in command:
                    for other in {o.name for o in consortium_of(self.run).organisations} - {who, leaving}:
                        self.give(other, "network", "update", "adopt", command.split()[-1])

    def give(self, organisation: str, *words: str) -> str:
        """Run a command of an organisation in its own folder."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("FEDLEDGER_RUN", str(self.folder(organisation)))
            patched.setenv("FEDLEDGER_ORG", organisation)
            return fedledger(*words)

    def follow(self, page: str, *blocks: int) -> str:
        """Run blocks of a page's commands, all where none is named; each command must succeed."""
        every = BLOCK.findall((PAGES / f"{page}.md").read_text())
        said = ""
        for line in "".join(every[number] for number in (blocks or range(len(every)))).splitlines():
            program, *words = shlex.split(os.path.expandvars(line))
            assert program == "fedledger"
            said += fedledger(*words)
        return said


@pytest.fixture(scope="module")
def stage(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Hospital-b's processes run from its own folder, as on a host of its own; no nodes are needed."""
    base = tmp_path_factory.mktemp("runbooks")
    value = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    value.pop("base_port")
    for organisation in value["organisations"]:
        organisation["orderers"] = int(organisation["name"] in ORDERERS)
    (base / "definition.yaml").write_text(yaml.safe_dump(value))
    run = base / "run"
    up(Request(run, pytestconfig.getoption("--network"), base / "definition.yaml", free_ports()), lambda _: None)
    made = Stage(run, folder_of(run, OWNER).root)
    (base / "backups").mkdir()
    (base / "backups" / "passphrase.txt").write_text("six random words would do here\n")

    async def begin() -> None:
        async with opened(run) as federation:
            await found(federation)

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FEDLEDGER_RUN", str(made.own))
        patched.setenv("FEDLEDGER_ORG", OWNER)
        patched.setenv("BACKUPS", str(base / "backups"))
        try:
            asyncio.run(begin())
            for name in (OWNER, ORDERING):
                move_out(made, name)
            yield made
        finally:
            for name in (OWNER, ORDERING):
                down(made.folder(name))
            down(run)


def move_out(stage: Stage, organisation: str) -> None:
    """Let an organisation's processes run from its own folder, as on a host of its own."""
    own = organisation_of(stage.run, organisation)
    beside = {f"peer-{organisation}", f"chaincode-{organisation}", *(orderer.name for orderer in own.orderers)}
    for process in Plan.read(stage.run).processes:
        if process.name in beside:
            stop_one(stage.run, process.name)
    join(stage.folder(organisation), lambda _: None)


def participant(stage: Stage) -> Finding:
    """What the node's doctor says of its standing on the ledger, which the own peer answers."""

    async def examined() -> list[Finding]:
        return [finding async for finding in examine(NodeConfig(stage.own, OWNER, None))]

    (found_,) = (finding for finding in asyncio.run(examined()) if finding.check == "participant")
    return found_


def bound(stage: Stage) -> str:
    """The key that another organisation's peer knows for the participant."""

    async def asked() -> str:
        async with opened(stage.run) as federation:
            return (await federation.first.participant(OWNER)).key_hash

    return asyncio.run(asked())


def shown(stage: Stage) -> tuple[str, str]:
    """The certificates that the owner's peer and the orderer show to those who dial them."""
    peer = consortium_of(stage.own).organisation(OWNER).peer
    (orderer,) = consortium_of(stage.own).organisation(ORDERING).orderers
    return tuple(ssl.get_server_certificate((each.host, each.port)) for each in (peer, orderer))


def test_disk_lost(stage: Stage):
    stage.follow("disk-lost", 0)
    ledger = sorted(path.name for path in (stage.own / "data").rglob("*"))
    assert ledger
    down(stage.own)
    shutil.rmtree(stage.own)
    stage.follow("disk-lost", 1)
    assert participant(stage).status == "ok"
    assert NodeConfig(stage.own, OWNER, None).restored_ms > 0


def test_a_key_from_before_the_backup_is_named_by_the_doctor_and_following_it_mends(stage: Stage, tmp_path: Path):
    user = folder_of(stage.own, OWNER).user("node")
    shutil.copytree(user, tmp_path / "before")
    fedledger("node", "rotate-key")
    assert participant(stage).status == "ok"
    shutil.rmtree(user)
    shutil.copytree(tmp_path / "before", user)
    wrong = participant(stage)
    assert wrong.code == "FL4006"
    follow(wrong.mend, stage.own)
    assert participant(stage).status == "ok"


def test_key_lost(stage: Stage):
    identities = identities_of(consortium_of(stage.own), stage.own, OWNER)
    every = [each for name in IDENTITIES for each in certificates_of(identities, name)]
    for each in every:
        each.key.unlink()
    stage.follow("key-lost")
    for each in every:
        certificate = x509.load_pem_x509_certificate(each.certificate.read_bytes())
        assert load_key(each.key).public_key() == certificate.public_key()
    assert participant(stage).status == "ok"
    assert list(foreign_keys(stage.own, OWNER)) == []


def test_key_stolen(stage: Stage):
    stolen = bound(stage)
    fedledger("identity", "revoke", OWNER, "node")
    refused = participant(stage)
    assert (refused.code, "node rotate-key" in refused.mend) == ("FL4003", True)
    stage.follow("key-stolen")
    assert bound(stage) == public_key_hash(profile(stage.own, OWNER, "node").cert_pem) != stolen
    assert participant(stage).status == "ok"


def test_certificate_ended(stage: Stage):
    before = {name: profile(stage.own, OWNER, name).cert_pem for name in ("node", "client", "admin")}
    showed, key = shown(stage), bound(stage)
    stage.follow("certificate-ended")
    stage.together("certificate-ended", 0)
    after = {name: profile(stage.own, OWNER, name).cert_pem for name in before}
    assert not set(before.values()) & set(after.values())
    assert [public_key_hash(pem) for pem in before.values()] == [public_key_hash(pem) for pem in after.values()]
    assert not set(shown(stage)) & set(showed)
    assert bound(stage) == key
    assert participant(stage).status == "ok"


@pytest.fixture
def orderers(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The orderers' own organisation acts, in its folder."""
    own = stage.folder(ORDERING)
    monkeypatch.setenv("FEDLEDGER_RUN", str(own))
    monkeypatch.setenv("FEDLEDGER_ORG", ORDERING)
    return own


def test_orderer_gone(stage: Stage, orderers: Path):
    """Afterwards a transaction is ordered again; that another takes its place is in tests/contract."""
    stop_one(orderers, "orderer1", kill=True)
    stage.follow("orderer-gone", 0)
    stage.give(OWNER, "node", "rotate-key")
    assert participant(stage).status == "ok"


def test_an_orderer_whose_disk_is_lost_comes_back_from_its_backup(
    stage: Stage, orderers: Path, pytestconfig: pytest.Config
):
    if network_kind(stage.run) == "devnet" and "lengthy" not in pytestconfig.option.markexpr:
        pytest.skip("run it with --network fabric or -m 'slow or lengthy'")
    stage.follow("orderer-gone", 1)
    if network_kind(stage.run) == "fabric":  # the embedded network has no other orderer from which this one could learn
        stage.give(OWNER, "node", "rotate-key")
    down(orderers)
    shutil.rmtree(orderers)
    stage.follow("orderer-gone", 2)
    stage.give(OWNER, "node", "rotate-key")
    assert participant(stage).status == "ok"


def test_organisation_leaves(stage: Stage):
    """It reads and writes nothing more; the others go on without it."""
    for number, _ in enumerate(runbook("organisation-leaves")):
        stage.together("organisation-leaves", number, leaving="hospital-d")
    config = channel(stage)
    assert members(config) == ["HospitalAMSP", "HospitalBMSP", "HospitalCMSP"]
    stage.give(OWNER, "node", "rotate-key")
    assert participant(stage).status == "ok"
    with pytest.raises(AssertionError, match="FL"):
        stage.give("hospital-d", "node", "rotate-key")


def channel(stage: Stage) -> Any:
    """The channel's configuration, as the owner's peer has it."""

    async def asked() -> Any:
        async with desk(stage.own, OWNER) as own:
            return own.config

    return asyncio.run(asked())


def test_every_page_is_run_and_is_named_on_the_first():
    pages = {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert {f"test_{page.replace('-', '_')}" for page in pages} <= globals().keys()
    assert pages == set(re.findall(r"\]\(([a-z-]+)\.md\)", (PAGES / "README.md").read_text()))
