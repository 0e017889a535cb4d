"""What a node gives away in all, and when it refuses to give away more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.errors import RefusalError
from fl_node.journal.journal import Journal
from fl_node.ledger.records import Round
from fl_node.privacy.accounting import Promise, epsilon, loss
from fl_node.round.budget import check_budget, check_survivors, spend
from fl_node.round.consent import Consent
from tests.unit.round.test_checks import ROUND

PROMISE = Promise(loss(1.0, 10, 2, 100), 1e-5, 3)
ONE, TWO = epsilon(PROMISE.loss, 1e-5), epsilon(PROMISE.loss * 2, 1e-5)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as opened:
        yield opened


def view(attempt: int) -> Round:
    return ROUND.model_copy(update={"attempt": attempt})


def test_each_attempt_counts_once_also_after_a_restart(tmp_path: Path):
    for _ in range(2):
        with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
            assert spend(journal, view(1), PROMISE) == pytest.approx(ONE)
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        assert spend(journal, view(2), PROMISE) == pytest.approx(TWO)


def test_an_attempt_that_would_exceed_the_budget_is_refused_before_a_key_is_drawn(journal: Journal):
    consent = Consent(epsilon=(ONE + TWO) / 2)
    check_budget(journal, consent, view(1), PROMISE)
    spend(journal, view(1), PROMISE)
    with pytest.raises(RefusalError, match="beyond the budget") as refusal:
        check_budget(journal, consent, view(2), PROMISE)
    assert refusal.value.code == "FL4308"


def test_an_attempt_that_counts_already_goes_on_after_a_restart(journal: Journal):
    spend(journal, view(1), PROMISE)
    check_budget(journal, Consent(epsilon=ONE / 2), view(1), PROMISE)


def test_a_plan_without_noise_is_refused_where_there_is_a_budget_and_only_there(journal: Journal):
    check_budget(journal, Consent(), view(1), None)
    with pytest.raises(RefusalError, match="no differential privacy") as refusal:
        check_budget(journal, Consent(epsilon=100.0), view(1), None)
    assert refusal.value.code == "FL4308"


def test_nothing_is_revealed_where_fewer_survive_than_the_noise_was_made_for():
    few = ROUND.model_copy(update={"survivors": ("a", "b")})
    with pytest.raises(RefusalError, match="2 survivors where") as refusal:
        check_survivors(few, PROMISE)
    assert refusal.value.code == "FL4309"
    check_survivors(ROUND, PROMISE)
    check_survivors(few, None)
