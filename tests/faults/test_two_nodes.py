"""An organisation with two participants: a node each, under keys of their own; one of them serves its blobs.

Where there is SoftHSM, the second's signing key lies in a token of its own and never leaves it.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.blobs.store import BlobStore
from fl_node.demo.federation import Federation, opened
from fl_node.ledger.client import public_key_hash
from fl_node.node.config import NodeConfig
from network import roster
from network.ca.hsm import TokenReference, keep_in_token
from network.connection import consortium_of, profile
from network.folders import folder_of
from tests import softhsm
from tests.faults import synthetic
from tests.faults.conftest import network
from tests.faults.stage import NAMES, ROOT, Nodes, ended, found, start, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
FIRST, SECOND = "hospital-a", "hospital-a-2"
ALL = {*NAMES, SECOND}


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """Five nodes of four organisations."""
    folder = tmp_path_factory.mktemp("five")
    with network(folder, request, participants_per_organisation=2, share_limit_ppm=800_000) as run:
        nodes = Nodes(run)
        try:
            for name in NAMES:
                nodes.start(name)
            if softhsm.present():
                keep_in_token(key_of_second(run), token_key())
            roster.add(consortium_of(run), run, FIRST, SECOND, "node")

            async def begin() -> None:
                await nodes.ready()
                async with opened(run) as federation:
                    await found(federation)
                    await admit_second(federation)

            asyncio.run(begin())
            start_second(nodes)
            yield nodes
        finally:
            nodes.close()


def key_of_second(run: Path) -> Path:
    return folder_of(run, FIRST).user(SECOND) / "msp" / "keystore" / "key.pem"


def token_key() -> TokenReference:
    found = softhsm.tokens()
    return TokenReference(found.library, found.labels[0], f"node-{os.getpid()}", pin_file=str(found.pin_file))


def start_second(nodes: Nodes) -> None:
    run = nodes.run
    nodes.data(SECOND).write_text("\n".join(["number", *["7"] * synthetic.ROWS]) + "\n")
    free = (consortium_of(run).organisation(FIRST).blob_port or 0) + 3
    environment = {**os.environ, "PARTICIPANT": SECOND, "OBSERVE_PORT": str(free)}
    command = [sys.executable, "-m", "tests.faults.synthetic", str(run), FIRST, str(nodes.data(SECOND))]
    with (run / f"{SECOND}.log").open("ab") as log:
        nodes.processes[SECOND] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)


async def admit_second(federation: Federation) -> None:
    await federation.admins[FIRST].submit(
        "Apply",
        participant=SECOND,
        key_hash=public_key_hash(profile(federation.run, FIRST, SECOND).cert_pem),
        profile={"rows": synthetic.ROWS, "missing_ppm": 0, "labels": [5, 5], "schema": synthetic.SCHEMA},
        evidence=[],
        stake=2_000_000,
    )
    await federation.decide("admit", {"participant": SECOND}, FIRST)


@pytest.mark.hsm
async def test_a_node_whose_signing_key_lies_in_a_token_takes_part_in_a_round(five: Nodes):
    softhsm.tokens()
    assert TokenReference.read(key_of_second(five.run).read_bytes()) == token_key()
    async with opened(five.run) as federation:
        await start(federation, "token", 1, cohort=5)
        view = await ended(federation.first, "token", 1)
    assert (view.phase, SECOND in view.survivors) == ("Final", True), view.void_reason


async def test_two_participants_of_one_organisation_train_beside_each_other(five: Nodes):
    async with opened(five.run) as federation:
        await start(federation, "five", 2, cohort=5)
        for number in (1, 2):
            view = await ended(federation.first, "five", number)
            assert (view.phase, set(view.survivors)) == ("Final", ALL), view.void_reason
        five.kill(FIRST)  # its organisation's blob service is gone with it: the second finds others' enough
        await start(federation, "alone", 1, cohort=5)
        final = await until(federation.first, "alone", lambda view: view.phase == "Final")
        assert SECOND in final.view.survivors
        assert FIRST not in final.view.survivors
    stores = [
        BlobStore(NodeConfig(five.run, FIRST, None).blobs),
        BlobStore(NodeConfig(five.run, FIRST, None, participant=SECOND, serves=False).blobs),
    ]
    assert stores[0].folder != stores[1].folder
    assert set(stores[0].notes(FIRST)) & set(stores[1].notes(FIRST)) != set(), "each keeps what itself has masked"
