"""Private data: values for the members of a collection, hashes for everybody, as on Fabric."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from gateway import (
    Contract,
    EventStream,
    FileCheckpointer,
    Gateway,
    Identity,
    Signer,
    ValidationCode,
    connect,
)
from gateway.errors import EndorseError, EvaluateError, GatewayError, StatusCode, StreamError
from tests.contract.harness.blocks import block_of, transactions
from tests.contract.harness.collections import BRIEF, EVERY, OPEN, PAIR, SINGLE, implicit
from tests.contract.harness.ledger import Ledger, endorse
from tests.waiting import PATIENCE_S

A, B, C, D = (f"Hospital{letter}MSP" for letter in "ABCD")


def digest(value: bytes) -> bytes:
    return hashlib.sha256(value).hexdigest().encode()


async def put(contract: Contract, collection: str, key: str, value: bytes, by: list[str] | None = None) -> Any:
    """Write a private value, endorsed by a majority or by those named; return the status of the commit."""
    transaction = await endorse(
        contract, "PutPrivate", collection, key, transient={"value": value}, endorsing_organizations=by or [A, B, C]
    )
    await transaction.submit()
    return await transaction.commit().status()


async def eventually(ask: Callable[[], Awaitable[bytes]], expected: bytes) -> None:
    """Wait until a peer answers so: it may be a block behind, or still be brought a value."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if await ask() == expected:
                    return
            except GatewayError:
                pass
            await asyncio.sleep(0.05)


async def at(ledger: Ledger, organisation: str, function: str, *arguments: str) -> bytes:
    """What an organisation's own peer answers to its client."""
    msp_id = ledger.consortium.organisation(organisation).msp_id
    async with ledger.contract(organisation) as contract:
        return await contract.evaluate(function, *arguments, endorsing_organizations=[msp_id], retry=False)


async def test_members_hold_a_value_and_all_others_its_hash(ledger: Ledger, contract: Contract, key: str):
    assert (await put(contract, PAIR, key, b"secret")).code is ValidationCode.VALID
    for member in ("hospital-a", "hospital-b"):
        await eventually(lambda m=member: at(ledger, m, "GetPrivate", PAIR, key), b"secret")
    for organisation in ledger.members:
        await eventually(lambda o=organisation: at(ledger, o, "PrivateHash", PAIR, key), digest(b"secret"))
    with pytest.raises(EvaluateError, match="tx creator does not have read access permission on privatedata"):
        await at(ledger, "hospital-c", "GetPrivate", PAIR, key)


async def test_a_stranger_writes_nothing_to_a_closed_collection(ledger: Ledger, key: str):
    async with ledger.contract("hospital-c") as other:
        with pytest.raises(EndorseError) as caught:
            await put(other, PAIR, key, b"secret")
    assert "tx creator does not have write access permission on privatedata" in str(caught.value.details)


async def test_a_stranger_writes_to_an_open_collection_and_reads_at_a_member(ledger: Ledger, key: str):
    async with ledger.contract("hospital-c") as other:
        assert (await put(other, OPEN, key, b"brought")).code is ValidationCode.VALID
        member = {"endorsing_organizations": [A]}
        await eventually(lambda: other.evaluate("GetPrivate", OPEN, key, **member), b"brought")
        await eventually(
            lambda: other.evaluate("PrivateHash", OPEN, key, endorsing_organizations=[C]), digest(b"brought")
        )
        with pytest.raises(EvaluateError, match="private data matching public hash version is not available"):
            await other.evaluate("GetPrivate", OPEN, key, endorsing_organizations=[C], retry=False)


async def test_the_block_holds_hashes_and_no_value(ledger: Ledger, contract: Contract, key: str):
    value = f"value of {key}".encode()
    status = await put(contract, PAIR, key, value)
    async with ledger.gateway() as gateway:
        block = await block_of(gateway, ledger.consortium.channel, status.block_number)
    assert value not in block.SerializeToString()
    (written,) = [t for t in transactions(block) if t.transaction_id == status.transaction_id]
    sets = rwset_pb2.TxReadWriteSet.FromString(written.endorsed.chaincode_action.results)
    (made,) = [c for ns in sets.ns_rwset for c in ns.collection_hashed_rwset]
    (write,) = kv_rwset_pb2.HashedRWSet.FromString(made.hashed_rwset).hashed_writes
    assert (made.collection_name, write.key_hash, write.value_hash, len(made.pvt_rwset_hash)) == (
        PAIR,
        hashlib.sha256(key.encode()).digest(),
        hashlib.sha256(value).digest(),
        32,
    )


async def test_a_collections_policy_takes_the_place_of_the_contracts(contract: Contract, key: str):
    assert (await put(contract, SINGLE, key, b"1", by=[A])).code is ValidationCode.VALID
    assert (await put(contract, OPEN, key, b"1", by=[A])).code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    assert (await put(contract, SINGLE, key, b"2", by=[B])).code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    await eventually(lambda: contract.evaluate("GetPrivate", SINGLE, key), b"1")


