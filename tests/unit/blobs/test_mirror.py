"""What a round names is pulled, within bounds and not for ever."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.blobs.client import BlobClient
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.store import About, BlobStore
from fl_node.errors import NodeError
from fl_node.journal.journal import Journal
from fl_node.ledger.records import Round
from fl_node.metrics import Metrics
from fl_node.round.carry_out import CarryOutDependencies, Deeds
from fl_node.round.consent import Consent
from fl_node.round.speaking import Speaking, SpeakingDependencies
from fl_node.secagg.seal import bundle_bytes
from tests.unit.round.test_checks import ROUND

SEALED, UPDATE, AGGREGATE, STATE = (digit * 64 for digit in "1234")


class Nowhere:
    """Blob services that have nothing, and remember what was asked of them."""

    def __init__(self, *names: str) -> None:
        self.urls = dict.fromkeys(names or ("hospital-b",), "")
        self.most: dict[str, int | None] = {}

    async def fetch(self, digest: str, *_: Any) -> None:
        self.most[digest] = _[-1]
        raise NodeError("FL4704", "nowhere")


def view(phase: str) -> Round:
    proposal = {"number": 1, "proposer": "b", "aggregate": AGGREGATE, "state": STATE}
    shares = {"b": {"seed_commitment": "5" * 64, "shares_root": "5" * 64, "sealed": SEALED}}
    updates = {"b": {"digest": UPDATE, "length": 16, "examples": 1}}
    changes = {"phase": phase, "proposal": proposal, "shares": shares, "updates": updates, "u1": ROUND.cohort}
    return Round.model_validate(ROUND.model_dump() | changes)


KINDS = 4
"""Sealed bundle, masked update, aggregate and state: what the view names."""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fl_node.blobs.mirror.SETTLE_S", 0.0)


async def pulled_after(folder: Path, end: str) -> tuple[dict[str, int | None], set[str]]:
    client = Nowhere()
    mirror = Mirror(BlobStore(folder), cast("BlobClient", client), "hospital-a", Metrics())
    mirror.watch(view("Attest"))
    for _ in range(1000):  # until each pull has been asked for
        if len(client.most) == KINDS:
            break
        await asyncio.sleep(0)
    mirror.retain(view(end), 1000)
    for _ in range(10):  # what is cancelled ends
        await asyncio.sleep(0)
    waiting = set(mirror._tasks)
    await mirror.close()
    return client.most, waiting


async def test_a_blob_may_have_no_more_bytes_than_its_kind(tmp_path: Path):
    most, _ = await pulled_after(tmp_path, "Void")
    whole = BlobStore(tmp_path).limits.blob
    assert most == {SEALED: bundle_bytes(len(ROUND.cohort)), UPDATE: 16, AGGREGATE: whole, STATE: whole}


async def test_blobs_that_may_never_have_been_are_not_waited_for_once_the_attempt_is_over(tmp_path: Path):
    assert (await pulled_after(tmp_path / "void", "Void"))[1] == {UPDATE}
    assert (await pulled_after(tmp_path / "final", "Final"))[1] == {UPDATE, AGGREGATE, STATE}


async def test_a_blob_that_arrives_while_its_owner_is_giving_it_to_everybody_is_not_pulled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("fl_node.blobs.mirror.SETTLE_S", 0.1)
    client, store = Nowhere(), BlobStore(tmp_path)
    mirror = Mirror(store, cast("BlobClient", client), "hospital-a", Metrics())
    named = view("Updates")
    digest = store.put(b"masked", About("hospital-b"))
    store.path(digest).rename(tmp_path / "aside")
    named.updates["b"] = named.updates["b"].model_copy(update={"digest": digest})
    mirror.watch(named)
    await asyncio.sleep(0)
    (tmp_path / "aside").rename(store.path(digest))
    await asyncio.sleep(0.3)
    await mirror.close()
    assert SEALED in client.most
    assert digest not in client.most


async def test_blobs_of_the_own_store_are_read_at_once(tmp_path: Path):
    store = BlobStore(tmp_path)
    mirror = Mirror(store, cast("BlobClient", Nowhere()), "hospital-a", Metrics())
    one, long, damaged = (store.put(data, About("hospital-b")) for data in (b"1234", b"12345", b"4321"))
    store.path(damaged).write_bytes(b"43?1")
    assert await mirror.several([one, long, damaged, SEALED], 4) == {one: b"1234"}
    assert store.size(damaged) is None


async def test_who_is_asked_again_and_again_is_asked_less_and_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 6:
            raise TimeoutError

    monkeypatch.setattr("fl_node.blobs.mirror.asyncio.sleep", sleep)
    monkeypatch.setattr("fl_node.blobs.mirror.random.random", lambda: 0.5)
    mirror = Mirror(BlobStore(tmp_path), cast("BlobClient", Nowhere()), "hospital-a", Metrics())
    with pytest.raises(TimeoutError):
        await mirror._until(mirror.client.fetch, SEALED, "", None)
    assert slept == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]


def test_not_every_blob_is_asked_of_the_same_service_first(tmp_path: Path):
    names = ("hospital-b", "hospital-c", "hospital-d")
    mirror = Mirror(BlobStore(tmp_path), cast("BlobClient", Nowhere(*names)), "hospital-a", Metrics())
    firsts = {mirror._sources(f"{number:08x}" + 56 * "0", "participant-7")[0] for number in range(3)}
    assert firsts == set(names)
    assert mirror._sources(SEALED, "hospital-c")[0] == "hospital-c"
    assert set(mirror._sources(SEALED, "hospital-c")) == set(names)


async def test_a_node_beside_its_organisations_service_pulls_nothing_for_others_and_asks_that_service_first(
    tmp_path: Path,
):
    client = Nowhere("hospital-b", "hospital-a", "hospital-c")
    mirror = Mirror(BlobStore(tmp_path), cast("BlobClient", client), "hospital-a", Metrics(), whole=False)
    mirror.watch(view("Attest"))
    await asyncio.sleep(0.05)
    assert client.most == {}
    assert mirror._sources(SEALED, "hospital-c")[:2] == ["hospital-a", "hospital-c"]
    assert sorted(mirror._sources(SEALED, "participant-7")) == sorted(client.urls)


async def test_t9_secrets_of_attempts_that_ended_unseen_are_forgotten(tmp_path: Path):
    rounds = {(1, 1): "Void", (1, 2): "Updates"}

    async def round_(_: str, number: int, attempt: int) -> Round:
        return ROUND.model_copy(update={"attempt": attempt, "phase": rounds[number, attempt]})

    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        store = BlobStore(tmp_path / "blobs")
        node = SimpleNamespace(
            journal=journal,
            store=store,
            ledger=SimpleNamespace(round=round_),
            mirror=Mirror(store, cast("BlobClient", Nowhere()), "hospital-a", metrics := Metrics()),
            metrics=metrics,
            organisation="hospital-a",
            consent=Consent(retention_ms=1),
            workshop=SimpleNamespace(settle=lambda view, counted: settled.append((view.attempt, counted))),
        )
        node.speaking = Speaking(cast("SpeakingDependencies", node))
        settled: list[tuple[int, bool]] = []
        for attempt in (1, 2, 3):
            journal.attempt("t", 1, attempt).record("secret", b"1")
        await Deeds(cast("CarryOutDependencies", node)).end_missed(ROUND.model_copy(update={"attempt": 3}))
        assert journal.attempts() == [("t", 1, 2), ("t", 1, 3)]
        assert settled == [(1, False)]  # it did not count, before the journal forgot it
