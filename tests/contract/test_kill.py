"""Processes killed and restarted under load: nothing is lost, nothing is done twice."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway import Contract, Gateway, Identity, RetryPolicy, Signer, ValidationCode, connect
from gateway.errors import EndorseError, EvaluateError, GatewayError
from network import processes
from tests.contract.harness.blocks import blocks_up_to, commit_hash, header_hash, transactions
from tests.contract.harness.calls import counted
from tests.contract.harness.collections import OPEN
from tests.contract.harness.ledger import Ledger
from tests.waiting import PATIENCE_S

WORKERS = 4
BEFORE_S = 0.7
DOWN_S = 1.5
AFTER_S = 1.0
RECOVERY_S = {"bft": 15.0, "raft": 60.0}  # a Raft leader loses what it took: the clients send it again after 15 s

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
async def whole(own_ledger: Ledger) -> None:
    """Every member's gateway finds every member: with real Fabric that takes seconds after a restart."""
    async with asyncio.timeout(PATIENCE_S):
        for member in own_ledger.members:
            async with own_ledger.contract(member) as contract:
                while True:
                    with suppress(EndorseError):
                        await contract.proposal(
                            "Put", "whole", "value", endorsing_organizations=own_ledger.msp_ids
                        ).endorse()
                        break
                    await asyncio.sleep(0.1)


@dataclass
class Load:
    """Clients that each count up a key of their own as fast as they can; every success counts."""

    contract: Contract
    key: str
    successes: dict[str, int] = field(default_factory=dict)
    finished_at: list[float] = field(default_factory=list)
    stopping: bool = False

    async def work(self, number: int) -> None:
        """Count up until told to stop; an error ends the case."""
        mine = f"{self.key}{number}"
        self.successes[mine] = 0
        while not self.stopping:
            await self.contract.submit("Increment", mine)
            self.successes[mine] += 1
            self.finished_at.append(time.monotonic())

    def first_success_after(self, moment: float) -> float:
        """Seconds from a moment to the next success."""
        return min(at for at in self.finished_at if at > moment) - moment


@asynccontextmanager
async def loaded(contract: Contract, key: str) -> AsyncIterator[Load]:
    """Keep clients busy meanwhile, then let each finish what it is at."""
    load = Load(contract, key)
    async with asyncio.TaskGroup() as group:
        for number in range(WORKERS):
            group.create_task(load.work(number))
        await asyncio.sleep(BEFORE_S)
        yield load
        load.stopping = True


@asynccontextmanager
async def connected(ledger: Ledger, *organisations: str) -> AsyncIterator[Gateway]:
    """hospital-a's client at the first of several organisations' peers that answers."""
    who = ledger.user("hospital-a")
    endpoints = [ledger.endpoint(organisation) for organisation in organisations]
    async with connect(endpoints, Identity(who.msp_id, who.cert_pem), Signer.from_pem(who.key_pem)) as gateway:
        yield gateway


async def assert_nothing_lost_or_doubled(ledger: Ledger, load: Load) -> None:
    """Every counter stands at its client's successes, at every member; every transaction is valid at most once."""
    async with ledger.gateway() as gateway:
        commit = await ledger.contract_of(gateway).submit_async("Put", load.key + "end", "value")
        last = (await commit.status()).block_number
        ours = await blocks_up_to(gateway, ledger.consortium.channel, last)
    valid = [t.transaction_id for block in ours for t in transactions(block) if t.code is ValidationCode.VALID]
    assert len(set(valid)) == len(valid)
    for organisation in [*ledger.members, "regulator"]:
        async with asyncio.timeout(PATIENCE_S):
            theirs = await caught_up(ledger, organisation, last)
        assert [header_hash(block.header) for block in theirs] == [header_hash(block.header) for block in ours]
        assert [commit_hash(block) for block in theirs] == [commit_hash(block) for block in ours]
    for member in ledger.members:
        async with ledger.contract(member) as contract:
            counted = {key: int(await contract.evaluate("Get", key)) for key in load.successes}
            assert counted == load.successes
    assert min(load.successes.values()) > 0