async def test_the_gateway_keeps_transient_data_among_the_members(contract: Contract, key: str):
    transient = {"value": b"secret"}
    assert await contract.submit("PutPrivate", SINGLE, key, transient=transient) == b""
    with pytest.raises(EndorseError) as caught:
        await contract.submit("PutPrivate", PAIR, key, transient=transient, retry=False)
    assert caught.value.code is StatusCode.FAILED_PRECONDITION
    assert "not in the distribution policy of the private data collection(s): [pair]" in str(caught.value)


async def test_the_gateway_asks_holders_where_a_transaction_reads(contract: Contract, key: str):
    await put(contract, EVERY, key, b"1")
    await contract.submit("IncrementPrivate", EVERY, key)
    await eventually(lambda: contract.evaluate("GetPrivate", EVERY, key), b"2")


async def test_two_that_read_one_private_key_conflict(contract: Contract, key: str):
    await put(contract, EVERY, key, b"1")
    first, second = [await endorse(contract, "IncrementPrivate", EVERY, key) for _ in range(2)]
    await first.submit()
    assert (await first.commit().status()).code is ValidationCode.VALID
    await second.submit()
    assert (await second.commit().status()).code is ValidationCode.MVCC_READ_CONFLICT


async def test_a_hash_that_was_read_conflicts_too(contract: Contract, key: str):
    await put(contract, PAIR, key, b"1")
    late = await endorse(contract, "PutIfPrivateHash", PAIR, key, f"{key}public")
    await put(contract, PAIR, key, b"2")
    await late.submit()
    assert (await late.commit().status()).code is ValidationCode.MVCC_READ_CONFLICT


async def test_what_is_deleted_or_purged_is_gone_with_its_hash(ledger: Ledger, contract: Contract, key: str):
    for function in ("DeletePrivate", "PurgePrivate"):
        await put(contract, PAIR, key, b"secret")
        await eventually(lambda: contract.evaluate("GetPrivate", PAIR, key), b"secret")
        await contract.submit(function, PAIR, key)
        for organisation in ("hospital-a", "hospital-b"):
            await eventually(lambda o=organisation: at(ledger, o, "GetPrivate", PAIR, key), b"")
        await eventually(lambda: at(ledger, "hospital-d", "PrivateHash", PAIR, key), b"")


async def test_a_collection_forgets_after_its_blocks(ledger: Ledger, contract: Contract, key: str):
    await put(contract, BRIEF, key, b"brief")
    await eventually(lambda: contract.evaluate("GetPrivate", BRIEF, key), b"brief")
    for _ in range(3):
        await contract.submit("Put", f"{key}other", "x")
    await eventually(lambda: contract.evaluate("GetPrivate", BRIEF, key), b"")
    await eventually(lambda: at(ledger, "hospital-c", "PrivateHash", BRIEF, key), b"")


async def test_ranges_of_a_collection_are_for_transactions_that_only_read(contract: Contract, key: str):
    await contract.submit("PutPrivateMany", EVERY, key, "3")
    await eventually(lambda: contract.evaluate("GetPrivate", EVERY, f"{key}0002"), b"2")
    found = json.loads(await contract.evaluate("PrivateRange", EVERY, f"{key}0001", f"{key}9"))
    assert found == [{"key": f"{key}0001", "value": "1"}, {"key": f"{key}0002", "value": "2"}]
    many = json.loads(await contract.evaluate("GetPrivateMany", EVERY, f"{key}0000", f"{key}none", f"{key}0001"))
    assert many == ["0", None, "1"]
    with pytest.raises(EndorseError) as caught:
        await contract.submit("PrivateRangeThen", EVERY, key, retry=False)
    assert "already performed queries on pvt data. Writes are not allowed" in str(caught.value.details)


async def test_every_organisation_has_a_collection_of_itself(ledger: Ledger, contract: Contract, key: str):
    own = implicit(A)
    assert (await put(contract, own, key, b"own", by=[A])).code is ValidationCode.VALID
    assert await contract.evaluate("GetPrivate", own, key, endorsing_organizations=[A]) == b"own"
    await eventually(lambda: at(ledger, "hospital-b", "PrivateHash", own, key), digest(b"own"))
    assert (await put(contract, own, key, b"theirs", by=[B])).code is ValidationCode.ENDORSEMENT_POLICY_FAILURE


async def test_a_collection_that_is_not_defined_is_refused(contract: Contract, key: str):
    with pytest.raises(EvaluateError, match="/none could not be found"):
        await contract.evaluate("GetPrivate", "none", key)
    with pytest.raises(EndorseError) as caught:
        await put(contract, "none", key, b"x")
    assert "none could not be found" in str(caught.value.details)


