"""A node restored from a snapshot of its whole machine is told by others what it has forgotten."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fl_node.blobs import first_digest, tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.first_digest import Binding, Bindings
from fl_node.blobs.index import Index
from fl_node.blobs.store import BlobStore
from fl_node.errors import NodeError, RefusalError
from fl_node.journal.journal import Journal
from network.topology import Consortium
from tests.believing import channel_of
from tests.unit.blobs.test_service import serving

DEED = "t/1/1/hospital-a"
FIRST, SECOND = b"one vector, masked", b"another vector under the same mask"
NAMES = ("hospital-a", "hospital-b", "hospital-c")


def forgetful(folder: Path, name: str = "new") -> Bindings:
    """Return bindings of which none is known."""
    return Bindings(Index(folder / f"{name}.index"))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal", tmp_path / "journal.key") as opened:
        yield opened


class World:
    """Three blob services and the client of hospital-a's node."""

    def __init__(
        self, client: BlobClient, urls: dict[str, str], stores: dict[str, BlobStore], journal: Journal
    ) -> None:
        self.client = client
        self.urls = urls
        self.stores = stores
        self.journal = journal

    async def spread(self, data: bytes, needed: int = 3) -> list[str]:
        binding = Binding(DEED, digest(data), self.journal.mark)
        return await self.client.spread(digest(data), data, needed, binding=binding)

    def holders(self, data: bytes) -> set[str]:
        return {name for name, store in self.stores.items() if store.size(digest(data)) is not None}


@pytest.fixture
async def world(run: Path, consortium: Consortium, tmp_path: Path, journal: Journal) -> AsyncIterator[World]:
    stores = {name: BlobStore(tmp_path / name) for name in NAMES}
    async with contextlib.AsyncExitStack() as stack:
        urls = {n: await stack.enter_async_context(serving(run, consortium, s, n)) for n, s in stores.items()}
        client = await stack.enter_async_context(
            BlobClient(urls, tls.calling(run, "hospital-a", "node", channel_of(run)))
        )
        yield World(client, urls, stores, journal)


async def test_the_same_blob_again_is_success(world: World):
    assert await world.spread(FIRST) == sorted(NAMES)
    assert await world.spread(FIRST) == sorted(NAMES)
    assert world.holders(FIRST) == set(NAMES)


async def test_t6_a_second_vector_after_a_snapshot_is_refused_before_a_byte_of_it_leaves(world: World, tmp_path: Path):
    await world.spread(FIRST)
    world.stores["hospital-a"].bindings = forgetful(tmp_path)  # what the snapshot holds of the node's own service
    with pytest.raises(RefusalError) as caught:
        await world.spread(SECOND)
    assert caught.value.code == "FL4203"
    assert world.holders(SECOND) == set()


async def test_t6_one_service_that_remembers_is_enough(world: World, tmp_path: Path):
    await world.spread(FIRST)
    for name in ("hospital-a", "hospital-b"):
        world.stores[name].bindings = forgetful(tmp_path, name)
    with pytest.raises(RefusalError):
        await world.spread(SECOND)
    assert world.holders(SECOND) == set()


async def test_a_service_that_makes_an_answer_up_stops_nobody(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with Journal(tmp_path / "liar", tmp_path / "liar.key") as other:
        made_up = Binding(DEED, digest(FIRST), other.mark).text
    monkeypatch.setattr(world.stores["hospital-b"].bindings, "firsts", lambda told: [made_up] * len(told))
    monkeypatch.setattr(world.stores["hospital-c"].bindings, "firsts", lambda told: ["nonsense"] * len(told))
    assert await world.spread(SECOND) == sorted(NAMES)


async def test_where_too_few_are_told_nothing_leaves(world: World):
    world.urls["hospital-c"] = "https://127.0.0.1:9"
    with pytest.raises(NodeError) as caught:
        await world.spread(FIRST)
    assert (caught.value.code, bool(caught.value.hint)) == ("FL4707", True)
    assert world.holders(FIRST) == set()
    assert await world.spread(FIRST, 2) == ["hospital-a", "hospital-b"]


async def test_a_regulator_binds_nothing(world: World, run: Path, journal: Journal):
    async with BlobClient(world.client.urls, tls.calling(run, "regulator", "client", channel_of(run))) as client:
        binding = Binding(DEED, digest(FIRST), journal.mark)
        with pytest.raises(NodeError) as caught:
            await client.spread(digest(FIRST), FIRST, 1, binding=binding)
    assert caught.value.code in {"FL4705", "FL4707"}
    assert world.holders(FIRST) == set()


def test_organisations_do_not_bind_for_each_other(tmp_path: Path, journal: Journal):
    kept = forgetful(tmp_path)
    one, other = (Binding(DEED, digest(data), journal.mark).text for data in (FIRST, SECOND))
    assert (kept.first("hospital-a", one), kept.first("hospital-b", other)) == (one, other)
    assert (kept.first("hospital-a", other), kept.first("hospital-b", one)) == (one, other)


@pytest.mark.parametrize("text", ["", "t/1/1/a", f"{DEED} {'a' * 64}", f"../../x {'a' * 64} {'b' * 63}", "x\ny z"])
def test_what_is_no_binding_is_refused(tmp_path: Path, text: str):
    with pytest.raises(NodeError) as caught:
        forgetful(tmp_path).first("hospital-a", text)
    assert caught.value.code == "FL4706"


def test_bindings_are_bounded_and_the_newest_stay(tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_digest, "MOST", 6)
    monkeypatch.setattr(first_digest, "ROOM_EVERY", 2)
    kept = forgetful(tmp_path)
    other = kept.first("hospital-b", Binding("t/0/1/b", digest(FIRST), journal.mark).text)
    first = [Binding(f"t/{number}/1/a", digest(FIRST), journal.mark).text for number in range(20)]
    second = [Binding(f"t/{number}/1/a", digest(SECOND), journal.mark).text for number in range(20)]
    for text in first:
        kept.first("hospital-a", text)
    answers = kept.firsts([("hospital-a", text) for text in reversed(second)])
    known = [answer == text for answer, text in zip(answers, reversed(first), strict=True)]
    assert known[:6] == [True] * 6
    assert not any(known[7:])
    assert kept.first("hospital-b", Binding("t/0/1/b", digest(SECOND), journal.mark).text) == other
