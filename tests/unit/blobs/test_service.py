"""The blob service over real mutual TLS, and its client."""

import asyncio
import contextlib
import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from fl_node.blobs import callers, tls
from fl_node.blobs import client as blob_client
from fl_node.blobs.client import BlobClient
from fl_node.blobs.door import Door
from fl_node.blobs.service import STATUS_RANGE, BlobService
from fl_node.blobs.service import serve as serve_blobs
from fl_node.blobs.store import About, BlobStore
from fl_node.errors import NodeError
from fl_node.journal.egress import EgressLog
from network.directory import Believed
from network.folders import public_parts
from network.topology import Consortium
from tests.believing import channel_of
from tests.waiting import PATIENCE_S

DATA = bytes(range(256)) * 40
DIGEST = hashlib.sha256(DATA).hexdigest()
OWNER = "hospital-a"


@contextlib.asynccontextmanager
async def serving(
    run: Path,
    consortium: Consortium,
    store: BlobStore,
    owner: str = OWNER,
    egress: EgressLog | None = None,
    believed: Believed | None = None,
) -> AsyncIterator[str]:
    believed = believed or channel_of(run)
    service = BlobService(store, tls.Trust(lambda: consortium, believed), egress)
    organisation = consortium.organisation(owner)
    context = tls.serving(run, owner, believed)
    assert organisation.blob_port
    runner = await serve_blobs(service, organisation.host, organisation.blob_port, context)
    try:
        yield f"https://{organisation.host}:{organisation.blob_port}"
    finally:
        await runner.cleanup()


def client_context(run: Path, organisation: str, user: str = "client") -> tls.Contexts:
    return tls.calling(run, organisation, user, channel_of(run))


def put(
    session: aiohttp.ClientSession, url: str, digest: str, data: bytes, first: int, last: int, total: int
) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
    headers = {"Content-Range": f"bytes {first}-{last}/{total}"}
    return session.put(f"{url}/blobs/{digest}", data=data[first : last + 1], headers=headers)


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


