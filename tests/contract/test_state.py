"""States: reads, writes, ranges, and what happens where two transactions meet."""

import asyncio
import json
from typing import Any

import pytest

from gateway import Contract, Transaction, ValidationCode
from gateway.errors import CommitError, EvaluateError
from tests.contract.harness.ledger import Ledger, endorse
from tests.contract.harness.wire import Endorsed
from tests.waiting import PATIENCE_S


async def committed(transaction: Transaction) -> ValidationCode:
    return (await (await transaction.submit()).status()).code


async def evaluated(contract: Contract, function: str, *arguments: str) -> Any:
    return json.loads(await contract.evaluate(function, *arguments))


async def test_a_committed_value_is_read_at_every_member(ledger: Ledger, contract: Contract, key: str):
    assert await contract.submit("Put", key, "wärme") == "wärme".encode()
    for member in ledger.members:
        async with ledger.contract(member) as other:
            async with asyncio.timeout(PATIENCE_S):
                while await other.evaluate("Get", key) != "wärme".encode():  # noqa: ASYNC110  the peer tells nobody
                    await asyncio.sleep(0.05)


async def test_a_read_sees_the_committed_value_and_never_the_transactions_own_write(contract: Contract, key: str):
    await contract.submit("Put", key, "old")
    assert await contract.submit("ReadYourWrite", key, "new") == b"old"
    assert await contract.evaluate("Get", key) == b"new"


async def test_a_deleted_key_reads_as_missing(contract: Contract, key: str):
    await contract.submit("Put", key, "value")
    await contract.submit("Delete", key)
    assert await contract.evaluate("Get", key) == b""
    assert await evaluated(contract, "Range", key, key + "~") == []


async def test_an_evaluation_writes_nothing(contract: Contract, key: str):
    assert await contract.evaluate("Put", key, "value") == b"value"
    assert await contract.evaluate("Get", key) == b""


async def test_of_two_transactions_that_read_the_same_version_one_is_an_mvcc_conflict(contract: Contract, key: str):
    await contract.submit("Put", key, "1")
    first = await endorse(contract, "Increment", key)
    second = await endorse(contract, "Increment", key)
    codes = [await committed(first), await committed(second)]
    assert codes == [ValidationCode.VALID, ValidationCode.MVCC_READ_CONFLICT]
    assert await contract.evaluate("Get", key) == b"2"


async def test_two_transactions_of_one_block_conflict_too(contract: Contract, key: str):
    endorsed = [await endorse(contract, "Increment", key) for _ in range(4)]
    codes = await asyncio.gather(*(committed(transaction) for transaction in endorsed))
    assert sorted(codes) == [ValidationCode.VALID, *[ValidationCode.MVCC_READ_CONFLICT] * 3]
    assert await contract.evaluate("Get", key) == b"1"


async def test_a_conflict_without_retry_reaches_the_client_as_commit_error(contract: Contract, key: str):
    await contract.submit("Put", key, "1")
    outcomes: list[Any] = []
    async with asyncio.timeout(PATIENCE_S):
        while not any(isinstance(outcome, CommitError) for outcome in outcomes):
            calls = [contract.submit("Increment", key, retry=False) for _ in range(4)]
            outcomes += await asyncio.gather(*calls, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, CommitError)]
    assert {error.validation_code for error in refused} == {ValidationCode.MVCC_READ_CONFLICT}
    successes = sum(isinstance(outcome, bytes) for outcome in outcomes)
    assert await contract.evaluate("Get", key) == str(1 + successes).encode()


async def test_concurrent_increments_all_count_where_the_client_retries(contract: Contract, key: str):
    await asyncio.gather(*(contract.submit("Increment", key) for _ in range(6)))
    assert await contract.evaluate("Get", key) == b"6"


async def test_blind_writes_never_conflict(contract: Contract, key: str):
    first = await contract.proposal("Put", key, "first").endorse()
    second = await contract.proposal("Put", key, "second").endorse()
    assert [await committed(first), await committed(second)] == [ValidationCode.VALID] * 2
    assert await contract.evaluate("Get", key) == b"second"


async def test_a_key_that_appeared_and_was_read_as_missing_conflicts(contract: Contract, key: str):
    transaction = await endorse(contract, "SlowPut", key, "late", "0")
    await contract.submit("Put", key, "early")
    assert await committed(transaction) is ValidationCode.MVCC_READ_CONFLICT


@pytest.mark.parametrize("keys", [3, 120], ids=["short", "over-fifty-results"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (None, ValidationCode.VALID),
        (("Put", "0001x", "new"), ValidationCode.PHANTOM_READ_CONFLICT),
        (("Delete", "0001"), ValidationCode.PHANTOM_READ_CONFLICT),
        (("Put", "0001", "changed"), ValidationCode.PHANTOM_READ_CONFLICT),
        (("Put", "~after", "outside"), ValidationCode.VALID),
    ],
    ids=["unchanged", "inserted", "deleted", "updated", "outside"],
)
async def test_a_range_is_validated_again_at_commit(
    contract: Contract, key: str, keys: int, change: tuple[str, ...] | None, expected: ValidationCode
):
    await contract.submit("PutMany", key, str(keys))
    transaction = await endorse(contract, "CountInto", key, key + "~", key + "~count")
    assert transaction.result == str(keys).encode()
    if change:
        function, suffix, *value = change
        await contract.submit(function, key + suffix, *value)
    assert await committed(transaction) is expected


