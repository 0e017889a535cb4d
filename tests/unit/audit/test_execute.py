"""A block's transactions as the audit runs them: ids used twice, certificates out of their time, definitions, codes."""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.fabric.lifecycle import LIFECYCLE
from audit.fabric.state import State
from audit.fabric.transactions import Checked
from audit.verify.execute import Execution, _attempt, _mark_duplicates
from audit.verify.replay import ReplayError
from audit.verify.verdict import Record, Rule
from tests.unit.audit.test_compare import action, answer, write
from tests.unit.audit.test_lifecycle import approve, channel, define

LATE = 2_000
PROPOSAL = b'{"training":"t","round":2,"attempt":1,"aggregate":"ab"}'
COMMITTED = kv_rwset_pb2.KVRWSet(writes=[write("namespaces/fields/cc/Sequence")])


class Rules:
    """The rules' process: what it answers, and what it is told that the chain holds instead."""

    def __init__(self, **given: Any) -> None:
        self.given, self.taken = given, list[tuple[str, bytes | None]]()

    def transaction(self, *_: object) -> dict[str, Any]:
        return answer(**self.given)

    def correct(self, values: Iterable[tuple[str, bytes | None]]) -> None:
        self.taken = list(values)


class Audit:
    """An execution, without rules or with given ones, and what it records."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.state = State(":memory:")
        self.record = Record(self.state)
        self.execution = Execution(self.state, self.record, "cc", cast("Any", rules))

    def found(self, kind: str) -> list[tuple[str, int, str]]:
        return [(rule, block, txid) for rule, block, txid, _ in self.state.notes(kind)]


def identity(msp_id: str, ends_ms: int = 1 << 60) -> Any:
    return SimpleNamespace(msp_id=msp_id, expired_at=lambda when_ms: when_ms > ends_ms)


def checked(txid: str, code: int = codes.VALID, **fields: Any) -> Checked:
    transaction = cast("Any", SimpleNamespace(txid=txid, timestamp_ms=LATE, index=0))
    return Checked(code, transaction, **fields)


def test_the_first_valid_use_of_a_transaction_id_in_a_block_counts() -> None:
    block = [checked("a", codes.BAD_PAYLOAD), checked("a"), checked("b"), checked("a"), checked("a")]
    _mark_duplicates(block)
    twice = codes.DUPLICATE_TXID
    assert [one.code for one in block] == [codes.BAD_PAYLOAD, codes.VALID, codes.VALID, twice, twice]
    assert [bool(one.reason) for one in block] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("creator", "endorsers", "warned"),
    [
        (identity("A"), [identity("B"), identity("C")], False),
        (identity("A", LATE), [identity("B", LATE)], False),
        (identity("A", LATE - 1), [identity("B")], True),
        (identity("A"), [identity("B"), identity("C", LATE - 1)], True),
        (None, [identity("B")], False),
        (None, [identity("B", LATE - 1)], True),
        (identity("A", LATE - 1), [identity("B", LATE - 1)], True),
    ],
)
def test_a_certificate_outside_its_validity_is_warned_of_once_a_transaction(
    creator: Any, endorsers: list[Any], warned: bool
) -> None:
    audit = Audit()
    audit.execution._note_expiry(checked("t", creator=creator, endorsers=endorsers), 7)
    assert audit.found("warning") == [(Rule.EXPIRED.value, 7, "t")] * warned
    assert audit.record.held.get(Rule.EXPIRED.value, 0) == (not warned)


def test_certificates_of_what_has_no_effect_are_not_looked_at() -> None:
    audit = Audit()
    for one in (checked("t", codes.MVCC_READ_CONFLICT, creator=identity("A", 0)), Checked(codes.BAD_PAYLOAD)):
        audit.execution._note_expiry(one, 7)
    assert (audit.found("warning"), audit.record.held) == ([], {})


def defined(audit: Audit, approvals: str, endorsers: str, code: int = codes.VALID, **other: Any) -> None:
    """Let a block commit a definition that some organisations approved and some endorsed."""
    audit.state.begin_block()
    define(audit.state, 1)
    for msp_id in approvals:
        approve(audit.state, msp_id, 1)
    audit.state.finish_block(3, [])
    act = action(others=other.get("others", {LIFECYCLE: COMMITTED}))
    one = checked("t", code, action=act, endorsers=[identity(msp_id) for msp_id in endorsers])
    audit.execution.definitions(channel("A", "B", "C"), 3, [Checked(codes.BAD_PAYLOAD), one])


@pytest.mark.parametrize(
    ("approvals", "endorsers", "failed", "held"),
    [("ABC", "AB", 0, 1), ("AB", "AB", 0, 1), ("AB", "ABC", 1, 0), ("A", "C", 1, 0), ("", "AB", 0, 0)],
)
def test_who_endorsed_a_definition_must_have_approved_it_where_approvals_are_kept(
    approvals: str, endorsers: str, failed: int, held: int
) -> None:
    audit = Audit()
    defined(audit, approvals, endorsers)
    assert audit.found("failure") == [(Rule.DEFINITION.value, 3, "t")] * failed
    assert audit.record.held.get(Rule.DEFINITION.value, 0) == held
    ((_, _, _, facts),) = audit.state.notes("definition")
    assert all(f'"{msp_id}"' in facts for msp_id in endorsers + approvals)


def test_what_defines_nothing_or_has_no_effect_is_no_definition() -> None:
    audit = Audit()
    defined(audit, "A", "ABC", codes.MVCC_READ_CONFLICT)
    defined(audit, "A", "ABC", others={})
    assert (audit.state.notes("definition"), audit.found("failure"), audit.record.held) == ([], [], {})


def test_each_recorded_code_is_compared_with_the_recomputed_one() -> None:
    audit = Audit()
    block = [checked("a"), checked("b", codes.MVCC_READ_CONFLICT), checked("c")]
    audit.execution.compare(5, block, bytes([codes.VALID, codes.VALID, 250]))
    assert audit.record.held == {Rule.VALIDATION_CODE.value: 1}
    texts = [(txid, text) for _, _, txid, text in audit.state.notes("failure")]
    assert texts == [
        ("b", "recorded VALID (0), recomputed MVCC_READ_CONFLICT (11)"),
        ("c", "recorded unknown code 250, recomputed VALID (0)"),
    ]


@pytest.mark.parametrize(
    ("function", "made", "error", "noted"),
    [
        (b"ProposeAggregate", ["aggregate"], None, True),
        (b"ProposeAggregate", ["aggregate"], "FL0503: another sum", False),
        (b"ProposeAggregate", [], None, False),
        (b"Attest", ["aggregate"], None, False),
    ],
)
def test_a_sum_counts_as_made_again_only_where_the_rules_made_it_and_took_it(
    function: bytes, made: list[str], error: str | None, noted: bool
) -> None:
    audit = Audit()
    proposal = cast("Any", SimpleNamespace(arguments=(function, PROPOSAL)))
    audit.execution._note_open({"checked": made, "unchecked": [], "error": error}, proposal, 4, "t")
    assert audit.state.notes("recomputed") == [(Rule.AGGREGATE.value, 4, "t", "t/2/1/ab")] * noted


@pytest.mark.parametrize(("chaincode", "indexed"), [("cc", 1), ("another", 0)])
def test_only_events_of_the_rules_own_chaincode_are_indexed(chaincode: str, indexed: int) -> None:
    audit = Audit()
    event = chaincode_event_pb2.ChaincodeEvent(chaincode_id=chaincode, event_name="RoundFinal", payload=b"{}")
    audit.execution._apply(checked("t", action=action(chaincode=chaincode, event=event), creator=identity("A")), 4)
    assert [(one["name"], one["msp"]) for one in audit.state.events()] == [("RoundFinal", "A")] * indexed


@pytest.mark.parametrize(
    ("chaincode", "written", "given", "taken"),
    [
        ("cc", ["a"], {"a": b"v"}, []),
        ("cc", ["a"], {"a": b"w"}, [("a", b"v")]),
        ("cc", [], {"a": b"w"}, [("a", None)]),
        ("another", ["a"], {}, [("a", b"v")]),
    ],
)
def test_after_a_breach_the_rules_go_on_from_what_the_chain_holds(
    chaincode: str, written: list[str], given: dict[str, bytes], taken: list[tuple[str, bytes | None]]
) -> None:
    audit = Audit(rules := Rules(writes=given))
    one = checked("t", action=action(list(map(write, written)), chaincode=chaincode), creator=identity("A"))
    audit.state.begin_block()
    audit.execution._apply(one, 4)
    audit.execution._compare(one, 4)
    assert rules.taken == taken
    assert bool(audit.found("failure")) == bool(taken)
    assert audit.state.compared


def test_what_the_rules_leave_open_under_a_name_that_nobody_knows_is_an_error() -> None:
    answer = {"checked": [], "unchecked": ["something new"], "error": None}
    with pytest.raises(ReplayError, match="FL5"):
        Audit().execution._note_open(answer, action(), 1, "t")


@pytest.mark.parametrize(
    ("argument", "name"),
    [(b'{"training":"t","round":2,"attempt":1}', "t/2/1"), (b"{}", "//"), (b"[1]", ""), (b"x", ""), (None, "")],
)
def test_an_attempt_is_named_by_what_a_transaction_says_of_it(argument: bytes | None, name: str) -> None:
    arguments = (b"Attest",) if argument is None else (b"Attest", argument)
    assert _attempt(cast("Any", SimpleNamespace(arguments=arguments))) == name
