"""What the acceptance scenarios of the official clients ask of block events, private data and policies of keys.

The scenarios are those of hyperledger/fabric-gateway, scenario/features: blockevents (5, each for three kinds of
events), privatedata (9) and sbe (5), with this suite's contract. Org1, Org2 and Org3 are hospital-a, -b and -c.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway import Contract, EventStream, FileCheckpointer, Gateway, Network, ValidationCode
from gateway.errors import CommitError, GatewayError
from network.policy_text import parse_policy
from tests.contract.harness.collections import OF_A, OF_C, SHARED
from tests.contract.harness.ledger import Ledger
from tests.waiting import PATIENCE_S

A, B, C = (f"Hospital{letter}MSP" for letter in "ABC")
KINDS = ("block", "filtered_block", "block_and_private_data")


@pytest.fixture
async def ours(ledger: Ledger) -> AsyncIterator[Gateway]:
    """Org1's gateway."""
    async with ledger.gateway() as gateway:
        yield gateway


@pytest.fixture
async def theirs(ledger: Ledger) -> AsyncIterator[Contract]:
    """The contract behind Org2's gateway."""
    async with ledger.contract("hospital-b") as contract:
        yield contract


def listen(network: Network, kind: str, **options: Any) -> EventStream[Any]:
    stream: EventStream[Any] = getattr(network, f"{kind}_events")(**options)
    return stream


def number_of(event: Any) -> int:
    """The number of a block, a filtered block or a block with private data."""
    if hasattr(event, "number"):
        return int(event.number)
    return int((event.block if hasattr(event, "block") else event).header.number)


async def until(stream: EventStream[Any], number: int) -> None:
    """Read a stream until it shows a block."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in stream:
            if number_of(event) == number:
                return


async def commit(gateway: Gateway, ledger: Ledger, key: str) -> int:
    """Commit a transaction and return its block's number."""
    sent = await ledger.contract_of(gateway).submit_async("Put", key, "echo")
    return (await sent.status()).block_number


@pytest.mark.parametrize("events", KINDS)
async def test_a_block_is_received(ledger: Ledger, ours: Gateway, key: str, events: str):
    async with listen(ours.network(ledger.consortium.channel), events) as stream:
        await until(stream, await commit(ours, ledger, key))


@pytest.mark.parametrize("events", KINDS)
async def test_a_block_is_replayed(ledger: Ledger, ours: Gateway, key: str, events: str):
    number = await commit(ours, ledger, key)
    async with listen(ours.network(ledger.consortium.channel), events, start_block=number) as stream:
        await until(stream, number)


@pytest.mark.parametrize("events", KINDS)
async def test_who_stopped_listening_begins_again(ledger: Ledger, ours: Gateway, key: str, events: str):
    for turn in range(2):
        async with listen(ours.network(ledger.consortium.channel), events) as stream:
            await until(stream, await commit(ours, ledger, f"{key}{turn}"))


@pytest.mark.parametrize("events", KINDS)
async def test_closing_a_stream_leaves_another_alone(ledger: Ledger, ours: Gateway, key: str, events: str):
    network = ours.network(ledger.consortium.channel)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(listen(network, events)) for _ in range(2)]
        number = await commit(ours, ledger, f"{key}0")
        await until(first, number)
        await until(second, number)
        await first.aclose()
        await until(second, await commit(ours, ledger, f"{key}1"))


@pytest.mark.parametrize("events", KINDS)
async def test_a_checkpoint_goes_on_with_what_was_missed(
    ledger: Ledger, ours: Gateway, key: str, events: str, tmp_path: Path
):
    network, file = ours.network(ledger.consortium.channel), tmp_path / "checkpoint"
    async with listen(network, events, checkpoint=FileCheckpointer(file)) as stream:
        await until(stream, await commit(ours, ledger, f"{key}0"))
        await stream.done()
    number = await commit(ours, ledger, f"{key}1")  # nobody listens
    async with listen(network, events, checkpoint=FileCheckpointer(file)) as stream:
        await until(stream, number)


async def write(contract: Contract, key: str, *collections: str, by: Sequence[str] = ()) -> None:
    """Write a private value into collections, endorsed by those named or whom the gateway chooses."""
    function = ["PutPrivate", *collections] if len(collections) == 1 else ["PutPrivateInBoth", *collections]
    await contract.submit(*function, key, transient={"value": b"secret"}, endorsing_organizations=list(by) or None)