async def test_a_range_over_fifty_results_is_recorded_as_merkle_summary(ledger: Ledger, contract: Contract, key: str):
    await contract.submit("PutMany", key, "120")
    transaction = await endorse(contract, "CountInto", key, key + "~", key + "~count")
    (query,) = Endorsed.of(transaction).namespaces[ledger.consortium.chaincode.name].range_queries_info
    summary = query.reads_merkle_hashes
    assert (query.start_key, query.end_key, query.itr_exhausted) == (key, key + "~", True)
    assert summary.max_degree == 50
    assert len(summary.max_level_hashes) > 0
    assert not query.HasField("raw_reads")


async def test_a_range_comes_whole_and_in_order_without_composite_keys(contract: Contract, key: str):
    await contract.submit("PutMany", key, "120")
    await contract.submit("PutComposite", "hidden", key, "a")
    pairs = await evaluated(contract, "Range", key, key + "~")
    assert pairs == [{"key": f"{key}{n:04d}", "value": str(n)} for n in range(120)]


async def test_keys_sort_by_their_bytes(contract: Contract, key: str):
    suffixes = ["A", "Z", "a", "ÿ", "\uffff", "\U0001f600"]
    for suffix in reversed(suffixes):
        await contract.submit("Put", key + suffix, "v")
    found = [pair["key"] for pair in await evaluated(contract, "Range", key, "")]
    assert found[: len(suffixes)] == [key + suffix for suffix in suffixes]


async def test_an_empty_value_is_a_deletion(ledger: Ledger, contract: Contract, key: str):
    await contract.submit("Put", key, "value")
    transaction = await contract.proposal("Put", key, "").endorse()
    (write,) = Endorsed.of(transaction).namespaces[ledger.consortium.chaincode.name].writes
    assert (write.is_delete, write.value) == (True, b"")
    assert await committed(transaction) is ValidationCode.VALID
    assert await evaluated(contract, "Range", key, key + "~") == []


async def test_the_last_write_of_a_key_counts(ledger: Ledger, contract: Contract, key: str):
    transaction = await contract.proposal("PutBatch", key, "2").endorse()
    writes = Endorsed.of(transaction).namespaces[ledger.consortium.chaincode.name].writes
    assert [(w.key, w.is_delete, w.value) for w in writes] == [(key + "0000", False, b"0"), (key + "0001", True, b"")]


async def test_composite_keys_are_found_by_their_first_parts(contract: Contract, key: str):
    for attributes in (("b", "2"), ("a", "2"), ("a", "1"), ("aa", "1")):
        await contract.submit("PutComposite", "v", key, *attributes)
    assert await evaluated(contract, "CompositeRange", key, "a") == [[key, "a", "1", "v"], [key, "a", "2", "v"]]
    whole = [row[1:3] for row in await evaluated(contract, "CompositeRange", key)]
    assert whole == [["a", "1"], ["a", "2"], ["aa", "1"], ["b", "2"]]
    assert await evaluated(contract, "CompositeRange", key + "x") == []


async def test_pages_follow_their_bookmarks_to_the_end(contract: Contract, key: str):
    await contract.submit("PutMany", key, "25")
    sizes, seen, bookmark = [], [], ""
    while not sizes or bookmark:
        page = await evaluated(contract, "Page", key, key + "~", "10", bookmark)
        sizes.append(page["fetched"])
        seen += [item["key"] for item in page["items"]]
        bookmark = page["bookmark"]
    assert sizes == [10, 10, 5]
    assert seen == [f"{key}{n:04d}" for n in range(25)]


async def test_composite_keys_have_pages_too(contract: Contract, key: str):
    for n in range(3):
        await contract.submit("PutComposite", str(n), key, "a", str(n))
    first = await evaluated(contract, "CompositePage", key, "a", "2", "")
    second = await evaluated(contract, "CompositePage", key, "a", "2", first["bookmark"])
    assert [item["value"] for item in first["items"] + second["items"]] == ["0", "1", "2"]
    assert (first["fetched"], second["fetched"], second["bookmark"]) == (2, 1, "")


async def test_writes_in_a_batch_and_reads_of_many_keys_do_what_single_ones_do(contract: Contract, key: str):
    await contract.submit("PutBatch", key, "1200")
    names = [f"{key}{n:04d}" for n in (0, 5, 1199, 1198, 9999)]
    assert await evaluated(contract, "GetMany", *names) == ["0", "5", None, "1198", None]
    many = await evaluated(contract, "GetMany", *(f"{key}{n:04d}" for n in range(1199)))
    assert many == [str(n) for n in range(1199)]


async def test_an_evaluation_sees_one_state_while_blocks_commit(contract: Contract, key: str):
    await contract.submit("Put", key, "old")
    reading = asyncio.create_task(contract.evaluate("ReadTwice", key, "3000"))
    await asyncio.sleep(0.3)
    assert not reading.done(), "it has not read twice yet; Fabric holds the next block back until it has"
    await contract.submit("Put", key, "new")
    assert json.loads(await reading) == ["old", "old"]
    assert await contract.evaluate("Get", key) == b"new"


async def test_keys_that_no_peer_stores_are_refused(contract: Contract):
    refusals = await evaluated(contract, "BadKeys")
    assert set(refusals) == {"empty", "not UTF-8", "U+0000 in a part", "U+0000 opens a range"}


async def test_a_result_of_a_mebibyte_comes_through(contract: Contract):
    assert await contract.evaluate("Large", str(1 << 20)) == b"x" * (1 << 20)


async def test_a_wrong_number_of_arguments_is_an_error_of_the_contract(contract: Contract):
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate("Get")
    assert caught.value.chaincode_code == "FL0002"
