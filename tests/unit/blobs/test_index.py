"""What a store knows beside the bytes: in one file, for good where it must be, taken over from an earlier version."""

import asyncio
import hashlib
import json
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fl_node.blobs.first_digest import Bindings
from fl_node.blobs.index import Index
from fl_node.blobs.metadata import About, Abouts
from fl_node.blobs.store import BlobStore
from fl_node.blobs.together import Together
from fl_node.errors import NodeError
from tests.waiting import PATIENCE_S

DATA = b"a masked update"
DIGEST = hashlib.sha256(DATA).hexdigest()
FIRST = f"t/1/1/a {'1' * 64} {'a' * 64}"
SECOND = f"t/1/1/a {'2' * 64} {'b' * 64}"


@pytest.mark.parametrize(("about", "synced"), [(About("a", note="t/1/1 masked"), "2"), (About("b"), "1")])
def test_an_own_note_is_synced_and_what_others_bring_is_not(tmp_path: Path, about: About, synced: str):
    index = Index(tmp_path / "index")
    Abouts(index).arrived(DIGEST, about)
    assert [str(level) for (level,) in index.rows("pragma synchronous")] == [synced]


def test_bindings_and_the_end_of_blobs_are_synced(tmp_path: Path):
    index = Index(tmp_path / "index")
    abouts = Abouts(index)
    for synced in (lambda: abouts.expire([DIGEST], 1), lambda: Bindings(index).first("a", FIRST)):
        abouts.arrived(DIGEST, About("b"))
        synced()
        assert index.rows("pragma synchronous") == [(2,)]


def test_what_is_undone_midway_leaves_nothing(tmp_path: Path):
    bindings = Bindings(Index(tmp_path / "index"))
    with pytest.raises(NodeError):
        bindings.firsts([("a", FIRST), ("a", "no binding")])
    assert bindings.first("a", SECOND) == SECOND


def test_a_full_disk_loses_nothing_and_is_no_reason_to_stop(tmp_path: Path):
    index = Index(tmp_path / "index")
    abouts = Abouts(index)
    abouts.arrived(DIGEST, About("a", note="before"))
    ((pages,),) = index.rows("pragma page_count")
    index.rows(f"pragma max_page_count = {pages}")
    with pytest.raises(NodeError) as caught:
        abouts.arrived("0" * 64, About("a", note="long" * 10_000))
    assert caught.value.code == "FL4007"
    index.rows(f"pragma max_page_count = {pages + 1000}")
    abouts.arrived("1" * 64, About("a", note="after"))
    assert abouts.noted("a") == {"before": DIGEST, "after": "1" * 64}


class FailsOnce:
    """A connection whose first commit the disk refuses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.commits = 0

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "commit":
            self.commits += 1
            if self.commits == 1:
                raise sqlite3.OperationalError("disk I/O error")
        return self.connection.execute(statement, *values)


def test_what_could_not_be_committed_is_undone_and_keeps_nothing_else_out(tmp_path: Path):
    index = Index(tmp_path / "index")
    index._connection = FailsOnce(index._connection)  # type: ignore[assignment]
    abouts = Abouts(index)
    with pytest.raises(NodeError):
        abouts.arrived(DIGEST, About("a", note="lost"))
    abouts.arrived("1" * 64, About("a", note="kept"))
    assert abouts.noted("a") == {"kept": "1" * 64}


def test_two_processes_of_one_store_know_the_same(tmp_path: Path):
    one, other = BlobStore(tmp_path), BlobStore(tmp_path)
    assert one.bindings.first("a", FIRST) == FIRST
    assert other.bindings.first("a", SECOND) == FIRST
    other.put(DATA, About("a"))
    about = one.about(DIGEST)
    assert about
    assert about.organisation == "a"


def test_a_disk_that_refuses_is_named(tmp_path: Path):
    (tmp_path / ".index").write_bytes(b"no database at all, and long enough to be read as one" * 20)
    with pytest.raises(NodeError) as caught:
        BlobStore(tmp_path)
    assert (caught.value.code, caught.value.where) == ("FL4007", str(tmp_path / ".index"))


def earlier(folder: Path) -> None:
    """Write what an earlier version kept: a small file for each blob and each binding."""
    (folder / ".about").mkdir(parents=True)
    known = {"organisation": "a", "expires_ms": 5, "note": "t/1/1 masked"}
    (folder / ".about" / DIGEST).write_text(json.dumps(known))
    (folder / ".about" / ("0" * 64)).write_text("torn")
    (folder / ".bound" / "a").mkdir(parents=True)
    (folder / ".bound" / "a" / "name").write_text(FIRST)
    (folder / ".bound" / "a" / ".torn").write_text("t/1")


def test_what_an_earlier_version_kept_is_taken_over(tmp_path: Path):
    earlier(tmp_path)
    store = BlobStore(tmp_path)
    assert store.about(DIGEST) == About("a", 5, "t/1/1 masked")
    assert store.notes("a") == {"t/1/1 masked": DIGEST}
    assert store.bindings.first("a", SECOND) == FIRST
    assert not (tmp_path / ".about").exists()
    assert not (tmp_path / ".bound").exists()


def test_what_is_taken_over_twice_changes_nothing_that_was_kept_since(tmp_path: Path):
    store = BlobStore(tmp_path)
    store.put(DATA, About("b"))
    store.bindings.first("a", SECOND)
    earlier(tmp_path)  # a crash came before the earlier files were gone
    again = BlobStore(tmp_path)
    assert again.bindings.first("a", FIRST) == SECOND
    assert again.about(DIGEST) == store.about(DIGEST)


async def test_what_is_asked_meanwhile_is_done_together():
    done: list[Sequence[int]] = []
    begun, may_end = threading.Event(), threading.Event()

    def work(numbers: Sequence[int]) -> list[int]:
        done.append(list(numbers))
        begun.set()
        assert may_end.wait(PATIENCE_S)
        return [2 * number for number in numbers]

    together = Together(work)
    first = asyncio.create_task(together.do(1))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    others = [asyncio.create_task(together.do(number)) for number in (2, 3, 4)]
    gone = asyncio.create_task(together.do(5))
    await asyncio.sleep(0)
    gone.cancel()
    may_end.set()
    assert [await first, *await asyncio.gather(*others)] == [2, 4, 6, 8]
    assert done == [[1], [2, 3, 4, 5]]


async def test_an_error_is_everybodys_and_the_next_are_served():
    def work(numbers: Sequence[int]) -> list[int]:
        if 0 in numbers:
            raise sqlite3.OperationalError("disk full")
        return list(numbers)

    together = Together(work)
    found = await asyncio.gather(together.do(1), together.do(0), return_exceptions=True)
    assert [type(each) for each in found] == [sqlite3.OperationalError] * 2
    assert await together.do(7) == 7