async def caught_up(ledger: Ledger, organisation: str, last: int) -> list[Any]:
    """The blocks of a peer that may have just started again."""
    async with ledger.gateway(organisation) as gateway:
        return await blocks_up_to(gateway, ledger.consortium.channel, last)


async def kill_and_restart(ledger: Ledger, *names: str) -> float:
    """Kill processes, leave them down for a while and start them again; return when they were killed."""
    for name in names:
        await asyncio.to_thread(ledger.kill, name)
    killed = time.monotonic()
    await asyncio.sleep(DOWN_S)
    for name in names:
        await asyncio.to_thread(ledger.start, name)
    await asyncio.sleep(AFTER_S)
    return killed


async def test_another_organisations_peer_killed_is_not_missed_and_catches_up(own_ledger: Ledger, key: str):
    async with own_ledger.contract() as contract, loaded(contract, key) as load:
        killed = await kill_and_restart(own_ledger, "peer-hospital-b")
    assert load.first_success_after(killed) < RECOVERY_S[own_ledger.consortium.ordering]
    await assert_nothing_lost_or_doubled(own_ledger, load)


async def test_a_client_whose_own_peer_is_killed_goes_on_at_another(own_ledger: Ledger, key: str):
    async with (
        connected(own_ledger, "hospital-a", "hospital-b") as gateway,
        loaded(own_ledger.contract_of(gateway), key) as load,
    ):
        killed = await kill_and_restart(own_ledger, "peer-hospital-a")
    assert load.first_success_after(killed) < RECOVERY_S[own_ledger.consortium.ordering]
    await assert_nothing_lost_or_doubled(own_ledger, load)


async def test_an_orderer_killed_loses_and_doubles_nothing(own_ledger: Ledger, key: str):
    async with own_ledger.contract() as contract, loaded(contract, key) as load:
        killed = await kill_and_restart(own_ledger, own_ledger.orderers[0])  # with BFT the first view's leader
        async with asyncio.timeout(RECOVERY_S[own_ledger.consortium.ordering]):
            while not any(at > killed + DOWN_S for at in load.finished_at):  # noqa: ASYNC110  the list tells nobody
                await asyncio.sleep(0.1)
    assert load.first_success_after(killed + 0.5) < RECOVERY_S[own_ledger.consortium.ordering]
    await assert_nothing_lost_or_doubled(own_ledger, load)


async def test_one_organisations_chaincode_killed_stops_nobody_who_names_the_others(own_ledger: Ledger, key: str):
    others = own_ledger.msp_ids[1 : 1 + own_ledger.threshold]
    async with own_ledger.contract("hospital-b") as contract:
        await asyncio.to_thread(own_ledger.kill, "chaincode-hospital-a")
        try:
            for number in range(5):
                await contract.submit("Put", f"{key}{number}", "value", endorsing_organizations=others)
        finally:
            await asyncio.to_thread(own_ledger.start, "chaincode-hospital-a")


async def test_a_chaincode_process_killed_is_dialled_again(own_ledger: Ledger, key: str):
    async with own_ledger.contract() as contract, loaded(contract, key) as load:
        await kill_and_restart(own_ledger, "chaincode-hospital-a", "chaincode-hospital-c")
    await assert_nothing_lost_or_doubled(own_ledger, load)