async def read(contract: Contract, key: str, collection: str, at: str) -> bytes:
    """Read it at an organisation's peer, as soon as that has the block and the value."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(GatewayError):
                if found := await contract.evaluate("GetPrivate", collection, key, endorsing_organizations=[at]):
                    return found
            await asyncio.sleep(0.05)


async def refused(contract: Contract, key: str, collection: str, at: str) -> bool:
    """Whether a read fails at a peer that has the block."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await contract.evaluate("PrivateHash", collection, key, endorsing_organizations=[at]):
                break
            await asyncio.sleep(0.05)
    with pytest.raises(GatewayError):
        await contract.evaluate("GetPrivate", collection, key, endorsing_organizations=[at], retry=False)
    return True


async def test_org1_writes_to_its_collection_and_reads_it(contract: Contract, key: str):
    await write(contract, key, OF_A, by=[A])
    assert await read(contract, key, OF_A, A) == b"secret"


async def test_org1_cannot_read_its_collection_at_org2s_peer(contract: Contract, key: str):
    await write(contract, key, OF_A, by=[A])
    assert await refused(contract, key, OF_A, B)


async def test_org2_writes_to_org1s_collection_and_cannot_read_it(theirs: Contract, key: str):
    await write(theirs, key, OF_A, by=[A])
    assert await refused(theirs, key, OF_A, A)


async def test_what_org2_writes_to_org1s_collection_org1_reads(contract: Contract, theirs: Contract, key: str):
    await write(theirs, key, OF_A, by=[A])
    assert await read(contract, key, OF_A, A) == b"secret"


async def test_what_org3_endorsed_in_a_shared_collection_org1_reads_at_its_peer(contract: Contract, key: str):
    await write(contract, key, SHARED, by=[C])
    assert await read(contract, key, SHARED, A) == b"secret"


async def test_org2_cannot_read_what_others_share(contract: Contract, theirs: Contract, key: str):
    await write(contract, key, SHARED, by=[A])
    assert await refused(theirs, key, SHARED, A)


async def test_org2_cannot_write_what_others_share(theirs: Contract, key: str):
    with pytest.raises(GatewayError):
        await write(theirs, key, SHARED, by=[A])


async def test_org1_writes_to_a_shared_collection_without_naming_endorsers(contract: Contract, key: str):
    await write(contract, key, SHARED)
    assert await read(contract, key, SHARED, A) == b"secret"


async def test_org1_writes_to_a_shared_and_to_org3s_collection_without_naming_endorsers(contract: Contract, key: str):
    await write(contract, key, SHARED, OF_C)
    assert await read(contract, key, SHARED, A) == b"secret"
    assert await refused(contract, key, OF_C, C)  # Org1 is no member of it
    assert await refused(contract, key, OF_C, A)


async def guarded(contract: Contract, key: str, policy: str) -> None:
    """Write a key and give it a policy."""
    await contract.submit("Put", key, "first")
    await contract.submit("SetPolicy", key, parse_policy(policy).SerializeToString().hex())


async def test_org1_alone_changes_its_key(contract: Contract, key: str):
    await guarded(contract, key, f"OR('{A}.peer')")
    await contract.submit("Put", key, "second", endorsing_organizations=[A])
    assert await contract.evaluate("Get", key) == b"second"


async def test_org2_alone_cannot_change_org1s_key(contract: Contract, key: str):
    await guarded(contract, key, f"OR('{A}.peer')")
    with pytest.raises(CommitError) as caught:
        await contract.submit("Put", key, "second", endorsing_organizations=[B])
    assert caught.value.validation_code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    assert await contract.evaluate("Get", key) == b"first"


@pytest.mark.parametrize("who", [(A, C), (B, C)], ids=["with-the-gateways-own", "without"])
async def test_two_that_a_key_names_are_found_by_the_gateway(contract: Contract, key: str, who: tuple[str, str]):
    await guarded(contract, key, f"AND('{who[0]}.peer', '{who[1]}.peer')")
    await contract.submit("Put", key, "second")
    assert await contract.evaluate("Get", key) == b"second"


async def test_others_than_a_key_names_cannot_change_it(contract: Contract, key: str):
    await guarded(contract, key, f"AND('{A}.peer', '{C}.peer')")
    with pytest.raises(CommitError):
        await contract.submit("Put", key, "second", endorsing_organizations=[A, B])
    assert await contract.evaluate("Get", key) == b"first"
