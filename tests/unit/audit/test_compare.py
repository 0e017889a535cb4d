"""What a transaction committed against what the rules give: each key, value, event and response."""

import base64
import json
from typing import Any

import pytest
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2

from audit.fabric.envelope import Action
from audit.verify.compare import Comparison, claimed_refusal, compare, compare_foreign, foreign_writes, proposes
from audit.verify.verdict import Rule

TXID = "ab" * 32
Sets = dict[str, kv_rwset_pb2.KVRWSet]


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def write(key: str, value: bytes = b"v", *, delete: bool = False) -> kv_rwset_pb2.KVWrite:
    return kv_rwset_pb2.KVWrite(key=key, value=value, is_delete=delete)


def action(
    writes: list[kv_rwset_pb2.KVWrite] | None = None,
    *,
    chaincode: str = "cc",
    function: bytes = b"Put",
    others: Sets | None = None,
    hashed: kv_rwset_pb2.HashedRWSet | None = None,
    response: tuple[int, str, str] = (200, "", text(b"{}")),
    event: chaincode_event_pb2.ChaincodeEvent | None = None,
) -> Action:
    sets = {"cc": kv_rwset_pb2.KVRWSet(writes=writes or []), **(others or {})}
    spaces = [rwset_pb2.NsReadWriteSet(namespace=ns, rwset=raw.SerializeToString()) for ns, raw in sets.items()]
    if hashed is not None:
        spaces[0].collection_hashed_rwset.add(collection_name="c", hashed_rwset=hashed.SerializeToString())
    return Action(chaincode, "1", (function, b"{}"), response, b"", (), tuple(spaces), event, proposal_hash_holds=True)


def answer(writes: dict[str, bytes | None] | None = None, **changes: Any) -> dict[str, Any]:
    given = [[key, None if value is None else text(value)] for key, value in (writes or {}).items()]
    right = {"writes": given, "event": None, "response": text(b"{}"), "error": None, "checked": [], "unchecked": []}
    return right | changes


def breaches(comparison: Comparison) -> list[Rule]:
    return [rule for rule, breach in comparison.findings if breach]


def test_what_the_rules_give_holds() -> None:
    found = compare(answer({"a": b"v", "b": None}), action([write("a"), write("b", b"", delete=True)]), TXID, "cc")
    assert (breaches(found), found.differing) == ([], frozenset())
    rules = [Rule.REPLAY_REFUSED, Rule.REPLAY_WRITES, Rule.REPLAY_EVENT, Rule.REPLAY_RESPONSE]
    assert [rule for rule, _ in found.findings] == rules


@pytest.mark.parametrize(
    ("given", "committed", "differing"),
    [
        ({"a": b"v"}, [write("a", b"w")], {"a"}),
        ({"a": b"v"}, [], {"a"}),
        ({}, [write("a")], {"a"}),
        ({"a": None}, [write("a")], {"a"}),
        ({"a": b"v"}, [write("a", b"v", delete=True)], {"a"}),
        ({"a": b"v"}, [write("a", b"")], {"a"}),
        ({"a": None}, [], {"a"}),
        ({}, [write("a", b"", delete=True)], {"a"}),
        ({"a": b"v", "b": b"v"}, [write("a"), write("b", b"w"), write("c")], {"b", "c"}),
    ],
)
def test_every_difference_of_a_key_is_found(
    given: dict[str, bytes | None], committed: list[kv_rwset_pb2.KVWrite], differing: set[str]
) -> None:
    found = compare(answer(given), action(committed), TXID, "cc")
    assert (breaches(found), found.differing) == ([Rule.REPLAY_WRITES], differing)


def test_three_keys_are_named_as_people_read_them() -> None:
    found = compare(answer(), action([write(f"\0k\0{name}\0") for name in "dbca"]), TXID, "cc")
    assert found.findings[1][1] == "the rules write something else at k/a, k/b, k/c"


def test_what_the_rules_refuse_differs_at_every_key() -> None:
    found = compare(answer(error="FL0408: closed"), action([write("a"), write("b")]), TXID, "cc")
    assert found.findings == ((Rule.REPLAY_REFUSED, "the rules refuse it: FL0408: closed"),)
    assert found.differing == {"a", "b"}


def test_a_refused_sum_is_a_breach_of_the_sum_only_where_it_was_made_again() -> None:
    proposed = action([write("a")], function=b"ProposeAggregate")
    refused = answer(error="FL0503: other", checked=["aggregate"])
    assert breaches(compare(refused, proposed, TXID, "cc")) == [Rule.AGGREGATE]
    assert breaches(compare(refused | {"checked": []}, proposed, TXID, "cc")) == [Rule.REPLAY_REFUSED]
    assert breaches(compare(refused, action([write("a")]), TXID, "cc")) == [Rule.REPLAY_REFUSED]
    held = compare(answer({"a": b"v"}, checked=["aggregate"]), proposed, TXID, "cc")
    assert held.findings[-1] == (Rule.AGGREGATE, "")
    assert (proposes(proposed), proposes(action())) == (True, False)