async def test_a_call_that_ends_its_chaincodes_process_is_made_three_times_and_the_process_serves_others_again(
    own_ledger: Ledger, key: str
):
    name = "chaincode-hospital-a"
    over = asyncio.Event()

    async def start_again() -> None:
        while not over.is_set():
            if processes.pid(own_ledger.run, name) is None:
                await asyncio.to_thread(own_ledger.start, name)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 0.1)

    async with counted(own_ledger) as (gateway, connection), asyncio.TaskGroup() as group:
        group.create_task(start_again())
        contract = own_ledger.contract_of(gateway)
        policy = RetryPolicy(attempts=60, longest_delay=0.5)
        own = own_ledger.msp_ids[:1]  # the gateway would end the others' processes too
        with pytest.raises(EvaluateError, match="stream terminated") as caught:
            await contract.evaluate("Exit", endorsing_organizations=own, retry=policy)
        assert isinstance(caught.value.__cause__, EvaluateError)
        assert connection.calls["Evaluate"] >= 3
        await contract.submit("Put", key, "value")
        over.set()


async def test_everything_killed_at_once_comes_back_with_what_was_committed(own_ledger: Ledger, key: str):
    peers = [f"peer-{o.name}" for o in own_ledger.consortium.peer_organisations]
    chaincodes = [f"chaincode-{member}" for member in own_ledger.members]
    async with own_ledger.contract() as contract, loaded(contract, key) as load:
        pass
    async with own_ledger.contract() as contract:
        pending = [asyncio.create_task(contract.submit("Put", f"{key}p{n}", "x", retry=False)) for n in range(8)]
        await asyncio.sleep(0.02)
        for name in [*peers, *own_ledger.orderers, *chaincodes]:
            await asyncio.to_thread(own_ledger.kill, name)
        await asyncio.gather(*pending, return_exceptions=True)
    await asyncio.to_thread(own_ledger.up)
    async with asyncio.timeout(PATIENCE_S), own_ledger.contract() as contract:
        await contract.submit("Put", key + "after", "value")
    await assert_nothing_lost_or_doubled(own_ledger, load)


async def test_a_submit_right_after_all_peers_restarted_waits_for_them_to_find_each_other(own_ledger: Ledger, key: str):
    peers = [f"peer-{o.name}" for o in own_ledger.consortium.peer_organisations]
    for name in peers:
        await asyncio.to_thread(own_ledger.kill, name)
    for name in peers:
        await asyncio.to_thread(own_ledger.start, name)
    async with own_ledger.contract() as contract:
        await contract.submit("Put", key, "value")
        assert await contract.evaluate("Get", key) == b"value"


async def test_the_regulators_peer_killed_and_restarted_has_every_block(own_ledger: Ledger, key: str):
    async with own_ledger.contract() as contract, loaded(contract, key) as load:
        await kill_and_restart(own_ledger, "peer-regulator")
    await assert_nothing_lost_or_doubled(own_ledger, load)


async def test_a_chaincode_that_ends_by_itself_is_started_again(own_ledger: Ledger, key: str):
    own = {"endorsing_organizations": own_ledger.msp_ids[:1], "retry": False}
    async with own_ledger.contract() as contract:
        await contract.submit("Put", key, "value")
        with pytest.raises(GatewayError):
            await contract.evaluate("Exit", **own)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(GatewayError):
                    assert await contract.evaluate("Get", key, **own) == b"value"
                    break
                await asyncio.sleep(0.1)


async def test_a_member_that_was_down_is_given_the_private_data_that_it_missed(own_ledger: Ledger, key: str):
    others = [msp_id for msp_id in own_ledger.msp_ids if msp_id != "HospitalBMSP"]
    await asyncio.to_thread(own_ledger.kill, "peer-hospital-b")
    try:
        async with own_ledger.contract() as contract:
            await contract.submit(
                "PutPrivate", OPEN, key, transient={"value": b"missed"}, endorsing_organizations=others
            )
    finally:
        await asyncio.to_thread(own_ledger.start, "peer-hospital-b")
    async with own_ledger.contract("hospital-b") as contract, asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(GatewayError):
                found = await contract.evaluate(
                    "GetPrivate", OPEN, key, endorsing_organizations=["HospitalBMSP"], retry=False
                )
                if found == b"missed":
                    break
            await asyncio.sleep(0.1)
