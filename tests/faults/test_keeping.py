"""What an organisation does about its own folder while rounds go on: lost and restored, certificates renewed."""

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fl_node.demo.federation import Federation, opened
from fl_node.ledger.records import Round
from network.backup.making import back_up
from network.backup.restoring import restore
from network.backup.sealing import Holder, Recipient
from network.bringup import Request, start_one, stop_one, up
from network.connection import consortium_of, own_folder
from network.folders import folder_of
from network.renewal import renew
from network.units.keys import foreign_keys
from tests.faults.stage import NAMES, Nodes, ended, start, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
LOST = "hospital-b"
PROCESSES = (f"chaincode-{LOST}", f"peer-{LOST}")
MOST_ROUNDS = 40
KEY = Holder(X25519PrivateKey.generate())


async def with_everybody(federation: Federation, training: str, number: int) -> Round:
    """Wait for a round, from a number on, in which nobody is missing: who has just come back may miss some."""
    for each in range(number, MOST_ROUNDS):
        attempt = 1
        while (view := await ended(federation.first, training, each, attempt)).phase == "Void":
            attempt += 1
        if set(view.survivors) == set(NAMES):
            return view
    raise AssertionError("every round was without somebody")


async def test_a_host_that_was_deleted_comes_back_from_its_backup_and_joins_the_next_round(
    run: Path, nodes: Nodes, tmp_path: Path
):
    """Its ledger is as old as the backup, and its journal in no backup: its node leaves the attempt that ran."""
    await nodes.ready()
    training = "host-lost"
    async with opened(run) as federation:
        await asyncio.to_thread(stop_one, run, PROCESSES[1])
        folder, consortium = own_folder(folder_of(run, LOST).root)
        back_up(folder, consortium, tmp_path / "b.backup", Recipient(KEY.key.public_key()), ledger=True)
        await asyncio.to_thread(start_one, run, PROCESSES[1])
        await start(federation, training, MOST_ROUNDS)
        await until(federation.first, training, lambda view: LOST in view.keys)
        nodes.kill(LOST)
        for process in PROCESSES:
            await asyncio.to_thread(stop_one, run, process, kill=True)
        shutil.rmtree(folder.root)
        ran = await federation.first.round(training)
        assert ran

        await asyncio.to_thread(restore, tmp_path / "b.backup", folder.root, KEY)
        await asyncio.to_thread(up, Request(run, folder.kind), lambda _: None)
        nodes.start(LOST)
        first = await ended(federation.first, training, ran.round, ran.attempt)
        assert LOST not in set(first.survivors) - set(ran.updates)
        await nodes.ready(LOST)
        again = await with_everybody(federation, training, ran.round + 1)
        await federation.decide("stop_training", {"training": training})
    assert again.phase == "Final"
    left = [line for line in nodes.logged(LOST, "dropped out") if str(line["attempt"]).startswith(training)]
    assert {line["code"] for line in left} <= {"FL4203"}
    assert nodes.logged(LOST, "restored from a backup: attempts opened before are left")


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
