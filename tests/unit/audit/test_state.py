"""The audit's own state: blocks appear whole or not at all, and runs that broke off leave nothing behind."""

from pathlib import Path

import pytest

from audit.evidence.fetch import FetchError
from audit.fabric.state import State
from audit.verify.run import open_state
from audit.verify.verify import CHECKPOINT_LEAST, checkpoint_after


def _write(state: State, number: int, key: str, value: bytes | None) -> None:
    state.begin_block()
    state.write(("cc", "", key.encode()), value, (number, 0))
    state.finish_block(number, [f"tx-{number}"])


def test_what_was_not_checkpointed_is_gone_after_a_run_that_broke_off(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    _write(state, 1, "a", b"one")
    state.checkpoint()
    _write(state, 2, "a", b"two")
    state.close()
    again = State(tmp_path / "state")
    assert again.get(("cc", "", b"a")) == (b"one", (1, 0))
    assert (again.seen("tx-1"), again.seen("tx-2")) == (True, False)
    again.close()


def test_an_abandoned_block_takes_its_findings_and_events_with_it() -> None:
    state = State(":memory:")
    _write(state, 1, "a", b"one")
    state.begin_block()
    state.write(("cc", "", b"a"), b"two", (2, 0))
    state.event((2, 0), "tx", 5, "OrgMSP", "Moved", b"{}")
    state.note("failure", "FL5030", 2, "tx", "wrong")
    state.abandon_block()
    assert (state.notes("failure"), list(state.events()), state.pending) == ([], [], {})
    _write(state, 2, "a", b"three")
    assert state.get(("cc", "", b"a")) == (b"three", (2, 0))


def test_entries_show_the_block_under_way() -> None:
    state = State(":memory:")
    _write(state, 1, "a", b"one")
    _write(state, 2, "b", b"two")
    state.begin_block()
    state.write(("cc", "", b"a"), None, (3, 0))
    state.write(("cc", "", b"c"), b"three", (3, 1))
    state.write(("other", "", b"d"), b"four", (3, 1))
    assert dict(state.entries("cc")) == {"b": b"two", "c": b"three"}


def test_ranges_lay_pending_writes_over_the_state() -> None:
    state = State(":memory:")
    for number, key in enumerate(("a", "b", "c"), start=1):
        _write(state, number, key, b"value")
    state.begin_block()
    state.write(("cc", "", b"b"), None, (4, 0))
    state.write(("cc", "", b"bb"), b"new", (4, 1))
    assert list(state.range("cc", "a", "c", include_end=False)) == [("a", (1, 0)), ("bb", (4, 1))]
    assert list(state.range("cc", "b", "", include_end=False)) == [("bb", (4, 1)), ("c", (3, 0))]


def test_a_state_is_sealed_as_its_checkpoint_left_it(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    assert state.sealed()
    _write(state, 1, "a", b"one")
    state.remember("height", 2)
    assert not state.sealed()
    state.checkpoint()
    assert state.sealed()
    state.note("failure", "FL5030", 2, "tx", "wrong")
    assert not state.sealed()
    state.close()
    again = State(tmp_path / "state")
    assert again.sealed()
    again.close()


def test_a_state_is_compared_once_each_transaction_that_counts_was() -> None:
    state = State(":memory:")
    assert state.compared
    state.apply_uncompared()
    assert not state.compared
    state.mark_compared()
    assert state.compared
    state.begin_block()
    state.apply_uncompared()
    state.abandon_block()
    assert state.compared


def test_a_value_is_the_one_that_the_block_under_way_has_written() -> None:
    state = State(":memory:")
    _write(state, 1, "a", b"one")
    state.begin_block()
    assert (state.value(("cc", "", b"a")), state.value(("cc", "", b"b"))) == (b"one", None)
    state.write(("cc", "", b"a"), None, (2, 0))
    state.write(("cc", "", b"b"), b"two", (2, 0))
    assert (state.value(("cc", "", b"a")), state.value(("cc", "", b"b"))) == (None, b"two")


def test_blocks_that_were_not_audited_have_no_state_and_asking_for_it_makes_none(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="FL5102"):
        open_state(tmp_path, tmp_path / "state.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_of_a_long_chain_read_little_more_than_it_has() -> None:
    height, read = 0, 0
    while height < 1_000_000:
        height = checkpoint_after(height)
        read += height  # a checkpoint reads what all blocks so far left
    assert checkpoint_after(0) == CHECKPOINT_LEAST
    assert read < 6 * height
