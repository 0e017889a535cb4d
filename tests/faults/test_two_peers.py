"""An organisation with two peers: either may be killed in the middle of a round, and nobody notices but its log."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit.evidence.fetch import fetch, read_block
from fl_node.demo.federation import opened
from fl_node.demo.regulator import _command
from fl_node.ledger.client import Ledger, open_ledger
from fl_node.ledger.records import Round
from network.bringup import start_one, stop_one
from network.connection import profile
from network.folders import held_blobs
from network.plan import peer_process
from tests.faults.conftest import network
from tests.faults.stage import Nodes, founded, last_attempt, start, until
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
OWNER = "hospital-a"


@pytest.fixture
def nodes(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """Four nodes; the organisation of the first has two peers."""
    with network(tmp_path, request, two_peers=OWNER, transfer_ms=0) as run, founded(run) as nodes:
        yield nodes


class Client:
    """Moves 1, 2, 3 … tokens, one transfer after the other, and reads what transfers the ledger announces."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.moved = 0
        self.announced: list[int] = []

    async def run(self) -> None:
        async with self.ledger.network.chaincode_events(self.ledger.profile.chaincode) as events:
            await asyncio.gather(self._move(), self._listen(events))

    async def _move(self) -> None:
        while True:
            await self.ledger.submit("Transfer", to="HospitalBMSP", amount=self.moved + 1)
            self.moved += 1
            await asyncio.sleep(0.2)

    async def _listen(self, events: Any) -> None:
        async for event in events:
            moved = json.loads(event.payload)
            if event.name == "Transfer" and (moved["from"], moved["to"]) == ("HospitalAMSP", "HospitalBMSP"):
                self.announced.append(moved["amount"])


async def test_each_of_two_peers_may_die_in_a_round_and_nothing_is_lost_or_done_twice(nodes: Nodes):
    run, peers = nodes.run, [peer_process(OWNER, number) for number in (0, 1)]
    async with opened(run) as federation, open_ledger(profile(run, OWNER, "admin")) as ledger:
        client = Client(ledger)
        moving = asyncio.create_task(client.run())
        observer = federation.admins["hospital-b"]
        await start(federation, "two", 2)
        for number, peer in enumerate(peers, 1):
            await until(observer, "two", lambda view, n=number: view.round > n or begun(view, n))
            await asyncio.to_thread(stop_one, run, peer, kill=True)
            final = await last_attempt(observer, "two", number)
            assert (final.phase, OWNER in final.survivors) == ("Final", True), final.void_reason
            await asyncio.to_thread(start_one, run, peer)
        done = client.moved
        async with asyncio.timeout(PATIENCE_S):
            while len(client.announced) <= done + 1:
                assert not moving.done(), moving.result()
                await asyncio.sleep(0.1)
        moving.cancel()
        with suppress(asyncio.CancelledError):
            await moving
    assert client.announced == list(range(1, len(client.announced) + 1))
    assert [line["left"] for line in nodes.logged(OWNER, "peer left")], "the node says which peer it left"
    await audited_from_each_peer(run)


def begun(view: Round, number: int) -> bool:
    """Whether keys are there already: from now on every member is needed."""
    return view.round == number and view.phase not in {"Open", "Keys"}


async def audited_from_each_peer(run: Path) -> None:
    """Both peers tell one chain, and the audit of it finds nothing."""
    own = profile(run, OWNER, "client")
    heights = []
    for number, peer in enumerate(own.peers):
        heights.append(await fetch(replace(own, peers=(peer,)), run / f"audit{number}"))
    ends = [read_block(run / f"audit{number}", min(heights) - 1).header for number in (0, 1)]
    assert ends[0] == ends[1], "one chain"
    genesis = await _command("genesis", "--org", "hospital-b", "--run", str(run))
    for number in (0, 1):
        kept = ("--blobs", str(held_blobs(run)), "--state", str(run / f"audit{number}.sqlite"), "--run", str(run))
        command = ("verify", "--blocks", str(run / f"audit{number}"), *kept, "--genesis", genesis["genesis_hash"])
        verdict = await _command(*command)
        assert verdict["exit"] == 0, verdict
