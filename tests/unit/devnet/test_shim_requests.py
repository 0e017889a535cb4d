"""What a chaincode's requests get back, and what they leave in the read-write set."""

import asyncio

import pytest

from network.devnet import protos as p
from network.devnet.blocks import new_block
from network.devnet.invocation import Invocation
from network.devnet.shim_requests import answer
from network.devnet.simulator import Simulation, SimulationError
from network.devnet.store import Changes, Store

Message = p.shim.ChaincodeMessage


@pytest.fixture
async def invocation(tmp_path):
    store = Store(tmp_path / "ledger.db")
    writes = {("cc", f"k{n:03d}"): (str(n).encode(), (0, n)) for n in range(250)}
    store.append(new_block(0, b"", [b"tx"]), [], Changes(writes))
    simulation = Simulation("tx", store.open_snapshot())
    yield Invocation("cc", simulation, asyncio.get_running_loop().create_future())
    store.close()


def ask(invocation, kind, request):
    return answer(Message(type=kind, payload=request.SerializeToString()), invocation)


def kv_set(invocation):
    (entry,) = p.rwset.TxReadWriteSet.FromString(invocation.simulation.results()).ns_rwset
    return p.kvrwset.KVRWSet.FromString(entry.rwset)


def keys_in(response):
    return [p.queryresult.KV.FromString(r.resultBytes).key for r in response.results]


def scan(invocation, start="", end=""):
    """Read a range to its end, and return the sizes of its batches."""
    raw = ask(invocation, Message.GET_STATE_BY_RANGE, p.shim.GetStateByRange(startKey=start, endKey=end))
    response = p.shim.QueryResponse.FromString(raw)
    sizes = [len(response.results)]
    while response.has_more:
        raw = ask(invocation, Message.QUERY_STATE_NEXT, p.shim.QueryStateNext(id=response.id))
        response = p.shim.QueryResponse.FromString(raw)
        sizes.append(len(response.results))
    return sizes


def test_a_transaction_does_not_see_its_own_writes(invocation):
    ask(invocation, Message.PUT_STATE, p.shim.PutState(key="k000", value=b"new"))
    ask(invocation, Message.DEL_STATE, p.shim.DelState(key="k001"))
    assert [b"0", b"1", b""] == [
        ask(invocation, Message.GET_STATE, p.shim.GetState(key=k)) for k in ("k000", "k001", "x")
    ]
    made = kv_set(invocation)
    assert [("k000", False, b"new"), ("k001", True, b"")] == [(w.key, w.is_delete, w.value) for w in made.writes]
    assert [("k000", True), ("k001", True), ("x", False)] == [(r.key, r.HasField("version")) for r in made.reads]


def test_batches_read_and_write_as_single_requests_do(invocation):
    record = p.shim.WriteRecord
    batch = p.shim.WriteBatchState(
        rec=[record(key="a", value=b"1", type=record.PUT_STATE), record(key="k000", type=record.DEL_STATE)]
    )
    ask(invocation, Message.WRITE_BATCH_STATE, batch)
    raw = ask(invocation, Message.GET_STATE_MULTIPLE, p.shim.GetStateMultiple(keys=["k002", "x", "k003"]))
    assert [b"2", b"", b"3"] == list(p.shim.GetStateMultipleResult.FromString(raw).values)
    made = kv_set(invocation)
    assert ["a", "k000"] == [w.key for w in made.writes]
    assert ["k002", "k003", "x"] == [r.key for r in made.reads]


def test_a_range_comes_in_batches_of_a_hundred_and_is_noted_whole(invocation):
    assert [100, 100, 50] == scan(invocation)
    (query,) = kv_set(invocation).range_queries_info
    assert (True, "", 250) == (query.itr_exhausted, query.end_key, sum(scan(invocation)))
    assert query.HasField("reads_merkle_hashes")


def test_exactly_a_hundred_results_are_one_batch(invocation):
    assert [100] == scan(invocation, "k000", "k100")
    (query,) = kv_set(invocation).range_queries_info
    assert ("k000", "k100", True) == (query.start_key, query.end_key, query.itr_exhausted)


def test_a_range_that_is_closed_early_ends_at_the_last_key_read(invocation):
    raw = ask(invocation, Message.GET_STATE_BY_RANGE, p.shim.GetStateByRange())
    response = p.shim.QueryResponse.FromString(raw)
    ask(invocation, Message.QUERY_STATE_CLOSE, p.shim.QueryStateClose(id=response.id))
    (query,) = kv_set(invocation).range_queries_info
    assert ("k100", False) == (query.end_key, query.itr_exhausted)
    with pytest.raises(SimulationError, match="query iterator not found"):
        ask(invocation, Message.QUERY_STATE_NEXT, p.shim.QueryStateNext(id=response.id))


def page(invocation, size, bookmark=""):
    metadata = p.shim.QueryMetadata(pageSize=size, bookmark=bookmark).SerializeToString()
    raw = ask(invocation, Message.GET_STATE_BY_RANGE, p.shim.GetStateByRange(endKey="k005", metadata=metadata))
    response = p.shim.QueryResponse.FromString(raw)
    about = p.shim.QueryResponseMetadata.FromString(response.metadata)
    return keys_in(response), about.bookmark, about.fetched_records_count


def test_pages_follow_their_bookmarks(invocation):
    assert (["k000", "k001", "k002"], "k003", 3) == page(invocation, 3)
    assert (["k003", "k004"], "", 2) == page(invocation, 3, "k003")


def test_pages_and_writes_do_not_mix(invocation):
    page(invocation, 3)
    with pytest.raises(SimulationError, match="Writes are not allowed"):
        ask(invocation, Message.PUT_STATE, p.shim.PutState(key="a", value=b"1"))


def test_writes_and_pages_do_not_mix(invocation):
    ask(invocation, Message.PUT_STATE, p.shim.PutState(key="a", value=b"1"))
    with pytest.raises(SimulationError, match="only in a read-only transaction"):
        page(invocation, 3)


def test_rich_queries_are_refused_by_name(invocation):
    with pytest.raises(SimulationError, match=r"^ExecuteQuery not supported for leveldb$"):
        ask(invocation, Message.GET_QUERY_RESULT, p.shim.GetQueryResult(query="{}"))
    page = p.shim.QueryMetadata(pageSize=3).SerializeToString()
    with pytest.raises(SimulationError, match=r"^ExecuteQueryWithMetadata not supported for leveldb$"):
        ask(invocation, Message.GET_QUERY_RESULT, p.shim.GetQueryResult(query="{}", metadata=page))


def test_a_request_that_no_chaincode_makes_is_refused(invocation):
    with pytest.raises(SimulationError, match="unknown request"):
        answer(Message(type=Message.READY), invocation)


def test_what_is_kept_beside_a_key_is_read_and_written(invocation):
    entry = p.shim.StateMetadata(metakey="VALIDATION_PARAMETER", value=b"policy")
    ask(invocation, Message.PUT_STATE_METADATA, p.shim.PutStateMetadata(key="k001", metadata=entry))
    raw = ask(invocation, Message.GET_STATE_METADATA, p.shim.GetStateMetadata(key="k001"))
    assert not p.shim.StateMetadataResult.FromString(raw).entries  # its own writes are not seen
    made = kv_set(invocation)
    assert [("k001", "VALIDATION_PARAMETER", b"policy")] == [
        (w.key, w.entries[0].name, w.entries[0].value) for w in made.metadata_writes
    ]
    assert ["k001"] == [read.key for read in made.reads]
