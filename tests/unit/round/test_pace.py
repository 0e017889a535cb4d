"""A node looks at a busy ledger less often, and gives those before it more time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node.round.pace import QUICK_S, SLOWEST_PACE, paced


def test_a_ledger_that_answers_quickly_is_looked_at_at_the_usual_pace():
    assert paced(1.0, QUICK_S) == 1.0
    assert paced(1.0, 0.0) == 1.0


def test_a_ledger_that_takes_half_a_second_is_soon_looked_at_five_times_less_often():
    pace = 1.0
    for expected in (3.0, 4.0, 4.5):
        pace = paced(pace, 5 * QUICK_S)
        assert pace == pytest.approx(expected)


def test_one_late_answer_is_forgotten_after_a_few_quick_ones():
    pace = paced(1.0, 60.0)
    assert pace == SLOWEST_PACE
    for _ in range(4):
        pace = paced(pace, QUICK_S / 10)
    assert pace == 1.0


@given(st.floats(1.0, SLOWEST_PACE), st.floats(0.0, 1e9))
def test_a_pace_is_never_quicker_than_usual_nor_without_bound(before: float, look_s: float):
    assert 1.0 <= paced(before, look_s) <= SLOWEST_PACE
