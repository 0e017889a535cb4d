"""Other organisations are asked each over a connection of its own, and one honest word is enough."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from fl_node.blobs.client import BlobClient
from fl_node.errors import NodeError, RefusalError
from fl_node.ledger.client import Ledger, LedgerError
from fl_node.ledger.elsewhere import Elsewhere
from fl_node.ledger.records import Round
from fl_node.ledger.settled import Settled, settled
from fl_node.round import witnesses
from fl_node.round.witnesses import PAUSES_S, Witnesses
from network.connection import consortium_of, profile
from network.directory import Believed
from network.topology import Consortium
from tests.believing import channel_of
from tests.unit.round.test_checks import LIE, ROUND

Answer = Round | Exception | None
NO_SERVICES = BlobClient({}, lambda _: ssl.create_default_context())
"""No organisation's node says what it has seen: peers are asked."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Answer]:
    """What each organisation's peer answers, by address; the question goes to that very address."""
    answers: dict[str, Answer] = {}

    async def answer(ledger: Ledger, *_: Any, organisations: tuple[str, ...]) -> Round | None:
        ((address, root),) = ledger.profile.peers
        assert root in ledger.profile.tls_roots.values()
        assert len(organisations) == 1
        said = answers.get(address)
        if isinstance(said, Exception):
            raise said
        if said is None:
            await asyncio.sleep(3600)
        return said

    monkeypatch.setattr(Ledger, "round", answer)
    monkeypatch.setattr(witnesses, "ANSWER_S", 0.05)
    monkeypatch.setattr(witnesses, "PAUSES_S", (0.0, 0.0))
    return answers


@pytest.fixture
def others(run: Path, consortium: Consortium, monkeypatch: pytest.MonkeyPatch) -> Witnesses:
    """Hospital-a's witnesses in a consortium of which one organisation may be dishonest."""
    own = profile(run, "hospital-a", "node")
    monkeypatch.setattr(Witnesses, "faulty", 1)
    return Witnesses(own.msp_id, lambda: consortium, Elsewhere(own, channel_of(run)), NO_SERVICES)


def address(consortium: Consortium, name: str) -> str:
    return consortium.organisation(name).peer.address


async def test_t3_one_other_peer_that_confirms_is_enough(
    others: Witnesses, consortium: Consortium, asked: dict[str, Answer]
):
    asked[address(consortium, "hospital-b")] = ROUND
    asked[address(consortium, "hospital-c")] = LIE
    await others.confirm(ROUND)


@pytest.mark.parametrize("garbage", [ValueError("no view"), RecursionError(), AttributeError("a list")])
async def test_t3_a_peer_that_answers_garbage_keeps_no_other_from_confirming(
    others: Witnesses, consortium: Consortium, asked: dict[str, Answer], garbage: Exception
):
    asked[address(consortium, "hospital-b")] = garbage
    asked[address(consortium, "hospital-c")] = ROUND
    for _ in range(8):  # whoever is asked first
        await others.confirm(ROUND)


async def test_t3_nothing_is_confirmed_by_peers_that_do_not_answer(
    others: Witnesses, consortium: Consortium, asked: dict[str, Answer]
):
    asked[address(consortium, "hospital-b")] = LedgerError("FL4005", "no connection")
    with pytest.raises(NodeError) as caught:
        await others.confirm(ROUND)
    assert (caught.value.code, isinstance(caught.value, RefusalError)) == ("FL4005", False)


async def test_t3_peers_that_are_a_block_behind_are_asked_again_until_one_confirms(
    monkeypatch: pytest.MonkeyPatch, others: Witnesses
):
    began = asyncio.get_running_loop().time()

    async def answer(*_: Any, **__: Any) -> Round | None:
        behind = asyncio.get_running_loop().time() - began < 0.34
        return ROUND.model_copy(update={"phase": "Updates", "survivors": ()}) if behind else ROUND

    monkeypatch.setattr(Ledger, "round", answer)
    monkeypatch.setattr(witnesses, "PAUSES_S", PAUSES_S)
    await others.confirm(ROUND)


async def test_t3_a_peer_that_takes_its_time_is_given_up_once_another_has_confirmed(
    monkeypatch: pytest.MonkeyPatch, others: Witnesses
):
    given_up, asked = asyncio.Event(), 0

    async def answer(*_: Any, **__: Any) -> Round:
        nonlocal asked
        asked += 1
        if asked > 1:
            return ROUND
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            given_up.set()
            raise
        return ROUND

    monkeypatch.setattr(Ledger, "round", answer)
    monkeypatch.setattr(witnesses, "SLOW_S", 0.01)
    await asyncio.wait_for(others.confirm(ROUND), 4)
    assert (given_up.is_set(), asked) == (True, 2)


async def test_t3_two_peers_that_contradict_make_the_node_refuse(
    others: Witnesses, consortium: Consortium, asked: dict[str, Answer]
):
    asked[address(consortium, "hospital-b")] = asked[address(consortium, "hospital-c")] = LIE
    with pytest.raises(RefusalError) as caught:
        await others.confirm(ROUND)
    assert caught.value.code == "FL4305"


async def test_what_an_organisations_node_has_seen_spares_its_peer_the_question(
    monkeypatch: pytest.MonkeyPatch, others: Witnesses
):
    async def seen(_: BlobClient, organisation: str, view: Round) -> Settled | None:
        assert (organisation in {"hospital-b", "hospital-c", "hospital-d"}, view) == (True, ROUND)
        return settled(ROUND)

    async def no_peer(*_: Any, **__: Any) -> Round:
        raise AssertionError("a peer was asked")

    monkeypatch.setattr(witnesses, "seen_by", seen)
    monkeypatch.setattr(Ledger, "round", no_peer)
    await others.confirm(ROUND)


async def test_t3_nodes_that_have_seen_something_else_contradict_as_their_peers_do(
    monkeypatch: pytest.MonkeyPatch, others: Witnesses
):
    async def seen(*_: object) -> Settled:
        return settled(LIE)

    monkeypatch.setattr(witnesses, "seen_by", seen)
    with pytest.raises(RefusalError) as caught:
        await others.confirm(ROUND)
    assert caught.value.code == "FL4305"


@pytest.mark.parametrize(("members", "faulty"), [(3, 0), (4, 1), (6, 1), (7, 2), (10, 3)])
def test_t3_a_third_of_the_organisations_may_be_dishonest_as_the_definition_has_them_now(
    run: Path, members: int, faulty: int
):
    organisations = [{"name": f"h{n}", "role": "member"} for n in range(members)]
    organisations.append({"name": "orderer", "role": "orderer", "orderers": 1})
    consortium = Consortium.model_validate({"organisations": organisations})
    now = [consortium_of(run)]
    elsewhere = Elsewhere(profile(run, "hospital-a", "node"), Believed())
    known = Witnesses(consortium.members[0].msp_id, lambda: now[0], elsewhere, NO_SERVICES)
    now[0] = consortium
    assert known.faulty == faulty
