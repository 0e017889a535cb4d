"""What an organisation does about its own folder while rounds go on: certificates renewed, keys changed."""

import asyncio
import json
import shutil
import ssl
from pathlib import Path

import pytest

from fl_node.demo.federation import Federation, opened
from fl_node.doctor.doctor import examine
from fl_node.doctor.findings import Finding
from fl_node.ledger.records import Round
from fl_node.node.config import NodeConfig
from network.connection import consortium_of, profile
from network.folders import folder_of
from network.renewal import renew
from network.units.keys import foreign_keys
from tests.faults.stage import NAMES, Nodes, ended, start, until
from tests.following import fedledger, follow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
LOST = "hospital-b"
MOST_ROUNDS = 40


async def with_everybody(federation: Federation, training: str, number: int) -> Round:
    """Wait for a round, from a number on, in which nobody is missing: who has just come back may miss some."""
    for each in range(number, MOST_ROUNDS):
        attempt = 1
        while (view := await ended(federation.first, training, each, attempt)).phase == "Void":
            attempt += 1
        if set(view.survivors) == set(NAMES):
            return view
    raise AssertionError("every round was without somebody")


async def test_keys_of_peer_and_chaincode_are_changed_while_rounds_go_on(run: Path, nodes: Nodes):
    await nodes.ready()
    peer = consortium_of(run).organisation(LOST).peer
    own = folder_of(run, LOST)
    before = await asyncio.to_thread(ssl.get_server_certificate, (peer.host, peer.port))
    async with opened(run) as federation:
        await start(federation, "renewed", MOST_ROUNDS)
        await until(federation.first, "renewed", lambda view: LOST in view.keys)
        for name, process in (("peer0", f"peer-{LOST}"), ("chaincode", f"chaincode-{LOST}")):
            done = await asyncio.to_thread(renew, consortium_of(run), run, LOST, name, new_key=True)
            assert (done.restarted, done.left) == ((process,), "")
        at = await federation.first.round("renewed")
        assert at
        again = await with_everybody(federation, "renewed", at.round + 1)
        await federation.decide("stop_training", {"training": "renewed"})
    assert again.phase == "Final"
    shown = await asyncio.to_thread(ssl.get_server_certificate, (peer.host, peer.port))
    assert shown != before
    assert shown in (own.peer() / "tls" / "server.crt").read_text()
    assert list(foreign_keys(own.root, LOST)) == []


async def test_a_nodes_key_is_changed_in_the_middle_of_a_round_and_its_journal_goes_on(run: Path, nodes: Nodes):
    await nodes.ready()
    before = profile(run, LOST, "node").cert_pem
    async with opened(run) as federation:
        await start(federation, "key-changed", MOST_ROUNDS)
        seen = await until(federation.first, "key-changed", lambda view: LOST in view.shares)
        words = ("node", "rotate-key", "--org", LOST, "--run", run, "--json")
        done = json.loads(await asyncio.to_thread(fedledger, *words))
        assert (await federation.first.participant(LOST)).key_hash == done["key_hash"]
        nodes.stop(LOST)
        nodes.start(LOST)
        ran = await ended(federation.first, "key-changed", seen.view.round, seen.view.attempt)
        again = await with_everybody(federation, "key-changed", seen.view.round + 1)
        await federation.decide("stop_training", {"training": "key-changed"})
    assert (ran.phase, again.phase) == ("Final", "Final")
    assert profile(run, LOST, "node").cert_pem != before
    await nodes.ready(LOST)


async def test_the_doctor_names_the_command_for_a_key_that_the_ledger_does_not_know_and_it_mends(
    run: Path, nodes: Nodes, tmp_path: Path
):
    """The folder is that of a backup from before the key was changed."""
    own = folder_of(run, LOST).user("node")
    shutil.copytree(own, tmp_path / "before")
    await asyncio.to_thread(fedledger, "node", "rotate-key", "--org", LOST, "--run", run)
    shutil.rmtree(own)
    shutil.copytree(tmp_path / "before", own)
    config = NodeConfig(run, LOST, None)

    async def seen() -> Finding:
        return next(finding for finding in [f async for f in examine(config)] if finding.check == "participant")

    wrong = await seen()
    assert wrong.code == "FL4006"
    await asyncio.to_thread(follow, wrong.mend, run)
    assert (await seen()).status == "ok"
    nodes.stop(LOST)
    nodes.start(LOST)
    await nodes.ready(LOST)
