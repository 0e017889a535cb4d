"""What a participant keeps for itself between the rounds of a training."""

from pathlib import Path

from fl_node.plan.own import OwnStates


def test_a_round_finds_what_the_last_one_before_it_gave_however_often_it_is_made(tmp_path: Path):
    kept = OwnStates(tmp_path / "own")
    assert kept.before("t", 1) == b""
    counts(kept, "t", 1, b"one")
    kept.keep("t", 3, 1, b"three, void")
    assert (kept.before("t", 3), kept.before("t", 2), kept.before("t", 1)) == (b"one", b"one", b"")
    kept.settle("t", 3, 1, counted=False)
    counts(kept, "t", 3, b"three", attempt=2)
    assert OwnStates(tmp_path / "own").before("t", 4) == b"three"


def test_what_did_not_count_is_forgotten(tmp_path: Path):
    """It is in no sum: a control variate that had changed would differ for ever from what the shared state knows."""
    kept = OwnStates(tmp_path)
    counts(kept, "t", 1, b"one")
    kept.keep("t", 2, 1, b"nobody summed it")
    kept.settle("t", 2, 1, counted=False)
    kept.keep("t", 3, 1, b"nor is it known yet whether this will be")
    assert kept.before("t", 4) == b"one"
    kept.keep("t", 3, 2, b"three")
    kept.settle("t", 3, 1, counted=True)
    assert (kept.before("t", 4), len(list(tmp_path.iterdir()))) == (b"one", 2)
    kept.settle("t", 3, 2, counted=True)
    assert kept.before("t", 4) == b"three"


def counts(kept: OwnStates, training: str, number: int, state: bytes, attempt: int = 1) -> None:
    kept.keep(training, number, attempt, state)
    kept.settle(training, number, attempt, counted=True)


def test_trainings_are_kept_apart_and_what_no_round_needs_any_more_is_removed(tmp_path: Path):
    kept = OwnStates(tmp_path)
    for number in range(1, 30):
        counts(kept, "t", number, bytes([number]))
    counts(kept, "t-1", 2, b"another")
    assert len(list(tmp_path.iterdir())) == 3
    assert (kept.before("t", 30), kept.before("t", 29), kept.before("t-1", 30)) == (
        bytes([29]),
        bytes([28]),
        b"another",
    )


def test_only_the_node_may_read_it(tmp_path: Path):
    OwnStates(tmp_path).keep("t", 1, 1, b"one")
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]
