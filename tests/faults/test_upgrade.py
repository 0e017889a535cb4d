"""Upgrades while a client submits and rounds run: nothing fails after its retries, nothing is done twice."""

import asyncio
import contextlib
import itertools
import json
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fl_node.demo import regulator
from fl_node.demo.federation import Federation, opened
from fl_node.ledger.client import Ledger
from network import processes
from network.checkout import chaincode_sources
from network.connection import consortium_of
from network.folders import folder_of
from network.package import read_lock
from network.plan import Plan
from network.rolling import roll
from network.upgrade import make_lock, upgrade
from tests.faults.conftest import network as running_network
from tests.faults.stage import NAMES, founded, last_attempt, start, until
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PACE_S = 0.2
ROUNDS = 100
MARKS = itertools.count(2)
"""Amounts of transfers that mark a place in the blocks."""


@pytest.fixture(scope="module", name="network")
def _network(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest):
    """A network of its own, with four nodes that have founded the federation under the first rules."""
    with (
        running_network(tmp_path_factory.mktemp("upgrade"), request, rules=1, transfer_ms=0) as run,
        founded(run) as nodes,
    ):
        yield run, nodes


@dataclass
class Client:
    """A client that transfers one unit again and again; the first failure after its retries ends the test."""

    ledger: Ledger
    to: str
    done: int = 0
    stopping: bool = False
    longest_s: float = 0.0

    async def work(self) -> None:
        while not self.stopping:
            began = time.monotonic()
            await self.ledger.submit("Transfer", to=self.to, amount=1)
            self.done += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            await asyncio.sleep(PACE_S)


@contextlib.asynccontextmanager
async def submitting(federation: Federation) -> AsyncIterator[None]:
    """Let a client of every member submit meanwhile; the ledger holds exactly what succeeded."""
    before = await transfers(federation.first)
    clients = [Client(ledger, "treasury") for ledger in federation.admins.values()]
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.work())
        yield
        for client in clients:
            client.stopping = True
    after = await transfers(federation.first)
    made = {msp: after[msp] - before.get(msp, 0) for msp in after}
    assert made == {client.ledger.profile.msp_id: client.done for client in clients}
    assert min(made.values()) > 0
    print("longest wait of a transaction, in s:", {c.ledger.profile.msp_id: round(c.longest_s, 1) for c in clients})  # noqa: T201


async def transfers(ledger: Ledger) -> dict[str, int]:
    """Count each organisation's transfers of one unit in all blocks."""
    last = next(MARKS)
    await ledger.submit("Transfer", to="treasury", amount=last)
    counted: dict[str, int] = {}
    async with asyncio.timeout(PATIENCE_S), ledger.network.chaincode_events("fedledger", start_block=0) as stream:
        async for event in stream:
            if event.name != "Transfer":
                continue
            moved = json.loads(event.payload)
            if moved["amount"] == last:
                return counted
            if moved["amount"] == 1:
                counted[moved["from"]] = counted.get(moved["from"], 0) + 1
    raise AssertionError("the stream ended")


def newer(folder: Path) -> Path:
    """The chaincode's sources with a change that alters no rule."""
    sources = folder / "chaincode"
    shutil.copytree(chaincode_sources(), sources, ignore=shutil.ignore_patterns("*_test.go", "testdata"))
    (sources / "newer.go").write_text(
        'package main\n\nimport "log/slog"\n\nfunc init() { slog.Debug("the newer program") }\n'
    )
    return sources


def running(run: Path) -> set[str]:
    """The chaincode processes that run."""
    plan = Plan.read(run)
    return {p.name for p in plan.processes if p.service == "chaincode" and processes.pid(run, p.name) is not None}


async def test_a_chaincode_is_upgraded_member_by_member_while_clients_submit_and_rounds_run(network, tmp_path: Path):
    run, _ = network
    sources = newer(tmp_path)
    lock = await asyncio.to_thread(make_lock, run, "1.1", sources)
    assert (lock.sequence, lock.source) != (1, read_lock(folder_of(run, NAMES[0]).root).source)
    async with opened(run) as federation, submitting(federation):
        await start(federation, "upgrade", ROUNDS)
        await last_attempt(federation.first, "upgrade", 1)
        done = await asyncio.to_thread(upgrade, run, lock, print, sources)
        number = (await federation.first.round("upgrade")).round
        for each in (number, number + 1):
            await last_attempt(federation.first, "upgrade", each)
        await federation.decide("stop_training", {"training": "upgrade"})
    assert done.formed.committed
    assert set(done.started) == running(run) == {f"chaincode-{name}-2" for name in NAMES}
    assert set(done.stopped) == {f"chaincode-{name}" for name in NAMES}
    assert consortium_of(run).chaincode.sequence == 2
    assert {read_lock(folder_of(run, name).root).package_id for name in NAMES} == {lock.package_id}


async def test_a_vote_for_version_2_of_the_rules_lets_the_open_round_end_by_version_1(network):
    run, _ = network
    async with opened(run) as federation, submitting(federation):
        ledger = federation.first
        await start(federation, "voted", ROUNDS)
        before = (await until(ledger, "voted", lambda view: view.phase in {"Keys", "Shares", "Updates"})).view
        await federation.decide("set_rules_version", {"version": 2})
        newest = await ledger.round("voted")
        assert newest
        views = [await last_attempt(ledger, "voted", each) for each in range(before.round, newest.round + 2)]
        await federation.decide("stop_training", {"training": "voted"})
    rules = [view.rules for view in views]
    assert (before.rules, rules[-1], sorted(rules)) == (1, 2, rules)
    assert views[0].attempt > before.attempt or rules[0] == 1


async def test_every_process_is_restarted_in_turn_while_clients_submit_and_rounds_run(network, request, monkeypatch):
    run, nodes = network
    newer = request.config.getoption("--upgrade-to")
    if newer:
        monkeypatch.setenv("FABRIC_BIN", str(newer))
    async with opened(run) as federation, submitting(federation):
        await start(federation, "rolling", ROUNDS)
        await last_attempt(federation.first, "rolling", 1)
        done = await asyncio.to_thread(roll, run, print)
        for name in NAMES:
            assert nodes.stop(name) == 0
            nodes.start(name)
            await nodes.ready(name)
        last = await federation.first.round("rolling")
        assert last
        for number in range(2, last.round + 2):
            await last_attempt(federation.first, "rolling", number)
        await federation.decide("stop_training", {"training": "rolling"})
    plan = Plan.read(run)
    assert {each.name for each in done} == {process.name for process in plan.processes}
    print({each.name: round(each.seconds, 1) for each in done})  # noqa: T201
    if newer:
        assert {Path(p.command[0]).parent for p in plan.processes if p.service != "chaincode"} == {newer}


async def test_an_audit_holds_over_all_of_it(network):
    verdict = await regulator.audit(network[0])
    assert verdict.get("ok") is True, verdict.get("failures") or verdict.get("error")