async def test_many_pulls_at_once_share_a_few_connections_and_to_wait_for_one_is_no_failure(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    entered: list[bytes] = []
    enter, get = Door.enter, BlobService.get

    def counted(door: Door, certificate: bytes) -> str | None:
        entered.append(certificate)
        return enter(door, certificate)

    async def slow(self: BlobService, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.1)
        return await get(self, request)

    monkeypatch.setattr(Door, "enter", counted)
    monkeypatch.setattr(BlobService, "get", slow)
    monkeypatch.setattr(blob_client, "PULL_S", 0.8)  # thirty answers of two at a time take 1.5 s
    digest = store.put(b"sealed", About(OWNER))
    async with (
        serving(run, consortium, store) as url,
        BlobClient({OWNER: url}, client_context(run, "hospital-b")) as client,
    ):
        assert await asyncio.gather(*(client.get(digest) for _ in range(30))) == [b"sealed"] * 30
    assert len(entered) == blob_client.AT_ONCE


async def test_a_pull_waits_only_so_long_for_a_connection(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(blob_client, "LINE_S", 0.1)
    digest = store.put(b"sealed", About(OWNER))
    async with (
        serving(run, consortium, store) as url,
        BlobClient({OWNER: url}, client_context(run, "hospital-b")) as client,
    ):
        async with contextlib.AsyncExitStack() as busy:
            for _ in range(blob_client.AT_ONCE):
                await busy.enter_async_context(client._lines[OWNER])
            assert await client.get(digest) is None
        assert await client.get(digest) == b"sealed"


async def test_what_a_member_puts_any_member_and_the_regulator_read(
    run: Path, consortium: Consortium, store: BlobStore
):
    async with serving(run, consortium, store) as url:
        async with BlobClient({OWNER: url}, client_context(run, "hospital-b")) as client:
            await client.push(OWNER, DIGEST, DATA)
        for reader in ("hospital-c", "regulator"):
            async with BlobClient({OWNER: url}, client_context(run, reader)) as client:
                assert await client.get(DIGEST) == DATA
    assert store.path(DIGEST).read_bytes() == DATA
    assert store.path(DIGEST).relative_to(store.folder).parts == (DIGEST[:2], DIGEST)


@pytest.mark.parametrize(
    ("listen", "reached"), [("::1", ["::1"]), ("::", ["::1", "127.0.0.1"]), ("0.0.0.0", ["127.0.0.1", "localhost"])]
)
async def test_a_service_is_reached_at_every_address_that_it_listens_on(
    run: Path, consortium: Consortium, store: BlobStore, listen: str, reached: list[str]
):
    service_of = BlobService(store, tls.Trust(lambda: consortium, channel_of(run)))
    port = consortium.organisation(OWNER).blob_port
    assert port
    runner = await serve_blobs(service_of, listen, port, tls.serving(run, OWNER, channel_of(run)))
    try:
        for host in reached:
            context = client_context(run, "hospital-b")(OWNER)
            context.check_hostname = False  # the certificate names the definition's host, not all that reach it
            _, writer = await asyncio.open_connection(host, port, ssl=context)
            writer.close()
            await writer.wait_closed()
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("caller", ["regulator", "orderer"])
async def test_only_members_write(run: Path, consortium: Consortium, store: BlobStore, caller: str):
    user = "client" if caller == "regulator" else "admin"
    context = client_context(run, caller, user)
    async with serving(run, consortium, store) as url, BlobClient({OWNER: url}, context) as client:
        with pytest.raises(NodeError) as caught:
            await client.push(OWNER, DIGEST, DATA)
    assert (caught.value.code, store.size(DIGEST)) == ("FL4705", None)


async def test_without_a_certificate_of_the_consortium_nothing_is_said(
    run: Path, consortium: Consortium, store: BlobStore
):
    stranger = ssl.create_default_context(cafile=str(public_parts(run, OWNER).tls_root))
    async with serving(run, consortium, store) as url, aiohttp.ClientSession() as session:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            async with session.get(f"{url}/health", ssl=stranger) as response:
                await response.read()


async def test_bytes_that_are_not_the_digest_are_refused_and_not_kept(
    run: Path, consortium: Consortium, store: BlobStore
):
    context = client_context(run, "hospital-b")
    async with serving(run, consortium, store) as url, BlobClient({OWNER: url}, context) as client:
        with pytest.raises(NodeError) as caught:
            await client.push(OWNER, DIGEST, DATA[:-1] + b"\0")
    assert (caught.value.code, store.size(DIGEST), store.arrived(DIGEST, "hospital-b")) == ("FL4701", None, 0)


async def test_an_upload_goes_on_where_it_was_cut(run: Path, consortium: Consortium, store: BlobStore):
    half = len(DATA) // 2
    context = client_context(run, "hospital-b")
    async with (
        serving(run, consortium, store) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context(OWNER))) as session,
    ):
        async with put(session, url, DIGEST, DATA, 0, half - 1, len(DATA)) as response:
            assert response.status == 202
        async with session.head(f"{url}/blobs/{DIGEST}") as response:
            assert (response.status, response.headers["Upload-Offset"]) == (404, str(half))
        async with put(session, url, DIGEST, DATA, half + 1, len(DATA) - 1, len(DATA)) as response:
            assert response.status == 409
        async with BlobClient({OWNER: url}, context) as client:
            await client.push(OWNER, DIGEST, DATA)
    assert store.read(DIGEST) == DATA


async def test_a_range_is_honoured(run: Path, consortium: Consortium, store: BlobStore):
    store.put(DATA, About(OWNER))
    context = client_context(run, "regulator")
    async with (
        serving(run, consortium, store) as url,
        aiohttp.ClientSession() as session,
        session.get(f"{url}/blobs/{DIGEST}", headers={"Range": "bytes=10-19"}, ssl=context(OWNER)) as response,
    ):
        assert (response.status, await response.read()) == (206, DATA[10:20])


async def test_what_others_fetch_is_in_the_log_of_what_leaves(
    run: Path, consortium: Consortium, store: BlobStore, tmp_path: Path
):
    store.put(DATA, About(OWNER))
    egress = EgressLog(tmp_path / "egress.jsonl")
    context = client_context(run, "hospital-c")
    async with serving(run, consortium, store, egress=egress) as url, aiohttp.ClientSession() as session:
        for headers in ({}, {"Range": "bytes=10-19"}):
            async with session.get(f"{url}/blobs/{DIGEST}", headers=headers, ssl=context(OWNER)) as response:
                await response.read()
    entries = [json.loads(line) for line in (tmp_path / "egress.jsonl").read_text().splitlines()]
    assert [(e["to"], e["digest"], e["offset"], e["bytes"]) for e in entries] == [
        ("hospital-c", DIGEST, 0, len(DATA)),
        ("hospital-c", DIGEST, 10, 10),
    ]


