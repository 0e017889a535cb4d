"""Words that are handed to a carrier, over real mutual TLS: who may hand in and ask, who waits, what is refused."""

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from fl_node.blobs import callers, handing, tls, words_service
from fl_node.blobs import client as blob_client
from fl_node.blobs.client import BlobClient
from fl_node.blobs.handing import Handing
from fl_node.blobs.service import BlobService
from fl_node.blobs.service import serve as serve_blobs
from fl_node.blobs.store import About, BlobStore
from fl_node.blobs.words import Turn, Word, Words
from fl_node.errors import NodeError
from fl_node.journal.egress import EgressLog
from network.folders import public_parts
from network.topology import Consortium
from tests.believing import channel_of
from tests.waiting import PATIENCE_S, until

OWNER, OTHER, THIRD = "hospital-a", "hospital-b", "hospital-c"
TURN = Turn("risk", 3, 1, "CommitShares")
PATH = "risk/3/1/CommitShares"
BLOB = {"blob": "0" * 64}
SIGNATURE = base64.b64encode(b"signed").decode()
FOREVER_MS = 1_000_000


def names(found: list[Word]) -> list[str]:
    return [f"{each.organisation}/{each.participant}" for each in found]


def said(text: str) -> dict[str, str]:
    return {"proposal": base64.b64encode(text.encode()).decode(), "signature": SIGNATURE}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing ends because its time is over."""
    monkeypatch.setattr(words_service, "MOST_WAIT_MS", FOREVER_MS)
    monkeypatch.setattr(handing, "HAND_S", PATIENCE_S)


@contextlib.asynccontextmanager
async def serving(run: Path, consortium: Consortium, folder: Path) -> AsyncIterator[tuple[str, BlobService]]:
    believed = channel_of(run)
    service = BlobService(BlobStore(folder / "blobs", owner=OWNER), tls.Trust(lambda: consortium, believed))
    owner = consortium.organisation(OWNER)
    assert owner.blob_port
    runner = await serve_blobs(service, owner.host, owner.blob_port, tls.serving(run, OWNER, believed))
    try:
        yield f"https://{owner.host}:{owner.blob_port}", service
    finally:
        await runner.cleanup()


def client_context(run: Path, organisation: str) -> ssl.SSLContext:
    return tls.calling(run, organisation, "client", channel_of(run))(OWNER)


@contextlib.asynccontextmanager
async def speaking(run: Path, url: str, organisation: str, egress: EgressLog | None = None) -> AsyncIterator[Handing]:
    contexts = tls.calling(run, organisation, "client", channel_of(run))
    async with BlobClient({OWNER: url}, contexts, egress) as client:
        yield Handing(client, OWNER)


# Who may do what


async def test_a_member_hands_in_and_the_own_organisation_gets_it(run: Path, consortium: Consortium, tmp_path: Path):
    async with serving(run, consortium, tmp_path) as (url, _):
        for organisation in (OTHER, THIRD):
            async with speaking(run, url, organisation) as speaker:
                await speaker.hand(OWNER, f"{PATH}/p", said("old"))
                await speaker.hand(OWNER, f"{PATH}/p", said(organisation) | BLOB)
        async with speaking(run, url, OWNER) as carrier:
            found = await carrier.words(PATH, 2, 0)
            none = await carrier.words("risk/3/2/CommitShares", 1, 10)
    assert [replace(each, age_ms=0) for each in found] == [
        Word(name, "p", said(name)["proposal"], SIGNATURE, **BLOB) for name in (OTHER, THIRD)
    ]
    assert all(0 <= each.age_ms < PATIENCE_S * 1000 for each in found)
    assert none == []


async def test_what_is_handed_in_is_in_the_log_of_what_leaves(run: Path, consortium: Consortium, tmp_path: Path):
    egress = EgressLog(tmp_path / "egress.jsonl")
    async with serving(run, consortium, tmp_path) as (url, _), speaking(run, url, OTHER, egress) as speaker:
        await speaker.hand(OWNER, f"{PATH}/p", said("a proposal"))
    (entry,) = [json.loads(line) for line in (tmp_path / "egress.jsonl").read_text().splitlines()]
    del entry["time_ms"]
    digest = hashlib.sha256(b"a proposal").hexdigest()
    assert entry == {"kind": "word", "to": OWNER, "function": "CommitShares", "digest": digest, "bytes": 10}


async def test_the_regulator_hands_in_nothing(run: Path, consortium: Consortium, tmp_path: Path):
    async with serving(run, consortium, tmp_path) as (url, service), speaking(run, url, "regulator") as speaker:
        for refused in (speaker.hand(OWNER, f"{PATH}/p", said("x")), speaker.words(PATH, 1, 0)):
            with pytest.raises(NodeError) as caught:
                await refused
            assert caught.value.code == "FL4705"
    assert service.words.words.of(TURN) == []


async def test_a_stranger_hands_in_nothing(run: Path, consortium: Consortium, tmp_path: Path):
    stranger = ssl.create_default_context(cafile=str(public_parts(run, OWNER).tls_root))
    async with serving(run, consortium, tmp_path) as (url, service), aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            async with session.post(f"{url}/words/{PATH}/p", json=said("x"), ssl=stranger) as response:
                await response.read()
    assert service.words.words.of(TURN) == []


async def test_another_member_reads_no_words(run: Path, consortium: Consortium, tmp_path: Path):
    async with serving(run, consortium, tmp_path) as (url, _), speaking(run, url, OTHER) as speaker:
        await speaker.hand(OWNER, f"{PATH}/p", said("x"))
        with pytest.raises(NodeError) as caught:
            await speaker.words(PATH, 1, 0)
    assert caught.value.code == "FL4705"


# Waiting


@pytest.mark.usefixtures("patient")
async def test_the_carrier_is_answered_as_soon_as_there_are_enough(run: Path, consortium: Consortium, tmp_path: Path):
    async with serving(run, consortium, tmp_path) as (url, service), speaking(run, url, OWNER) as carrier:
        asked = asyncio.create_task(carrier.words(PATH, 2, FOREVER_MS))
        await until(lambda: service.words.words.waiting)
        await carrier.hand(OWNER, f"{PATH}/p", said("x"))
        assert not asked.done()
        async with speaking(run, url, OTHER) as speaker:
            await speaker.hand(OWNER, f"{PATH}/p", said("x"))
        async with asyncio.timeout(PATIENCE_S):
            assert names(await asked) == ["hospital-a/p", "hospital-b/p"]


async def test_the_carrier_is_answered_with_what_is_there_when_its_time_is_over(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(words_service, "MOST_WAIT_MS", 300)
    async with serving(run, consortium, tmp_path) as (url, _), speaking(run, url, OWNER) as carrier:
        await carrier.hand(OWNER, f"{PATH}/p", said("x"))
        async with asyncio.timeout(PATIENCE_S):  # the service bounds what it is asked for
            assert names(await carrier.words(PATH, 2, FOREVER_MS)) == ["hospital-a/p"]


@pytest.mark.usefixtures("patient")
async def test_nobody_waits_for_a_carrier_that_has_gone(run: Path, consortium: Consortium, tmp_path: Path):
    async with serving(run, consortium, tmp_path) as (url, service):
        async with speaking(run, url, OWNER) as carrier:
            asked = asyncio.create_task(carrier.words(PATH, 2, FOREVER_MS))
            await until(lambda: service.words.words.waiting == 1)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: not service.words.words.waiting)


@pytest.mark.usefixtures("patient")
async def test_a_service_that_ends_answers_who_waits(run: Path, consortium: Consortium, tmp_path: Path):
    async with contextlib.AsyncExitStack() as stack:
        async with serving(run, consortium, tmp_path) as (url, service):
            carrier = await stack.enter_async_context(speaking(run, url, OWNER))
            await carrier.hand(OWNER, f"{PATH}/p", said("x"))
            asked = asyncio.create_task(carrier.words(PATH, 2, FOREVER_MS))
            await until(lambda: service.words.words.waiting)
        assert names(await asked) == ["hospital-a/p"]


@pytest.mark.usefixtures("patient")
async def test_words_do_not_stand_in_line_behind_blobs(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    get, inside, go = BlobService.get, [], asyncio.Event()

    async def slow(self: BlobService, request: web.Request) -> web.StreamResponse:
        inside.append(1)
        await go.wait()
        return await get(self, request)

    monkeypatch.setattr(BlobService, "get", slow)
    async with serving(run, consortium, tmp_path) as (url, service), speaking(run, url, OTHER) as speaker:
        digest = service.store.put(b"large", About(OWNER))
        pulls = [asyncio.create_task(speaker._client.get(digest)) for _ in range(2 * blob_client.AT_ONCE)]
        await until(lambda: len(inside) == blob_client.AT_ONCE)
        await speaker.hand(OWNER, f"{PATH}/p", said("x"))
        assert (len(inside), names(service.words.words.of(TURN))) == (blob_client.AT_ONCE, ["hospital-b/p"])
        go.set()
        assert set(await asyncio.gather(*pulls)) == {b"large"}


# What is refused


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"proposal"',
        b"\xff",
        b'{"proposal":"YQ==","signature":"YQ=="} ' + b"{}",
        b'{"proposal":"YQ=="}',
        b'{"proposal":"YQ==","signature":"YQ==","more":"YQ=="}',
        b'{"proposal":"YQ==","signature":"YQ==","signature":"Yg=="}',
        b'{"proposal":"YQ==","signature":"YQ==","blob":""}',
        b'{"proposal":"YQ==","signature":"YQ==","blob":7}',
        b'{"proposal":"YQ==","signature":"YQ==","blob":"' + b"F" * 64 + b'"}',
        b'{"proposal":"YQ==","blob":"' + b"0" * 64 + b'"}',
        b'{"proposal":"","signature":"YQ=="}',
        b'{"proposal":"YQ==","signature":7}',
        b'{"proposal":["YQ=="],"signature":"YQ=="}',
        b'{"proposal":"YQ==","signature":"YR=="}',
        b'{"proposal":"YQ==","signature":"YQ=\\n="}',
        b'{"proposal":"YQ==","signature":"-_=="}',
        b'{"proposal":"YQ==","signature":"\xc3\xa9"}',
        b"[" * 5000,
    ],
)
async def test_a_body_that_is_no_word_is_refused(run: Path, consortium: Consortium, tmp_path: Path, body: bytes):
    context = client_context(run, OTHER)
    async with (
        serving(run, consortium, tmp_path) as (url, service),
        aiohttp.ClientSession() as session,
        session.post(f"{url}/words/{PATH}/p", data=body, ssl=context) as response,
    ):
        assert (response.status, (await response.json())["code"]) == (400, "FL4001")
        assert service.words.words.of(TURN) == []


@pytest.mark.parametrize(
    "path",
    [
        "Risk/3/1/CommitShares/p",
        "risk/03/1/CommitShares/p",
        "risk/3/-1/CommitShares/p",
        "risk/3/1/Propose/p",
        "risk/3/1/commitshares/p",
        "risk/3/1/CommitShares/P",
        "risk/3/1/CommitShares/p%2Fq",
        f"risk/3/1/CommitShares/{'p' * 41}",
        "r%0A/3/1/CommitShares/p",
        "risk/3/٣/CommitShares/p",  # a digit of another script
    ],
)
async def test_a_path_that_names_no_turn_is_refused(run: Path, consortium: Consortium, tmp_path: Path, path: str):
    async with serving(run, consortium, tmp_path) as (url, service), speaking(run, url, OTHER) as speaker:
        with pytest.raises(NodeError) as caught:
            await speaker.hand(OWNER, path, said("x"))
        assert (caught.value.code, service.words.words._turns) == ("FL4001", {})


@pytest.mark.parametrize("query", ["count=0", "count=1025", "count=x", "count=1&wait_ms=-1", "wait_ms=1e3"])
async def test_a_question_that_is_none_is_refused(run: Path, consortium: Consortium, tmp_path: Path, query: str):
    async with (
        serving(run, consortium, tmp_path) as (url, _),
        aiohttp.ClientSession() as session,
        session.get(f"{url}/words/{PATH}?{query}", ssl=client_context(run, OWNER)) as response,
    ):
        assert (response.status, (await response.json())["code"]) == (400, "FL4001")


@pytest.mark.parametrize("declared", [True, False])
async def test_a_word_that_is_too_large_is_refused(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: bool
):
    body = json.dumps(said("x" * 3000)).encode()

    async def in_parts() -> AsyncIterator[bytes]:
        yield body

    async with serving(run, consortium, tmp_path) as (url, service), aiohttp.ClientSession() as session:
        for most, status in ((len(body), 202), (len(body) - 1, 413)):
            monkeypatch.setattr(words_service, "MOST_BODY", most)
            sent = body if declared else in_parts()
            where = f"{url}/words/{PATH}/p{most}"
            async with session.post(where, data=sent, ssl=client_context(run, OTHER)) as response:
                assert response.status == status
        assert len(service.words.words.of(TURN)) == 1


async def test_a_word_that_does_not_arrive_is_not_waited_for(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(callers, "UPLOAD_S", 0.3)
    never = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    context = client_context(run, OTHER)
    async with (
        serving(run, consortium, tmp_path) as (url, _),
        aiohttp.ClientSession() as session,
        asyncio.timeout(PATIENCE_S),
        session.post(f"{url}/words/{PATH}/p", data=endless(), ssl=context) as response,
    ):
        assert response.status == 409


# A carrier that takes nothing


async def test_a_carrier_that_is_not_there_is_none_at_once(run: Path):
    async with speaking(run, "https://127.0.0.1:9", OTHER) as speaker:
        for asked in (speaker.hand(OWNER, f"{PATH}/p", said("x")), speaker.words(PATH, 1, FOREVER_MS)):
            with pytest.raises(NodeError, match="Connection refused") as caught:
                await asked
            assert caught.value.code == "FL4008"
        with pytest.raises(NodeError) as caught:
            await speaker.hand(THIRD, f"{PATH}/p", said("x"))
    assert caught.value.code == "FL4008"


async def test_a_carrier_that_does_not_answer_is_none(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(handing, "HAND_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with speaking(run, f"https://127.0.0.1:{silent.getsockname()[1]}", OTHER) as speaker:
            with pytest.raises(NodeError, match="no answer in time") as caught:
                await asyncio.wait_for(speaker.hand(OWNER, f"{PATH}/p", said("x")), 10)
    assert caught.value.code == "FL4008"


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"words":[{}]}', '{"words":7}', "[" * 100_000])
async def test_an_answer_that_is_none_is_no_answer(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
):
    async def nonsense(*_: object) -> web.Response:
        return web.Response(text=answer)

    monkeypatch.setattr(words_service.WordsService, "get", nonsense)
    async with serving(run, consortium, tmp_path) as (url, _), speaking(run, url, OWNER) as carrier:
        with pytest.raises(NodeError) as caught:
            await carrier.words(PATH, 1, 0)
    assert caught.value.code == "FL4008"


async def test_who_runs_the_service_calls_nobody_for_its_own_words():
    here = Words()
    own = Handing(cast("BlobClient", None), "hospital-b", here)
    await own.hand("hospital-b", "t/1/1/CommitShares/p", {"proposal": "YQ==", "signature": "Yg=="})
    here.put(
        TURN._replace(training="t", round=1, attempt=1, function="CommitShares"), Word("hospital-c", "q", "Yw==", "Z")
    )
    assert names(await own.words("t/1/1/CommitShares", 2, 60_000)) == ["hospital-b/p", "hospital-c/q"]
    assert await own.words("t/1/2/CommitShares", 1, 1) == []
