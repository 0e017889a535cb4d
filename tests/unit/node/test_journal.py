"""The journal: written once, synced, encrypted, whole after any crash."""

import os
from pathlib import Path

import pytest

from fl_node.errors import NodeError
from fl_node.journal import Journal

SECRET = b"a secret that must never lie on the disk in clear"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_a_record_is_there_after_a_restart(folder: Path):
    with Journal(folder) as journal:
        journal.attempt("t", 1, 2).record("keys", SECRET)
    with Journal(folder) as journal:
        assert journal.attempt("t", 1, 2).get("keys") == SECRET
        assert journal.attempts() == [("t", 1, 2)]


def test_records_keep_their_order_and_attempts_are_apart(folder: Path):
    with Journal(folder) as journal:
        for kind in ("keys", "shares", "masked"):
            journal.attempt("t", 1, 1).record(kind, kind.encode())
        assert journal.attempt("t", 1, 1).kinds() == ("keys", "shares", "masked")
        assert journal.attempt("t", 1, 2).kinds() == ()


def test_the_same_record_again_is_success_and_another_is_refused(folder: Path):
    with Journal(folder) as journal:
        records = journal.attempt("t", 1, 1)
        records.record("masked", b"one vector")
        records.record("masked", b"one vector")
        with pytest.raises(NodeError) as caught:
            records.record("masked", b"a second vector")
    assert caught.value.code == "FL4202"


def test_secrets_are_nowhere_on_the_disk_in_clear(folder: Path):
    with Journal(folder) as journal:
        journal.attempt("t", 1, 1).record("secrets", SECRET)
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert SECRET not in content
            assert SECRET.hex().encode() not in content


def test_the_key_is_readable_by_its_owner_alone(folder: Path):
    with Journal(folder):
        assert (folder / "journal.key").stat().st_mode & 0o777 == 0o600
    (folder / "journal.key").chmod(0o644)
    with pytest.raises(NodeError) as caught:
        Journal(folder)
    assert caught.value.code == "FL4201"


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_torn_last_record_is_forgotten_and_overwritten(folder: Path, lost: int):
    with Journal(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
        journal.attempt("t", 1, 1).record("shares", b"second")
    path = folder / "t.1.1.log"
    os.truncate(path, path.stat().st_size - lost)
    with Journal(folder) as journal:
        records = journal.attempt("t", 1, 1)
        assert records.kinds() == ("keys",)
        records.record("shares", b"third")
    with Journal(folder) as journal:
        assert journal.attempt("t", 1, 1).get("shares") == b"third"


def test_a_crash_within_the_first_write_leaves_an_empty_journal(folder: Path):
    with Journal(folder) as journal:
        journal.attempt("t", 1, 1)
    (folder / "t.1.1.log").write_bytes(b"fedledger jou")
    with Journal(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
    with Journal(folder) as journal:
        assert journal.attempt("t", 1, 1).get("keys") == b"first"


@pytest.mark.parametrize("position", [25, 40, 60])
def test_a_changed_byte_is_found(folder: Path, position: int):
    with Journal(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
        journal.attempt("t", 1, 1).record("shares", b"second")
    path = folder / "t.1.1.log"
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with Journal(folder) as journal, pytest.raises(NodeError) as caught:
        journal.attempt("t", 1, 1)
    assert caught.value.code == "FL4201"


def test_a_file_moved_to_another_attempt_does_not_open(folder: Path):
    with Journal(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
    (folder / "t.1.1.log").rename(folder / "t.1.2.log")
    with Journal(folder) as journal, pytest.raises(NodeError) as caught:
        journal.attempt("t", 1, 2)
    assert caught.value.code == "FL4201"


def test_a_second_daemon_cannot_open_it(folder: Path):
    with Journal(folder), pytest.raises(NodeError) as caught:
        Journal(folder)
    assert caught.value.code == "FL4009"


def test_forgetting_an_attempt_deletes_its_secrets(folder: Path):
    with Journal(folder) as journal:
        journal.attempt("t", 1, 1).record("keys", b"first")
        journal.forget("t", 1, 1)
        assert journal.attempts() == []
        assert journal.attempt("t", 1, 1).kinds() == ()


def test_a_full_disk_is_said_and_nothing_counts_as_written(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with Journal(folder) as journal:
        records = journal.attempt("t", 1, 1)
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(NodeError) as caught:
            records.record("keys", b"first")
        assert (caught.value.code, records.kinds()) == ("FL4007", ())


def test_facts_survive_a_restart(folder: Path):
    with Journal(folder) as journal:
        journal.keep_fact("states:t", ["a"])
        journal.keep_fact("frozen:s", {"t/1/1": ["x"]})
    with Journal(folder) as journal:
        assert journal.facts == {"states:t": ["a"], "frozen:s": {"t/1/1": ["x"]}}