@pytest.mark.parametrize("name", ["../../etc/passwd", "AB" * 32, "ab", "ab" * 33])
async def test_a_name_that_is_no_digest_is_refused(run: Path, consortium: Consortium, store: BlobStore, name: str):
    context = client_context(run, "hospital-b")
    async with (
        serving(run, consortium, store) as url,
        aiohttp.ClientSession() as session,
        session.put(f"{url}/blobs/{name}", data=b"x", ssl=context(OWNER)) as response,
    ):
        assert response.status in {400, 404}
    assert list(store.folder.glob("[0-9a-f]*")) == []


async def test_a_blob_reaches_as_many_as_endorse_though_one_service_is_down(
    run: Path, consortium: Consortium, tmp_path: Path
):
    stores = {name: BlobStore(tmp_path / name) for name in ("hospital-a", "hospital-b")}
    sent: list[float] = []
    egress = EgressLog(tmp_path / "egress.jsonl", sent.append)
    async with contextlib.AsyncExitStack() as stack:
        urls = {n: await stack.enter_async_context(serving(run, consortium, s, n)) for n, s in stores.items()}
        urls["hospital-c"] = "https://127.0.0.1:9"
        client = BlobClient(urls, client_context(run, "hospital-a"), egress)
        await stack.enter_async_context(client)
        assert await client.spread(DIGEST, DATA, 2) == ["hospital-a", "hospital-b"]
        with pytest.raises(NodeError) as caught:
            await client.spread(DIGEST, DATA, 3)
        assert await client.spread(DIGEST, DATA, 1, preferred=urls) == ["hospital-a", "hospital-b"]
    assert caught.value.code == "FL4707"
    assert "hospital-c does not answer: Connection refused (https://127.0.0.1:9)" in str(caught.value)
    assert (tmp_path / "egress.jsonl").read_text().count(DIGEST) == 2
    assert sum(sent) == 2 * len(DATA)


async def test_a_pull_skips_a_member_whose_disk_lies(run: Path, consortium: Consortium, tmp_path: Path):
    lying, honest, own = (BlobStore(tmp_path / name) for name in ("lying", "honest", "own"))
    for one in (lying, honest):
        one.put(DATA, About(OWNER))
    lying.path(DIGEST).write_bytes(DATA[:-1] + b"\0")
    async with (
        serving(run, consortium, lying, "hospital-a") as first,
        serving(run, consortium, honest, "hospital-b") as second,
        BlobClient({"hospital-a": first, "hospital-b": second}, client_context(run, "hospital-c")) as client,
    ):
        assert await client.pull(DIGEST, own, "hospital-c", ["hospital-a", "hospital-b"]) == DATA
    assert own.read(DIGEST) == DATA


@pytest.mark.parametrize("begun", [DATA[:5000], b"\0" * 5000])
async def test_a_pull_goes_on_where_another_ended_and_begins_again_where_that_was_wrong(
    run: Path, consortium: Consortium, tmp_path: Path, begun: bytes
):
    theirs, own = BlobStore(tmp_path / "theirs"), BlobStore(tmp_path / "own")
    theirs.put(DATA, About(OWNER))
    own.append(DIGEST, 0, len(DATA), begun, About("hospital-c"))
    egress, context = EgressLog(tmp_path / "egress.jsonl"), client_context(run, "hospital-c")
    async with (
        serving(run, consortium, theirs, egress=egress) as url,
        BlobClient({OWNER: url}, context) as client,
    ):
        await client.fetch(DIGEST, own, "hospital-c", [OWNER])
    sent = [json.loads(line)["bytes"] for line in (tmp_path / "egress.jsonl").read_text().splitlines()]
    assert (own.read(DIGEST), sent[0]) == (DATA, len(DATA) - 5000)
    assert sent[1:] == ([] if begun == DATA[:5000] else [len(DATA)])