async def values(gateway: Gateway, channel: str, number: int, **options: Any) -> list[tuple[str, str, bytes]]:
    """Collection, key and value of what a block wrote privately, as a gateway's peer shows it."""
    events = gateway.network(channel).block_and_private_data_events(start_block=number, **options)
    async with asyncio.timeout(PATIENCE_S), events as stream:
        async for pair in stream:
            assert pair.block.header.number == number
            return [
                (held.collection_name, write.key, write.value)
                for private in pair.private_data_map.values()
                for ns in private.ns_pvt_rwset
                for held in ns.collection_pvt_rwset
                for write in kv_rwset_pb2.KVRWSet.FromString(held.rwset).writes
            ]
    raise AssertionError("the stream ended")


async def test_events_show_private_data_to_members_only(ledger: Ledger, contract: Contract, key: str):
    status = await put(contract, PAIR, key, b"secret")
    shown = {}
    for organisation in ("hospital-a", "hospital-b", "hospital-c", "regulator"):
        async with ledger.gateway(organisation) as gateway:
            found = await values(gateway, ledger.consortium.channel, status.block_number)
            shown[organisation] = [entry for entry in found if entry[1] == key]
    held = [(PAIR, key, b"secret")]
    assert shown == {"hospital-a": held, "hospital-b": held, "hospital-c": [], "regulator": []}


async def test_events_forget_what_was_purged_and_keep_what_was_deleted(ledger: Ledger, contract: Contract, key: str):
    deleted, purged = f"{key}deleted", f"{key}purged"
    statuses = [await put(contract, PAIR, name, b"secret") for name in (deleted, purged)]
    await contract.submit("DeletePrivate", PAIR, deleted)
    await contract.submit("PurgePrivate", PAIR, purged)
    async with ledger.gateway() as gateway:
        first, second = [await values(gateway, ledger.consortium.channel, s.block_number) for s in statuses]
    assert (PAIR, deleted, b"secret") in first
    assert purged not in [entry[1] for entry in second]


async def keys_from(events: EventStream[Any], count: int, prefix: str) -> list[str]:
    """The first private keys with a prefix that a stream shows."""
    found: list[str] = []
    async with asyncio.timeout(PATIENCE_S), events as stream:
        async for pair in stream:
            sets = [
                h.rwset
                for m in pair.private_data_map.values()
                for ns in m.ns_pvt_rwset
                for h in ns.collection_pvt_rwset
            ]
            names = [write.key for raw in sets for write in kv_rwset_pb2.KVRWSet.FromString(raw).writes]
            found += [name for name in names if name.startswith(prefix)]
            if len(found) >= count:
                await stream.done()
                return found
    raise AssertionError("the stream ended")


async def test_events_are_replayed_and_go_on_behind_a_checkpoint_after_a_restart(
    ledger: Ledger, contract: Contract, key: str, tmp_path: Path
):
    first = (await put(contract, PAIR, f"{key}0", b"0")).block_number
    for number in (1, 2):
        await put(contract, PAIR, f"{key}{number}", b"x")
    file = tmp_path / "checkpoint.json"
    found = []
    for start in (first, None):  # the second stream is another client's, begun from the file alone
        async with ledger.gateway() as gateway:
            events = gateway.network(ledger.consortium.channel).block_and_private_data_events(
                start_block=start, checkpoint=FileCheckpointer(file)
            )
            found += await keys_from(events, 1 if start else 2, key)
    assert found == [f"{key}0", f"{key}1", f"{key}2"]


async def test_events_are_heard_from_now_on_until_the_stream_is_closed(ledger: Ledger, contract: Contract, key: str):
    async with ledger.gateway() as gateway:
        stream = await gateway.network(ledger.consortium.channel).block_and_private_data_events().open()
        await put(contract, PAIR, key, b"x")
        assert await keys_from(stream, 1, key) == [key]
        await stream.aclose()


async def test_events_are_asked_for_with_a_signature_made_elsewhere(ledger: Ledger, contract: Contract, key: str):
    number = (await put(contract, PAIR, key, b"x")).block_number
    who = ledger.user()
    async with connect([ledger.endpoint()], Identity(who.msp_id, who.cert_pem), None, check=False) as gateway:
        network = gateway.network(ledger.consortium.channel)
        request = network.block_events_request(start_block=number, private_data=True)
        signature = Signer.from_pem(who.key_pem).sign(request.digest)
        signed = gateway.new_signed_block_and_private_data_events(request.bytes, signature)
        assert await keys_from(signed, 1, key) == [key]
        forged = gateway.new_signed_block_and_private_data_events(request.bytes, b"nobody's")
        with pytest.raises(StreamError):
            await anext(aiter(forged))
