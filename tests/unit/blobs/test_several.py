"""Many blobs in one answer, over real mutual TLS: who may ask, what is left out, what is not believed."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from fl_node.blobs import several as several_module
from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.several import LARGEST, LENGTH, MOST_ASKED, NOT_HERE, several
from fl_node.blobs.store import About, BlobStore
from fl_node.errors import NodeError
from fl_node.metrics import Metrics
from network.topology import Consortium
from tests.believing import channel_of
from tests.unit.blobs.test_words import OTHER, OWNER, serving

ABSENT = "0" * 64


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.asynccontextmanager
async def calling(run: Path, url: str, organisation: str = OWNER) -> AsyncIterator[BlobClient]:
    async with BlobClient({OWNER: url}, tls.calling(run, organisation, "client", channel_of(run))) as client:
        yield client


async def test_what_is_here_comes_in_one_answer_and_the_rest_is_left_out(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(several_module, "MOST_ASKED", 3)  # more answers than one
    blobs = [b"", b"one", bytes(range(256)) * 10, b"four"]
    async with serving(run, consortium, tmp_path) as (url, service), calling(run, url) as client:
        digests = [service.store.put(blob, About(OWNER)) for blob in blobs]
        large = service.store.put(bytes(LARGEST + 1), About(OWNER))
        damaged = service.store.put(b"was sound", About(OWNER))
        service.store.path(damaged).write_bytes(b"is not")
        found = await several(client, OWNER, [*digests, ABSENT, large, damaged], 1 << 21)
    assert found == dict(zip(digests, blobs, strict=True))


async def test_a_blob_longer_than_it_may_be_is_not_taken(run: Path, consortium: Consortium, tmp_path: Path):
    async with serving(run, consortium, tmp_path) as (url, service), calling(run, url) as client:
        short, long = (service.store.put(blob, About(OWNER)) for blob in (b"1234", b"12345"))
        assert await several(client, OWNER, [short, long], 4) == {short: b"1234"}


async def test_another_organisation_gets_nothing_so(run: Path, consortium: Consortium, tmp_path: Path):
    async with serving(run, consortium, tmp_path) as (url, service), calling(run, url, OTHER) as client:
        digest = service.store.put(b"one", About(OWNER))
        assert await several(client, OWNER, [digest], 10) == {}
        async with client.call("POST", OWNER, f"{url}/several", json={"digests": [digest]}) as response:
            assert (response.status, (await response.json())["code"]) == (403, "FL4705")


@pytest.mark.parametrize(
    "question",
    [{}, [], {"digests": "x"}, {"digests": ["x"]}, {"digests": [1]}, {"digests": [ABSENT] * (MOST_ASKED + 1)}],
)
async def test_a_question_that_is_none_is_refused(run: Path, consortium: Consortium, tmp_path: Path, question: object):
    async with (
        serving(run, consortium, tmp_path) as (url, _),
        calling(run, url) as client,
        client.call("POST", OWNER, f"{url}/several", json=question) as response,
    ):
        assert (response.status, (await response.json())["code"]) == (400, "FL4001")


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=404),  # a service of an earlier version
        web.Response(body=b"\0\0"),
        web.Response(body=(9).to_bytes(LENGTH) + b"cut"),
        web.Response(body=(3).to_bytes(LENGTH) + b"lie"),
        web.Response(body=NOT_HERE),
    ],
    ids=["unknown", "no length", "cut off", "other bytes", "not here"],
)
async def test_an_answer_that_is_none_finds_nothing(answer: web.Response, monkeypatch: pytest.MonkeyPatch):
    @contextlib.asynccontextmanager
    async def plain(self: BlobClient, method: str, _: str, url: str, **options: object) -> AsyncIterator[object]:
        assert self._session
        del options["within"]
        async with self._session.request(method, url, **options) as response:  # type: ignore[arg-type]
            yield response

    async def handler(_: web.Request) -> web.Response:
        return answer

    application = web.Application()
    application.add_routes([web.post("/several", handler)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    monkeypatch.setattr(BlobClient, "call", plain)
    try:
        async with BlobClient({OWNER: f"http://127.0.0.1:{port}"}, lambda _: None) as client:  # type: ignore[arg-type,return-value]
            assert await several(client, OWNER, [digest_of(b"the")], 10) == {}
    finally:
        await runner.cleanup()


async def test_a_service_that_is_not_there_finds_nothing():
    async with BlobClient({}, lambda _: None) as client:  # type: ignore[arg-type,return-value]
        assert await several(client, OWNER, [ABSENT], 10) == {}


async def test_a_node_that_is_the_service_asks_nobody_and_one_beside_it_asks(tmp_path: Path):
    class Asked:
        def url(self, _: str) -> str:
            raise NodeError("FL0000", "asked")

    for whole in (True, False):
        mirror = Mirror(BlobStore(tmp_path), Asked(), OWNER, Metrics(), whole=whole)  # type: ignore[arg-type]
        if whole:
            assert await mirror.several([ABSENT], 10) == {}
        else:
            with pytest.raises(NodeError):
                await mirror.several([ABSENT], 10)


async def test_a_reader_that_does_not_read_holds_nobody_up_for_ever(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(several_module, "SEND_S", 0.2)
    monkeypatch.setattr(several_module, "AT_ONCE", 1)
    async with (
        serving(run, consortium, tmp_path) as (url, service),
        calling(run, url) as slow,
        calling(run, url) as quick,
    ):
        digests = [service.store.put(bytes([n]) * LARGEST, About(OWNER)) for n in range(32)]
        async with slow.call("POST", OWNER, f"{url}/several", json={"digests": digests}):
            async with asyncio.timeout(20):
                assert await several(quick, OWNER, digests[:1], LARGEST) == {digests[0]: bytes(LARGEST)}