@pytest.mark.parametrize("most", [None, len(DATA), len(DATA) - 1])
async def test_a_pull_takes_no_more_than_it_may(run: Path, consortium: Consortium, tmp_path: Path, most: int | None):
    theirs, own = BlobStore(tmp_path / "theirs"), BlobStore(tmp_path / "own")
    theirs.put(DATA, About(OWNER))
    context = client_context(run, "hospital-c")
    async with serving(run, consortium, theirs) as url, BlobClient({OWNER: url}, context) as client:
        if most == len(DATA) - 1:
            with pytest.raises(NodeError) as caught:
                await client.pull(DIGEST, own, "hospital-c", [OWNER], most)
            assert (caught.value.code, own.size(DIGEST)) == ("FL4704", None)
        else:
            assert await client.pull(DIGEST, own, "hospital-c", [OWNER], most) == DATA


async def test_a_service_that_trickles_does_not_keep_a_blob_from_us_that_others_have(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A dishonest dealer's sealed bundle would otherwise be missed, though a majority holds it."""
    slow, honest, own = (BlobStore(tmp_path / name) for name in ("slow", "honest", "own"))
    honest.put(DATA, About(OWNER))

    async def trickle(_: BlobService, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in DATA:
            await response.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return response

    monkeypatch.setattr(blob_client, "PULL_S", 0.2)
    context = client_context(run, "hospital-c")
    async with contextlib.AsyncExitStack() as stack:
        second = await stack.enter_async_context(serving(run, consortium, honest, "hospital-b"))
        monkeypatch.setattr(BlobService, "get", trickle)
        first = await stack.enter_async_context(serving(run, consortium, slow))
        client = await stack.enter_async_context(BlobClient({OWNER: first, "hospital-b": second}, context))
        async with asyncio.timeout(PATIENCE_S):
            assert await client.pull(DIGEST, own, "hospital-c", [OWNER, "hospital-b"], len(DATA)) == DATA


@pytest.mark.parametrize("offset", [str(len(DATA)), "-7", "1e3"])
async def test_a_service_that_answers_an_upload_with_nonsense_is_given_up(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offset: str
):
    async def nonsense(*_: object) -> web.Response:
        return web.Response(status=404, headers={"Upload-Offset": offset})

    async def accepted(*_: object) -> web.Response:
        return web.Response(status=202)

    monkeypatch.setattr(BlobService, "head", nonsense)
    monkeypatch.setattr(BlobService, "put", accepted)
    sent: list[float] = []
    egress = EgressLog(tmp_path / "egress.jsonl", sent.append)
    context = client_context(run, "hospital-b")
    async with serving(run, consortium, store) as url, BlobClient({OWNER: url}, context, egress) as client:
        with pytest.raises(NodeError) as caught:
            await asyncio.wait_for(client.push(OWNER, DIGEST, DATA, attempts=2), 5)
    assert (caught.value.code, sent) == ("FL4008", [])


async def test_one_member_whose_uploads_never_end_keeps_no_other_from_uploading(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(callers, "UPLOAD_S", 4.0)
    never = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await never.wait()

    async def upload(session: aiohttp.ClientSession, url: str, number: int) -> int:
        async with session.put(f"{url}/blobs/{number:064x}", data=endless(), ssl=slow(OWNER)) as response:
            return response.status

    slow = client_context(run, "hospital-c")
    context = client_context(run, "hospital-b")
    async with (
        serving(run, consortium, store) as url,
        aiohttp.ClientSession() as session,
        BlobClient({OWNER: url}, context) as client,
    ):
        stuck = [asyncio.create_task(upload(session, url, number)) for number in range(20)]
        await asyncio.sleep(0.2)
        await asyncio.wait_for(client.push(OWNER, DIGEST, DATA), 3)
        assert await asyncio.wait_for(stuck[0], 12) == STATUS_RANGE
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_uploads_one_after_the_other_share_a_connection(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    made = []
    create = aiohttp.TCPConnector._create_connection

    async def counted(*arguments, **options):
        made.append(1)
        return await create(*arguments, **options)

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", counted)
    async with (
        serving(run, consortium, store) as url,
        BlobClient({OWNER: url}, client_context(run, "hospital-b")) as client,
    ):
        for data in (b"one", b"two", b"three"):
            await client.push(OWNER, hashlib.sha256(data).hexdigest(), data)
    assert len(made) == 1
