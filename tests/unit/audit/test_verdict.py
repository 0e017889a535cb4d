"""What a verdict calls itself, and what machines read of it."""

import pytest

from audit.fabric.state import State
from audit.verify.verdict import MOST_TEXT, REASONS, SINGLE_ORDERER, TITLES, Record, Rule, Unchecked, Verdict

FACTS = dict.fromkeys(
    (
        "hash",
        "blocks",
        "namespaces",
        "attempt",
        "count",
        "chaincode",
        "error",
        "level",
        "need",
        "silent",
        "height",
        "own",
        "why",
        "plan",
        "channel",
        "genesis",
    ),
    "x",
)


def test_ok_alone_says_that_nothing_was_left_unchecked() -> None:
    empty = Verdict().as_json()
    assert (empty["verdict"], empty["ok"], empty["complete"]) == ("OK", True, True)
    assert (empty["height"], empty["transactions"], empty["held"]) == (0, 0, [])


@pytest.mark.parametrize("reason", Unchecked)
def test_whatever_is_left_unchecked_stands_in_the_word_and_in_the_json(reason: Unchecked) -> None:
    verdict = Verdict()
    verdict.leave(reason, 3, **FACTS)
    (finding,) = verdict.unchecked
    assert (finding.code, finding.block, finding.reason) == (REASONS[reason][0], 3, reason)
    assert "{" not in finding.text
    told = verdict.as_json()
    assert (told["ok"], told["complete"], told["unchecked"][0]["reason"]) == (True, False, reason)
    wanted = (
        "INCOMPLETE, the rules were not run" if reason == Unchecked.RULES_NOT_RUN else "OK, with 1 thing not checked"
    )
    assert (verdict.word, told["verdict"], verdict.decided) == (wanted, wanted, reason != Unchecked.RULES_NOT_RUN)


def test_two_things_are_things() -> None:
    verdict = Verdict()
    verdict.leave(Unchecked.LATER_BLOCKS)
    verdict.leave(Unchecked.LATER_BLOCKS)
    assert verdict.word == "OK, with 2 things not checked"


def test_a_failure_is_the_verdict_whatever_was_not_checked() -> None:
    verdict = Verdict()
    verdict.leave(Unchecked.RULES_NOT_RUN)
    verdict.failed_rule(Rule.LINEAGE, "it breaks", 4)
    assert (verdict.word, verdict.ok, verdict.decided) == ("FAILED", False, True)
    told = verdict.as_json()
    assert told["failures"] == [{"code": "FL5051", "block": 4, "transaction": "", "text": "it breaks"}]
    assert next(iter(told)) == "verdict"


def test_a_verdict_says_where_a_single_orderer_signed() -> None:
    single, many = Verdict(quorum=1), Verdict(quorum=3)
    assert (single.signed, many.signed) == ("a single orderer", "a quorum of 3 orderers")
    assert set(single.as_json()["beyond"]) - set(many.as_json()["beyond"]) == {SINGLE_ORDERER}
    assert (single.as_json()["orderer_signatures"], many.as_json()["orderer_signatures"]) == (1, 3)


def test_every_rule_has_a_title() -> None:
    assert set(TITLES) == set(Rule)


def test_findings_outlive_the_run_with_their_place_and_reason() -> None:
    state = State(":memory:")
    record = Record(state)
    record.hold(Rule.ORDER)
    record.hold(Rule.ORDER)
    record.fail(Rule.REPLAY_WRITES, 1 << 70, "x" * (MOST_TEXT + 1), "t")
    record.fail(Rule.EXPIRED, 2, "late", "t2")
    record.leave(Unchecked.SUM, 3, "t3", attempt="a/1/1")
    record.stop(Rule.ORDER, 4, "gap")
    record.save()
    verdict = Record(state).verdict(height=5)
    assert verdict.held == {"FL5002": 2}
    assert [(f.code, f.block, f.txid, len(f.text)) for f in verdict.failures] == [
        ("FL5040", (1 << 63) - 1, "t", MOST_TEXT),
        ("FL5002", 4, "", 3),
    ]
    assert [(f.code, f.block, f.txid, f.text) for f in verdict.warnings] == [("FL5060", 2, "t2", "late")]
    (left,) = verdict.unchecked
    assert (left.block, left.txid, left.reason) == (3, "t3", "sum")
    assert left.text == "the sum of a/1/1 was not recomputed: its masked updates are not at hand"
