"""Whether a chain's end is the end, by what other organisations' peers show."""

import pytest

from audit.verify.verdict import Rule, Unchecked, Verdict
from audit.verify.witness import Witness, judge

OTHERS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")


def at(height: int, last: str, *, forked: str = "", beyond: int = 0, silent: int = 0) -> list[Witness]:
    """What peers answer: all at `height`, or one on a fork, one ahead, some silent."""
    answers = [Witness(name, last, height) for name in OTHERS]
    for place in range(silent):
        answers[place] = Witness(OTHERS[place], error="refused")
    if forked:
        answers[0] = Witness(OTHERS[0], forked, height)
    if beyond:
        answers[0] = Witness(OTHERS[0], last, height + beyond)
    return [*answers, Witness("regulator", last, height)]


@pytest.mark.parametrize(
    ("witnesses", "failed", "held", "unchecked"),
    [
        (at(7, "ab"), 0, 4, 0),
        (at(7, "ab", silent=2), 0, 2, 0),
        (at(7, "ab", silent=3), 0, 0, 1),
        (at(7, "ab", forked="cd"), 1, 0, 0),
        (at(7, "ab", beyond=3), 1, 0, 0),
        ([*at(7, "ab", beyond=3)[:-1], Witness("regulator", "ab", 9)], 0, 0, 1),
    ],
)
def test_the_end_is_compared_with_more_organisations_than_may_lie(
    witnesses: list[Witness], failed: int, held: int, unchecked: int
) -> None:
    verdict = Verdict(height=7, last_hash="ab")
    verdict.leave(Unchecked.LATER_BLOCKS)
    judge(verdict, witnesses, "regulator")
    assert (failed, held, unchecked) == (
        len(verdict.failures),
        verdict.held.get(Rule.HEIGHT.value, 0),
        len(verdict.unchecked),
    )


@pytest.mark.parametrize(("organisations", "need"), [(2, 1), (3, 1), (4, 2), (6, 2), (7, 3), (10, 4)])
def test_one_more_than_may_lie_must_agree(organisations: int, need: int) -> None:
    """Of n organisations (n-1)//3 may lie; one's own does not count as another."""
    for level in range(organisations):
        verdict = Verdict(height=7, last_hash="ab")
        heard = [
            Witness(f"o{i}", "ab", 7) if i < level else Witness(f"o{i}", error="no") for i in range(organisations - 1)
        ]
        judge(verdict, [*heard, Witness("own", "ab", 7)], "own")
        assert bool(verdict.held) == (level >= need)
        left = [finding.reason for finding in verdict.unchecked]
        assert left == ([] if level >= need else [Unchecked.FEW_WITNESSES])


def test_a_fork_and_a_withheld_block_are_failures_at_their_place() -> None:
    verdict = Verdict(height=8, last_hash="ab")
    judge(verdict, at(8, "ab", forked="cd"), "regulator")
    assert [(f.code, f.block) for f in verdict.failures] == [(Rule.HEIGHT.value, 7)]
    assert "hospital-a" in verdict.failures[0].text
    verdict = Verdict(height=8, last_hash="ab")
    judge(verdict, at(8, "ab", beyond=3), "regulator")
    assert [(f.code, f.block) for f in verdict.failures] == [(Rule.HEIGHT.value, 8)]
    assert verdict.failures[0].text == "hospital-a holds block 10, regulator's peer does not give it"
