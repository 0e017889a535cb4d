"""What a node has seen of attempts is told to members, over real mutual TLS, and waited for a little."""

import asyncio
import json
from pathlib import Path

import pytest

from fl_node.blobs import seen as seen_module
from fl_node.blobs.client import BlobClient
from fl_node.blobs.seen import MOST_SEEN, Seen, seen_by
from fl_node.journal.egress import EgressLog
from fl_node.ledger.records import Round
from fl_node.ledger.settled import settled
from network.topology import Consortium
from tests.unit.blobs.test_several import calling
from tests.unit.blobs.test_words import OTHER, OWNER, serving
from tests.unit.round.test_checks import ROUND

BEFORE = ROUND.model_copy(update={"phase": "Updates"})


async def test_a_member_is_told_what_the_node_has_seen_and_the_question_is_logged(
    run: Path, consortium: Consortium, tmp_path: Path
):
    egress = EgressLog(tmp_path / "egress.jsonl")
    async with serving(run, consortium, tmp_path) as (url, service), calling(run, url, OTHER) as client:
        client.egress = egress
        service.rounds.seen.put(ROUND)
        assert await seen_by(client, OWNER, ROUND) == settled(ROUND)
    (entry,) = map(json.loads, (tmp_path / "egress.jsonl").read_text().splitlines())
    assert (entry["kind"], entry["to"], entry["function"]) == ("query", OWNER, "Settled")


async def test_what_was_not_seen_is_not_told_and_only_members_are(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seen_module, "WAIT_MS", 10)
    async with serving(run, consortium, tmp_path) as (url, service):
        async with calling(run, url, OTHER) as client:
            assert await seen_by(client, OWNER, ROUND) is None
        service.rounds.seen.put(ROUND)
        async with calling(run, url, "regulator") as client:
            assert await seen_by(client, OWNER, ROUND) is None


@pytest.mark.parametrize(
    "path", ["t/1/1?phase=Sleep", "t/1/1?wait_ms=x", "T/1/1", "t/01/1", "t/1/-1", "t/1/1?phase=Keys&wait_ms=-1"]
)
async def test_a_question_that_is_none_is_refused(run: Path, consortium: Consortium, tmp_path: Path, path: str):
    async with (
        serving(run, consortium, tmp_path) as (url, _),
        calling(run, url) as client,
        client.call("GET", OWNER, f"{url}/rounds/{path}") as response,
    ):
        assert (response.status, (await response.json())["code"]) == (400, "FL4001")


async def test_a_service_that_is_silent_is_given_up_and_one_that_is_not_there_says_nothing(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(seen_module, "ANSWER_S", 0.3)
    monkeypatch.setattr(seen_module, "WAIT_MS", 2000)
    async with serving(run, consortium, tmp_path) as (url, service), calling(run, url) as client:
        service.rounds.seen.put(BEFORE)
        assert await seen_by(client, OWNER, ROUND) is None
    async with BlobClient({}, lambda _: None) as nowhere:  # type: ignore[arg-type,return-value]
        assert await seen_by(nowhere, OWNER, ROUND) is None


async def test_who_asks_early_is_answered_as_soon_as_the_phase_was_seen():
    seen = Seen()
    seen.put(BEFORE)
    asked = asyncio.create_task(seen.of(ROUND.name, "Unmask", 3600))
    await asyncio.sleep(0)
    seen.put(ROUND.model_copy(update={"training": "another"}))
    await asyncio.sleep(0.01)
    assert not asked.done()
    seen.put(ROUND)
    assert await asked == settled(ROUND)


async def test_who_has_waited_long_enough_is_told_how_far_it_is():
    seen = Seen()
    seen.put(BEFORE)
    assert await seen.of(ROUND.name, "Unmask", 0.01) == settled(BEFORE)
    for over in ("Final", "Void"):
        ended = ROUND.model_copy(update={"phase": over})
        seen.put(ended)
        assert await seen.of(ROUND.name, "Unmask", 3600) == settled(ended)


async def test_the_newest_attempts_are_remembered():
    seen = Seen()

    def attempt(number: int) -> Round:
        return ROUND.model_copy(update={"round": number})

    for number in range(1, MOST_SEEN + 1):
        seen.put(attempt(number))
    seen.put(attempt(1))  # looked at again: it is the newest
    seen.put(attempt(MOST_SEEN + 1))
    assert await seen.of(attempt(2).name, "Keys", 0) is None
    for number in (1, 3, MOST_SEEN + 1):
        assert await seen.of(attempt(number).name, "Keys", 0) == settled(attempt(number))
