"""What a participant keeps for itself between the rounds of a training."""

from pathlib import Path

from fl_node.plan.own import OwnStates


def test_a_round_finds_what_the_last_one_before_it_gave_however_often_it_is_made(tmp_path: Path):
    kept = OwnStates(tmp_path / "own")
    assert kept.before("t", 1) == b""
    kept.keep("t", 1, b"one")
    kept.keep("t", 3, b"three, void")
    assert (kept.before("t", 3), kept.before("t", 2), kept.before("t", 1)) == (b"one", b"one", b"")
    kept.keep("t", 3, b"three")
    assert OwnStates(tmp_path / "own").before("t", 4) == b"three"


def test_trainings_are_kept_apart_and_what_no_round_needs_any_more_is_removed(tmp_path: Path):
    kept = OwnStates(tmp_path)
    for number in range(1, 30):
        kept.keep("t", number, bytes([number]))
    kept.keep("t-1", 2, b"another")
    assert len(list(tmp_path.iterdir())) == 3
    assert (kept.before("t", 30), kept.before("t", 29), kept.before("t-1", 30)) == (
        bytes([29]),
        bytes([28]),
        b"another",
    )


def test_only_the_node_may_read_it(tmp_path: Path):
    OwnStates(tmp_path).keep("t", 1, b"one")
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]