@pytest.mark.parametrize("response", [(201, "", text(b"{}")), (200, "m", text(b"{}")), (200, "", text(b"[]"))])
def test_another_response_is_found(response: tuple[int, str, str]) -> None:
    assert breaches(compare(answer(), action(response=response), TXID, "cc")) == [Rule.REPLAY_RESPONSE]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({}, []),
        ({"event_name": "Other"}, [Rule.REPLAY_EVENT]),
        ({"payload": b"[]"}, [Rule.REPLAY_EVENT]),
        ({"tx_id": "cd" * 32}, [Rule.REPLAY_EVENT]),
        ({"tx_id": "00" * 32}, [Rule.REPLAY_EVENT]),
    ],
)
def test_another_event_is_found(change: dict[str, Any], rule: list[Rule]) -> None:
    told = {"tx_id": TXID, "event_name": "Moved", "payload": b"{}"} | change
    event = chaincode_event_pb2.ChaincodeEvent(chaincode_id="cc", **told)
    assert breaches(compare(answer(event=["Moved", text(b"{}")]), action(event=event), TXID, "cc")) == rule
    assert breaches(compare(answer(), action(event=event), TXID, "cc")) == [Rule.REPLAY_EVENT]


def test_an_event_that_is_missing_is_found() -> None:
    assert breaches(compare(answer(event=["Moved", ""]), action(), TXID, "cc")) == [Rule.REPLAY_EVENT]


METADATA = kv_rwset_pb2.KVRWSet(metadata_writes=[kv_rwset_pb2.KVMetadataWrite(key="k")])
HASHED = kv_rwset_pb2.HashedRWSet(hashed_writes=[kv_rwset_pb2.KVWriteHash(key_hash=b"k")])
TWICE = kv_rwset_pb2.HashedRWSet(hashed_writes=[kv_rwset_pb2.KVWriteHash(key_hash=b"k")] * 2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (action([write("a"), write("b")]), ""),
        (action([write("a"), write("\0x\0y\0"), write("\0x\0y\0")]), "'cc' writes x/y twice"),
        (action([], hashed=TWICE), "'cc' writes k twice"),
        (action([], hashed=HASHED), "cc writes private data or keys' policies"),
        (action([], others={"cc": METADATA}), "cc writes private data or keys' policies"),
        (action([], others={"z": kv_rwset_pb2.KVRWSet(writes=[write("a")])}), "cc writes into 'z'"),
        (action([write("a")], chaincode="z"), "'z' writes into cc"),
        (action([], chaincode="z", hashed=HASHED), "'z' writes into cc"),
        (action([], chaincode="z", others={"z": kv_rwset_pb2.KVRWSet(writes=[write("a")])}), ""),
        (action([], others={"z": kv_rwset_pb2.KVRWSet(reads=[kv_rwset_pb2.KVRead(key="a")])}), ""),
    ],
)
def test_writes_that_cross_the_rules_namespace_are_named(given: Action, said: str) -> None:
    assert foreign_writes(given, "cc").startswith(said)
    assert bool(foreign_writes(given, "cc")) == bool(said)
    assert breaches(compare_foreign(given, "cc")) == ([Rule.REPLAY_WRITES] if said else [])


def test_a_strangers_writes_differ_and_the_rules_own_wait_for_the_rules() -> None:
    assert compare_foreign(action([write("a")], chaincode="z"), "cc").differing == {"a"}
    assert compare_foreign(action([write("a")]), b"cc".decode()).differing == frozenset()


def test_a_difference_never_goes_without_a_finding() -> None:
    with pytest.raises(ValueError, match="without a finding"):
        Comparison(((Rule.REPLAY_WRITES, ""),), frozenset({"a"}))


FLAG = "\0flag\0tumour\0001\0001\0hospital-a\0refused-payload\0"


def flagged(detail: object, key: str = FLAG) -> Action:
    return action([write("other", b"x"), write(key, json.dumps({"detail": detail}).encode())])


def test_the_reason_for_a_refusal_is_read_from_the_flag() -> None:
    said = f"ProposeAggregate of transaction {TXID}: FL0503: aggregator:\nproposed a: b"
    assert claimed_refusal(flagged(said), "cc") == "FL0503: aggregator:\nproposed a: b"
    assert claimed_refusal(flagged(said, FLAG.replace("refused-payload", "garbage")), "cc") == ""
    assert claimed_refusal(flagged(said), "another") == ""


@pytest.mark.parametrize(
    "detail", ["", "x", 5, None, ["a"], f"of transaction {TXID}: x", f"P of transaction {TXID[1:]}: x"]
)
def test_a_flag_that_gives_no_reason_gives_none(detail: object) -> None:
    assert claimed_refusal(flagged(detail), "cc") == ""


@pytest.mark.parametrize("value", [b"", b"\xff", b"[]", b"5", b"{}"])
def test_a_flag_that_is_no_record_gives_no_reason(value: bytes) -> None:
    assert claimed_refusal(action([write(FLAG, value)]), "cc") == ""
