"""Every page of docs/runbooks, its commands run as they stand there by an organisation in its own folder."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from fl_node.demo.federation import opened
from fl_node.ledger.client import public_key_hash
from network.bringup import down, join, start_one, stop_one
from network.ca.keys import load_key
from network.connection import consortium_of, profile
from network.folders import folder_of
from network.identities import identities_of
from network.rotation import certificates_of
from tests.faults.stage import NAMES, Nodes, ended, start, until
from tests.faults.test_keeping import LOST, MOST_ROUNDS, with_everybody

PAGES = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
IDENTITIES = ("peer0", "chaincode", "blobs", "admin", "client", "node")
PROCESSES = (f"chaincode-{LOST}", f"peer-{LOST}")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass(frozen=True)
class Owner:
    """An organisation whose processes run from its own folder, and nothing else is known to its commands."""

    folder: Path
    backups: Path

    def run(self, page: str, *blocks: int) -> str:
        """Run blocks of a page's commands, all where none is named; each command must succeed."""
        every = BLOCK.findall((PAGES / f"{page}.md").read_text())
        text = "".join(every[number] for number in (blocks or range(len(every))))
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "FEDLEDGER_RUN": str(self.folder),
            "FEDLEDGER_ORG": LOST,
            "BACKUPS": str(self.backups),
        }
        done = subprocess.run(["bash", "-euc", text], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (page, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout


@pytest.fixture(scope="module")
def owner(run: Path, nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """Hospital-b on its own: its processes are started from its folder, as on a host of its own."""
    made = Owner(folder_of(run, LOST).root, tmp_path_factory.mktemp("backups"))
    (made.backups / "passphrase.txt").write_text("six random words would do here\n")
    for process in reversed(PROCESSES):
        stop_one(run, process)
    join(made.folder, lambda _: None)
    nodes.stop(LOST)
    nodes.start(LOST, made.folder)
    yield made
    down(made.folder)
    for process in PROCESSES:
        start_one(run, process)
    nodes.stop(LOST)
    nodes.start(LOST)


async def goes_on(run: Path, nodes: Nodes, training: str) -> None:
    """Check that everybody takes part in a round."""
    await nodes.ready()
    async with opened(run) as federation:
        await start(federation, training, MOST_ROUNDS)
        view = await with_everybody(federation, training, 1)
        await federation.decide("stop_training", {"training": training})
    assert (view.phase, set(view.survivors)) == ("Final", set(NAMES))


async def test_disk_lost(run: Path, nodes: Nodes, owner: Owner):
    """The node leaves the attempt that ran, for its journal is in no backup; in the next round nobody is missing."""
    await nodes.ready()
    await asyncio.to_thread(owner.run, "disk-lost", 0)
    async with opened(run) as federation:
        await start(federation, "disk-lost", MOST_ROUNDS)
        await until(federation.first, "disk-lost", lambda view: LOST in view.keys)
        nodes.kill(LOST)
        for process in PROCESSES:
            await asyncio.to_thread(stop_one, owner.folder, process, kill=True)
        shutil.rmtree(owner.folder)
        ran = await federation.first.round("disk-lost")
        assert ran
        await asyncio.to_thread(owner.run, "disk-lost", 1)
        nodes.start(LOST, owner.folder)
        first = await ended(federation.first, "disk-lost", ran.round, ran.attempt)
        assert LOST not in set(first.survivors) - set(ran.updates)
        await nodes.ready(LOST)
        again = await with_everybody(federation, "disk-lost", ran.round + 1)
        await federation.decide("stop_training", {"training": "disk-lost"})
    assert again.phase == "Final"
    left = [line for line in nodes.logged(LOST, "dropped out") if str(line["attempt"]).startswith("disk-lost/")]
    assert {line["code"] for line in left} <= {"FL4203"}
    assert nodes.logged(LOST, "restored from a backup: attempts opened before are left")


async def test_key_lost(owner: Owner):
    identities = identities_of(consortium_of(owner.folder), owner.folder, LOST)
    every = [each for name in IDENTITIES for each in certificates_of(identities, name)]
    for each in every:
        each.key.unlink()
    await asyncio.to_thread(owner.run, "key-lost")
    for each in every:
        certificate = x509.load_pem_x509_certificate(each.certificate.read_bytes())
        assert load_key(each.key).public_key() == certificate.public_key()


async def test_key_stolen(run: Path, owner: Owner):
    stolen = profile(owner.folder, LOST, "node").cert_pem
    await asyncio.to_thread(owner.run, "key-stolen")
    async with opened(run) as federation:
        bound = (await federation.first.participant(LOST)).key_hash
    assert bound == public_key_hash(profile(owner.folder, LOST, "node").cert_pem) != public_key_hash(stolen)


async def test_certificate_ended(run: Path, nodes: Nodes, owner: Owner):
    """After all that: a round with everybody, for the node that shows what the pages before have left."""
    before = {name: profile(owner.folder, LOST, name).cert_pem for name in ("node", "client", "admin")}
    await asyncio.to_thread(owner.run, "certificate-ended")
    after = {name: profile(owner.folder, LOST, name).cert_pem for name in before}
    assert not set(before.values()) & set(after.values())
    assert [public_key_hash(pem) for pem in before.values()] == [public_key_hash(pem) for pem in after.values()]
    nodes.stop(LOST)
    nodes.start(LOST, owner.folder)
    await goes_on(run, nodes, "certificate-ended")


async def test_orderer_gone(run: Path, nodes: Nodes, owner: Owner):
    await asyncio.to_thread(stop_one, run, "orderer1", kill=True)
    await asyncio.to_thread(Owner(run, owner.backups).run, "orderer-gone")
    await goes_on(run, nodes, "orderer-gone")


async def test_organisation_leaves(owner: Owner):
    """What the members do with the file then is in tests/contract/test_updates.py: this federation stays whole."""
    said = await asyncio.to_thread(owner.run, "organisation-leaves")
    assert "hospital-d" in said
    assert "missing" in said


def test_every_page_is_run_and_is_named_on_the_first():
    pages = {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert {f"test_{page.replace('-', '_')}" for page in pages} <= globals().keys()
    assert pages == set(re.findall(r"\]\(([a-z-]+)\.md\)", (PAGES / "README.md").read_text()))
