"""A blob's digest reaches the ledger although a member that says it holds the blob does not endorse."""

from types import SimpleNamespace
from typing import Any

import pytest

from fl_node.blobs.first_digest import Binding
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round
from fl_node.round import placing
from fl_node.round.placing import Placing
from fl_node.round.speaking import Alone
from tests.unit.round.test_checks import DIGEST, ROUND

MEMBERS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")


async def said_alone(_: Round, __: str, ___: dict[str, Any], alone: Alone) -> None:
    await alone()


class World:
    """Four members, of which hospital-b takes every blob and endorses nothing."""

    def __init__(self) -> None:
        self.me = self.organisation = "hospital-c"
        self.journal = SimpleNamespace(mark=str.upper)
        self.consortium = SimpleNamespace(threshold=3, organisation=lambda name: SimpleNamespace(msp_id=name))
        self.blobs = SimpleNamespace(urls=dict.fromkeys(MEMBERS, ""), spread=self.spread)
        self.ledger = SimpleNamespace(submit=self.submit)
        self.speaking = SimpleNamespace(say=said_alone)
        self.asked: list[tuple[str, ...]] = []

    async def spread(self, _: str, __: bytes, needed: int, preferred: Any, binding: Binding) -> list[str]:
        assert (binding.deed, binding.digest) == (f"{ROUND.name}/hospital-c/commitupdate", DIGEST)
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
