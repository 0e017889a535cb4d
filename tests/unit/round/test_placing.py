"""A blob's digest reaches the ledger although a member that says it holds the blob does not endorse."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from fl_node.blobs.first_digest import Binding
from fl_node.errors import NodeError
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round
from fl_node.round import placing
from fl_node.round.placing import Placing
from fl_node.round.speaking import Alone, LeftBlob
from tests.unit.round.test_checks import DIGEST, ROUND

MEMBERS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")


async def said_alone(_: Round, __: str, ___: dict[str, Any], alone: Alone, ____: LeftBlob | None) -> None:
    await alone()


class World:
    """Four members, of which hospital-b takes every blob and endorses nothing."""

    def __init__(self) -> None:
        self.me = self.organisation = "hospital-c"
        self.journal = SimpleNamespace(mark=str.upper)
        self.consortium = SimpleNamespace(threshold=3, organisation=lambda name: SimpleNamespace(msp_id=name))
        urls = {name: "" for name in MEMBERS if name != self.organisation}
        self.blobs = SimpleNamespace(urls=urls, spread=self.spread, announce=self.announce, push=self.push)
        self.ledger = SimpleNamespace(submit=self.submit)
        self.speaking = SimpleNamespace(say=said_alone, pace=1.0)
        self.asked: list[tuple[str, ...]] = []
        self.did: list[str] = []

    async def announce(self, binding: Binding, needed: int) -> None:
        assert (binding.deed, binding.digest) == (f"{ROUND.name}/hospital-c/commitupdate", DIGEST)
        assert needed == self.consortium.threshold
        self.did.append("announced")

    async def push(self, organisation: str, digest: str, _: bytes, *, attempts: int, arrived: int) -> None:
        assert (digest, attempts, arrived) == (DIGEST, 1, 0)
        self.did.append(f"left with {organisation}")

    async def spread(self, _: str, __: bytes, needed: int, preferred: Any, binding: Binding | None) -> list[str]:
        self.did.append("spread" if binding else "spread unannounced")
        return ["hospital-a", "hospital-b", "hospital-c", *(["hospital-d"] if preferred else [])][: needed + 1]

    async def submit(self, function: str, *, organisations: tuple[str, ...], **_: Any) -> None:
        self.asked.append(organisations)
        if "hospital-b" in organisations:
            raise LedgerError("FL0501", "a blob is missing", where=function)


async def test_t15_a_member_that_holds_a_blob_and_does_not_endorse_stops_no_update():
    world = World()
    one = Placing(world)  # type: ignore[arg-type]
    for _ in range(100):  # each try leaves the liar out with a chance of a third
        try:
            await one.commit(ROUND, "CommitUpdate", b"masked", DIGEST, digest=DIGEST)
        except LedgerError:
            continue
        break
    assert set(world.asked[0]) == {"hospital-a", "hospital-b", "hospital-c"}
    assert set(world.asked[-1]) == {"hospital-a", "hospital-c", "hospital-d"}
    assert {asked[0] for asked in world.asked} == {"hospital-c"}


async def test_endorsers_that_still_read_a_blob_are_asked_again_and_count_as_willing(monkeypatch: pytest.MonkeyPatch):
    world, reading = World(), 2
    monkeypatch.setattr(placing, "READING_PAUSES_S", (0.0, 0.0, 0.0))

    async def submit(function: str, *, organisations: tuple[str, ...], **_: Any) -> None:
        world.asked.append(organisations)
        if len(world.asked) <= reading:
            raise LedgerError("FL0901", "reading", where=function)

    world.ledger = SimpleNamespace(submit=submit)
    one = Placing(world)  # type: ignore[arg-type]
    await one.commit(ROUND, "CommitUpdate", b"masked", DIGEST, digest=DIGEST)
    assert (len(world.asked), len(set(world.asked)), one.declined) == (3, 1, False)
    reading = 100
    with pytest.raises(LedgerError, match="reading"):
        await one.commit(ROUND, "CommitUpdate", b"masked", DIGEST, digest=DIGEST)
    assert one.declined


def leaving_to(world: World, organisation: str) -> list[LeftBlob | None]:
    """Let words be left to a carrier of an organisation; return what is left with them."""
    left = list[LeftBlob | None]()

    async def say(_: Round, __: str, ___: dict[str, Any], ____: Alone, blob: LeftBlob | None) -> None:
        left.append(blob)
        if blob:
            await blob.leave(organisation)

    world.speaking = SimpleNamespace(say=say, pace=1.0)
    return left


@pytest.mark.parametrize(
    ("function", "organisation", "did"),
    [
        ("CommitUpdate", "hospital-a", ["announced", "left with hospital-a"]),
        ("CommitUpdate", "hospital-c", ["announced"]),
        ("CommitShares", "hospital-a", ["left with hospital-a"]),
        ("CommitShares", "hospital-c", []),
    ],
)
async def test_a_small_blob_is_left_with_the_carrier_once_an_update_is_announced(
    function: str, organisation: str, did: list[str]
):
    world = World()
    left = leaving_to(world, organisation)
    await Placing(world).commit(ROUND, function, b"small", DIGEST, digest=DIGEST)  # type: ignore[arg-type]
    assert [one.digest for one in left if one] == [DIGEST]
    assert (world.did, world.asked) == (did, [])


async def test_a_larger_blob_is_spread_and_only_its_word_is_left():
    world = World()
    left = leaving_to(world, "hospital-a")
    large = bytes(placing.LEFT_MOST + 1)
    await Placing(world).commit(ROUND, "CommitUpdate", large, DIGEST, digest=DIGEST)  # type: ignore[arg-type]
    assert (left, world.did) == ([None], ["spread"])


async def test_what_no_carrier_takes_is_spread_before_it_is_committed_alone():
    for function, did in (("CommitUpdate", "spread"), ("CommitShares", "spread unannounced")):
        world = World()
        with contextlib.suppress(LedgerError):
            await Placing(world).commit(ROUND, function, b"small", DIGEST, digest=DIGEST)  # type: ignore[arg-type]
        assert (world.did, len(world.asked)) == ([did], 1)


async def test_a_carrier_that_takes_no_blob_in_time_is_none(monkeypatch: pytest.MonkeyPatch):
    world = World()
    monkeypatch.setattr(placing, "LEAVE_S", 0.01)
    leaving_to(world, "hospital-a")
    world.blobs.push = lambda *_, **__: asyncio.sleep(60)
    with pytest.raises(NodeError) as caught:
        await Placing(world).commit(ROUND, "CommitShares", b"small", DIGEST, digest=DIGEST)  # type: ignore[arg-type]
    assert caught.value.code == "FL4008"
