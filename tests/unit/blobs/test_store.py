"""The store of a blob service: what it keeps, for whom, how long, and what it refuses."""

import hashlib
import time
from pathlib import Path

import pytest

from fl_node.blobs import store as blob_store
from fl_node.blobs.store import BLOCK, MOST_PARTS, About, BlobStore, Limits
from fl_node.errors import NodeError

DATA = bytes(range(256)) * 40
DIGEST = hashlib.sha256(DATA).hexdigest()
OWNER = "hospital-a"


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def test_only_a_blob_that_is_here_unaltered_is_sound(store: BlobStore):
    assert not store.sound(DIGEST)
    store.put(DATA, About(OWNER))
    assert store.sound(DIGEST)
    store.path(DIGEST).write_bytes(b"\1" + DATA[1:])
    assert not store.sound(DIGEST)
    assert store.size(DIGEST) is None


def test_a_blob_that_another_is_bringing_is_arriving(store: BlobStore, monkeypatch: pytest.MonkeyPatch):
    store.append(DIGEST, 0, len(DATA), DATA[:10], About(OWNER))
    assert store.arriving(DIGEST)
    monkeypatch.setattr(blob_store, "ARRIVING_S", 0.0)
    assert not store.arriving(DIGEST)


def test_a_blob_that_the_disk_changed_is_set_aside(store: BlobStore):
    store.put(DATA, About(OWNER))
    store.path(DIGEST).write_bytes(b"\1" + DATA[1:])
    with pytest.raises(NodeError) as caught:
        store.read(DIGEST)
    assert (caught.value.code, store.size(DIGEST)) == ("FL4701", None)
    store.put(DATA, About(OWNER))
    assert store.read(DIGEST) == DATA


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(blob=len(DATA) - 1), "FL4702"),
        (Limits(organisation=len(DATA) - 1), "FL4703"),
        (Limits(reserve=1 << 60), "FL4703"),
    ],
)
def test_sizes_quotas_and_the_disks_reserve_are_kept(tmp_path: Path, limits: Limits, code: str):
    store = BlobStore(tmp_path, limits)
    with pytest.raises(NodeError) as caught:
        store.put(DATA, About(OWNER))
    assert (caught.value.code, store.size(DIGEST)) == (code, None)


def test_an_organisations_quota_counts_over_a_restart_and_not_for_others(tmp_path: Path):
    BlobStore(tmp_path).put(DATA, About(OWNER))
    store = BlobStore(tmp_path, Limits(organisation=len(DATA)))
    with pytest.raises(NodeError):
        store.put(b"one more byte", About(OWNER))
    store.put(b"one more byte", About("hospital-b"))


def test_tiny_blobs_cost_a_block_of_the_disk_each(tmp_path: Path):
    store = BlobStore(tmp_path, Limits(organisation=2 * BLOCK))
    store.put(b"1", About(OWNER))
    gone = store.put(b"2", About(OWNER, note="mine"))
    with pytest.raises(NodeError):
        store.put(b"3", About(OWNER))
    store.expire(1, gone)
    assert [store.sweep(), store.sweep()] == [1, 0]
    store.put(b"3", About(OWNER))
    with pytest.raises(NodeError):
        store.put(b"4", About(OWNER))


def test_unfinished_uploads_count_against_the_quota_and_are_few(tmp_path: Path):
    store = BlobStore(tmp_path, Limits(organisation=2 * len(DATA)))
    other = "cd" * 32
    store.append(other, 0, 2 * len(DATA), DATA + b"more", About(OWNER))
    with pytest.raises(NodeError) as caught:
        store.append(DIGEST, 0, len(DATA), DATA[:10], About(OWNER))
    assert caught.value.code == "FL4703"
    store.append(DIGEST, 0, len(DATA), DATA[:10], About("hospital-b"))
    store.discard_part(other, OWNER)
    for number in range(MOST_PARTS):
        store.append(f"{number:064x}", 0, 2, b"1", About(OWNER))
    with pytest.raises(NodeError) as caught:
        store.append(DIGEST, 0, 2, b"1", About(OWNER))
    assert caught.value.code == "FL4703"
    assert not store.append(f"{0:064x}", 1, 3, b"1", About(OWNER))


def test_a_masked_blob_expires_and_what_has_a_later_date_stays(store: BlobStore):
    kept = store.put(b"a state", About(OWNER))
    store.put(DATA, About(OWNER))
    store.expire(1000, DIGEST)
    assert store.sweep(999) == 0
    assert store.sweep(1000) == 1
    assert (store.size(DIGEST), store.read(kept)) == (None, b"a state")


def test_a_blob_goes_that_nothing_on_the_ledger_names_and_one_that_is_kept_stays(tmp_path: Path):
    store = BlobStore(tmp_path, Limits(unnamed_ms=1000))
    began = time.time_ns() // 1_000_000
    kept, unnamed = store.put(b"a state", About(OWNER)), store.put(DATA, About("hospital-b"))
    store.keep(kept, "ab" * 32)
    assert store.sweep(began + 900) == 0
    assert store.sweep(began + 60_000) == 1
    assert (store.size(unnamed), store.read(kept)) == (None, b"a state")


def test_a_blob_that_is_brought_again_stays_longer_and_its_first_owner_pays(tmp_path: Path):
    store = BlobStore(tmp_path, Limits(unnamed_ms=1000))
    store.put(DATA, About(OWNER))
    store.expire(1, DIGEST)
    store.put(DATA, About("hospital-b"))
    about = store.about(DIGEST)
    assert about
    assert (about.organisation, about.expires_ms > 1) == (OWNER, True)


def test_the_owners_own_blobs_count_against_no_quota(tmp_path: Path):
    store = BlobStore(tmp_path, Limits(organisation=10), OWNER)
    assert store.read(store.put(DATA, About(OWNER))) == DATA
    with pytest.raises(NodeError) as caught:
        store.put(DATA[:-1], About("hospital-b"))
    assert caught.value.code == "FL4703"


def test_the_owners_notes_outlive_the_bytes(store: BlobStore):
    store.put(DATA, About(OWNER, note="t/1/1 update"))
    store.expire(1, DIGEST)
    store.sweep(2)
    assert store.notes(OWNER) == {"t/1/1 update": DIGEST}
    assert store.notes("hospital-b") == {}


def test_two_uploads_of_one_blob_do_not_mix(store: BlobStore):
    half = len(DATA) // 2
    assert not store.append(DIGEST, 0, len(DATA), DATA[:half], About("hospital-a"))
    assert not store.append(DIGEST, 0, len(DATA), DATA[:half], About("hospital-b"))
    assert store.append(DIGEST, half, len(DATA), DATA[half:], About("hospital-b"))
    assert store.read(DIGEST) == DATA
