"""A node's part of the beacon that follows a roll back."""

from pathlib import Path

import pytest

from fl_node.journal.journal import Journal
from fl_node.ledger.records import Beacon
from fl_node.round.beacon import due


@pytest.mark.parametrize(
    ("beacon", "expected"),
    [
        (Beacon(number=2), ("CommitBeacon", 2)),
        (Beacon(number=2, committed=("B",)), ("CommitBeacon", 2)),
        (Beacon(number=2, committed=("A", "B")), ("RevealBeacon", 2)),
        (Beacon(number=2, committed=("A", "B"), revealed=("B",), revealing_ms=1), ("RevealBeacon", 2)),
        (Beacon(number=2, committed=("B",), revealed=("B",), revealing_ms=1), ("CommitBeacon", 3)),
        (Beacon(number=2, committed=("A", "B"), revealed=("A",), revealing_ms=1), ("CommitBeacon", 3)),
        (Beacon(number=2, committed=("A", "B"), revealed=("A", "B"), revealing_ms=1, value="00"), None),
    ],
)
def test_a_node_commits_then_reveals_then_commits_to_the_next_if_this_one_fails(
    beacon: Beacon, expected: tuple[str, int] | None
) -> None:
    assert due(beacon, "A") == expected


def test_a_part_is_the_same_after_a_restart_and_another_for_each_beacon_and_node(tmp_path: Path) -> None:
    with Journal(tmp_path / "a", tmp_path / "a.key") as journal:
        parts = [journal.beacon_part(1), journal.beacon_part(2)]
    with Journal(tmp_path / "a", tmp_path / "a.key") as again, Journal(tmp_path / "b", tmp_path / "b.key") as other:
        assert [again.beacon_part(1), again.beacon_part(2)] == parts
        assert len({*parts, other.beacon_part(1)}) == 3
