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
from fl_node.demo import regulator
from fl_node.demo.federation import opened
from fl_node.ledger.client import Ledger, open_ledger
from fl_node.ledger.records import Round
from network.bringup import start_one, stop_one
from network.connection import profile
from network.folders import held_blobs
from network.peering import Place, add_peer
from network.plan import chaincode_process, peer_process
from tests.faults.conftest import network
from tests.faults.stage import Nodes, founded, last_attempt, start, until
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
OWNER, WIDENED = "hospital-a", "hospital-b"
ROUNDS = 1000


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """Four nodes; the organisation of the first has two peers."""
    folder = tmp_path_factory.mktemp("peers")
    with network(folder, request, two_peers=OWNER, transfer_ms=0) as run, founded(run) as nodes:
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


@pytest.mark.lengthy
async def test_while_the_first_peers_chaincode_is_down_the_second_peer_endorses_for_the_organisation(nodes: Nodes):
    run, own = nodes.run, profile(nodes.run, OWNER, "admin")
    beside = chaincode_process(OWNER)
    await asyncio.to_thread(stop_one, run, beside, kill=True)
    try:
        async with opened(run) as federation, open_ledger(own, answering=(own.msp_id,)) as ledger:
            assert await ledger.query("BalanceOf", account=own.msp_id), "no other organisation's peer was asked"
            endorsers = (own.msp_id, "HospitalBMSP", "HospitalCMSP")
            await ledger.submit("Transfer", organisations=endorsers, to="HospitalBMSP", amount=1)
            await start(federation, "endorsed", ROUNDS)
            final = await until(ledger, "endorsed", lambda view: view.phase == "Final" and OWNER in view.survivors)
            await federation.decide("stop_training", {"training": "endorsed"})
        assert final.view.proposal
    finally:
        await asyncio.to_thread(start_one, run, beside)


@pytest.mark.lengthy
async def test_a_peer_that_is_added_while_rounds_run_stands_in_for_the_first_and_nobody_elses_node_is_started_again(
    nodes: Nodes,
):
    run, first = nodes.run, peer_process(WIDENED)
    async with opened(run) as federation:
        ledger = federation.first
        await start(federation, "added", ROUNDS)
        await until(ledger, "added", lambda view: view.phase == "Final")
        added = await asyncio.to_thread(add_peer, run, WIDENED, Place(), lambda _: None)
        assert added.started == (peer_process(WIDENED, 1), chaincode_process(WIDENED, 1))
        await asyncio.to_thread(nodes.stop, WIDENED)
        nodes.start(WIDENED)
        await nodes.ready(WIDENED)
        await asyncio.to_thread(stop_one, run, first, kill=True)
        try:
            present = await ledger.round("added")
            assert present
            await until(
                ledger,
                "added",
                lambda view: view.phase == "Final" and view.round > present.round and WIDENED in view.survivors,
            )
            async with open_ledger(profile(run, WIDENED, "admin")) as widened:
                endorsers = ("HospitalBMSP", "HospitalCMSP", "HospitalDMSP")
                await widened.submit("Transfer", organisations=endorsers, to="HospitalCMSP", amount=1)
        finally:
            await asyncio.to_thread(start_one, run, first)
        await federation.decide("stop_training", {"training": "added"})


async def test_each_peer_tells_the_same_chain_and_an_audit_of_it_finds_nothing(nodes: Nodes):
    await audited_from_each_peer(nodes.run)


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
    genesis = await regulator.command("genesis", "--org", "hospital-b", "--run", str(run))
    for number in (0, 1):
        kept = ("--blobs", str(held_blobs(run)), "--state", str(run / f"audit{number}.sqlite"), "--run", str(run))
        command = ("verify", "--blocks", str(run / f"audit{number}"), *kept, "--genesis", genesis["genesis_hash"])
        verdict = await regulator.command(*command)
        assert verdict["exit"] == 0, verdict
