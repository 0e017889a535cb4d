"""The journal: written once, synced, encrypted, whole after any crash."""

import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from fl_node.errors import NodeError
from fl_node.journal.journal import Journal

SECRET = b"a secret that must never lie on the disk in clear"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def key_of(folder: Path) -> Path:
    return folder.parent / "keys" / "journal.key"


def opened(folder: Path) -> Journal:
    return Journal(folder, key_of(folder))


def test_a_record_is_there_after_a_restart(folder: Path):
    with opened(folder) as journal:
        journal.attempt("t", 1, 2).record("keys", SECRET)
    with opened(folder) as journal:
        assert journal.attempt("t", 1, 2).get("keys") == SECRET
        assert journal.attempts() == [("t", 1, 2)]


def test_records_keep_their_order_and_attempts_are_apart(folder: Path):
    with opened(folder) as journal:
        for kind in ("keys", "shares", "masked"):
            journal.attempt("t", 1, 1).record(kind, kind.encode())
        assert journal.attempt("t", 1, 1).kinds() == ("keys", "shares", "masked")
        assert journal.attempt("t", 1, 2).kinds() == ()


def test_the_same_record_again_is_success_and_another_is_refused(folder: Path):
    with opened(folder) as journal:
        records = journal.attempt("t", 1, 1)
        records.record("masked", b"one vector")
        records.record("masked", b"one vector")
        with pytest.raises(NodeError) as caught:
            records.record("masked", b"a second vector")
    assert caught.value.code == "FL4202"


def test_secrets_are_nowhere_on_the_disk_in_clear(folder: Path):
    with opened(folder) as journal:
        journal.attempt("t", 1, 1).record("secrets", SECRET)
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert SECRET not in content
            assert SECRET.hex().encode() not in content


def test_the_key_is_readable_by_its_owner_alone(folder: Path):
    with opened(folder):
        assert key_of(folder).stat().st_mode & 0o777 == 0o600
    key_of(folder).chmod(0o644)
    with pytest.raises(NodeError) as caught:
        opened(folder)
    assert caught.value.code == "FL4201"


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_torn_last_record_is_forgotten_and_overwritten(folder: Path, lost: int):
    with opened(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
        journal.attempt("t", 1, 1).record("shares", b"second")
    path = folder / "t.1.1.log"
    os.truncate(path, path.stat().st_size - lost)
    with opened(folder) as journal:
        records = journal.attempt("t", 1, 1)
        assert records.kinds() == ("keys",)
        records.record("shares", b"third")
    with opened(folder) as journal:
        assert journal.attempt("t", 1, 1).get("shares") == b"third"


@pytest.mark.parametrize("written", [0, 3, 20, 60])
@pytest.mark.parametrize("first", [True, False])
def test_a_power_cut_that_leaves_zeros_where_a_record_was_to_be_does_not_keep_a_node_from_starting(
    folder: Path, written: int, *, first: bool
):
    with opened(folder) as journal:
        if not first:
            journal.remember("frozen", "a synced fact")
        path = folder / "facts.log"
        before = path.stat().st_size if path.exists() else 0
        journal.remember("frozen", "a fact on its way to the disk, of which so much arrived")
    whole = path.read_bytes()
    path.write_bytes(whole[: before + written] + bytes(len(whole) - before - written))
    with opened(folder) as journal:
        assert journal.facts("frozen") == ([] if first else ["a synced fact"])
        journal.remember("frozen", "again")
    with opened(folder) as journal:
        assert journal.facts("frozen")[-1] == "again"


def test_a_crash_within_the_first_write_leaves_an_empty_journal(folder: Path):
    with opened(folder) as journal:
        journal.attempt("t", 1, 1)
    (folder / "t.1.1.log").write_bytes(b"fedledger jou")
    with opened(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
    with opened(folder) as journal:
        assert journal.attempt("t", 1, 1).get("keys") == b"first"


@pytest.mark.parametrize("position", [25, 40, 60])
def test_a_changed_byte_is_found(folder: Path, position: int):
    with opened(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
        journal.attempt("t", 1, 1).record("shares", b"second")
    path = folder / "t.1.1.log"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with opened(folder) as journal, pytest.raises(NodeError) as caught:
        journal.attempt("t", 1, 1)
    assert caught.value.code == "FL4201"


def test_a_file_moved_to_another_attempt_does_not_open(folder: Path):
    with opened(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
    (folder / "t.1.1.log").rename(folder / "t.1.2.log")
    with opened(folder) as journal, pytest.raises(NodeError) as caught:
        journal.attempt("t", 1, 2)
    assert caught.value.code == "FL4201"


def test_a_second_daemon_cannot_open_it(folder: Path):
    with opened(folder), pytest.raises(NodeError) as caught:
        opened(folder)
    assert caught.value.code == "FL4009"


def test_forgetting_an_attempt_deletes_its_secrets(folder: Path):
    with opened(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
        journal.forget("t", 1, 1)
        assert journal.attempts() == []
        assert journal.attempt("t", 1, 1).kinds() == ()


def test_a_full_disk_is_said_and_nothing_counts_as_written(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with opened(folder) as journal:
        records = journal.attempt("t", 1, 1)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(NodeError) as caught:
            records.record("keys", b"first")
        assert (caught.value.code, records.kinds()) == ("FL4007", ())


def test_a_copy_of_the_folder_opens_nothing(folder: Path, tmp_path: Path):
    with opened(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", SECRET)
    shutil.copytree(folder, tmp_path / "elsewhere" / "journal")
    with opened(tmp_path / "elsewhere" / "journal") as copy, pytest.raises(NodeError) as caught:
        copy.attempt("t", 1, 1)
    assert caught.value.code == "FL4201"


def test_facts_survive_a_restart_and_each_is_kept_once(folder: Path):
    with opened(folder) as journal:
        for state in ("a", "b", "a"):
            journal.remember("states:t", state)
        journal.remember("frozen:s", ["t/1/1", ["x"]])
    with opened(folder) as journal:
        assert journal.facts("states:t") == ["a", "b"]
        assert journal.facts("frozen:s") == [["t/1/1", ["x"]]]
        assert journal.facts("nothing") == []
        assert journal.attempts() == []


def test_facts_grow_by_as_much_for_the_last_round_as_for_the_first(folder: Path):
    sizes = [0]
    with opened(folder) as journal:
        for number in range(100, 150):
            journal.remember("states:t", f"{number:064x}")
            sizes.append((folder / "facts.log").stat().st_size)
    grown = [after - before for before, after in pairwise(sizes[1:])]
    assert len(set(grown)) == 1


def test_a_changed_fact_is_found_and_the_lock_let_go(folder: Path):
    with opened(folder) as journal:
        journal.remember("states:t", "a")
        journal.remember("states:t", "b")
    path = folder / "facts.log"
    good = path.read_bytes()
    path.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
    with pytest.raises(NodeError) as caught:
        opened(folder)
    assert (caught.value.code, bool(caught.value.hint)) == ("FL4201", True)
    path.write_bytes(good)
    with opened(folder) as journal:
        assert journal.facts("states:t") == ["a", "b"]


def test_a_mark_is_the_journals_own(folder: Path, tmp_path: Path):
    with opened(folder) as journal, opened(tmp_path / "other" / "journal") as other:
        assert journal.mark("a text") == journal.mark("a text")
        assert len({journal.mark("a text"), journal.mark("another"), other.mark("a text")}) == 3
