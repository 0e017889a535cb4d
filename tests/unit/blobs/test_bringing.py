"""Many blobs in one request: all arrive, within the rules for a blob that comes by itself."""

import asyncio
import hashlib
import io
import json
from pathlib import Path

import pytest

from fl_node.blobs import bringing
from fl_node.blobs.bringing import MOST_BODY, bring
from fl_node.blobs.client import BlobClient
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.store import About, BlobStore, Limits
from fl_node.errors import NodeError
from fl_node.journal.egress import EgressLog
from fl_node.metrics import Metrics
from network.topology import Consortium
from tests.unit.blobs.test_service import OWNER, client_context, serving

BLOBS = [b"one", b"", b"another", b"one"]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs", owner=OWNER)


@pytest.mark.parametrize("most", [MOST_BODY, 12])
async def test_what_is_brought_lies_there_and_counts_for_who_brought_it(
    run: Path, consortium: Consortium, store: BlobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
):
    monkeypatch.setattr(bringing, "MOST_BODY", most)  # 12: one blob in each request
    log = tmp_path / "egress"
    async with (
        serving(run, consortium, store) as url,
        BlobClient({OWNER: url}, client_context(run, "hospital-b"), EgressLog(log)) as client,
    ):
        await bring(client, OWNER, BLOBS)
        await bring(client, OWNER, BLOBS)
    for blob in BLOBS:
        assert store.read(digest_of(blob)) == blob
        about = store.about(digest_of(blob))
        assert about
        assert about.organisation == "hospital-b"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert {entry["kind"] for entry in entries} == {"blobs"}
    assert {digest for entry in entries for digest in entry["digests"]} == set(map(digest_of, BLOBS))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"\0\0\0\x05four", 409, "FL4706"),
        (b"\0\0", 409, "FL4706"),
        (b"\xff\xff\xff\xff" + b"four", 409, "FL4706"),
        (bytes(MOST_BODY + 1), 413, "FL4702"),
    ],
    ids=["cut off", "half a length", "a length beyond all", "too much"],
)
async def test_what_is_no_set_of_blobs_is_refused_and_nothing_of_it_kept(
    run: Path, consortium: Consortium, store: BlobStore, body: bytes, status: int, code: str
):
    framed = b"\0\0\0\x03one" + body if len(body) < MOST_BODY else body
    async with (
        serving(run, consortium, store) as url,
        BlobClient({OWNER: url}, client_context(run, "hospital-b")) as client,
        client.call("PUT", OWNER, f"{url}/several", data=io.BytesIO(framed)) as response,
    ):
        assert (response.status, json.loads(await response.read())["code"]) == (status, code)
    assert store.size(digest_of(b"one")) is None


async def test_a_regulator_brings_nothing(run: Path, consortium: Consortium, store: BlobStore):
    async with (
        serving(run, consortium, store) as url,
        BlobClient({OWNER: url}, client_context(run, "regulator")) as client,
    ):
        with pytest.raises(NodeError) as caught:
            await bring(client, OWNER, BLOBS)
    assert (caught.value.code, caught.value.where) == ("FL4705", OWNER)


async def test_quotas_hold_for_what_is_brought(run: Path, consortium: Consortium, tmp_path: Path):
    small = BlobStore(tmp_path / "small", Limits(organisation=1), OWNER)
    async with (
        serving(run, consortium, small) as url,
        BlobClient({OWNER: url}, client_context(run, "hospital-b")) as client,
    ):
        with pytest.raises(NodeError) as caught:
            await bring(client, OWNER, [b"two"])
    assert caught.value.code == "FL4703"


async def test_who_is_away_is_named(run: Path):
    async with BlobClient({OWNER: "https://127.0.0.1:9"}, client_context(run, "hospital-b")) as client:
        with pytest.raises(NodeError) as caught:
            await bring(client, OWNER, BLOBS)
    assert caught.value.code == "FL4008"


async def test_a_node_passes_on_what_lies_with_its_organisation(
    run: Path, consortium: Consortium, store: BlobStore, tmp_path: Path
):
    own = BlobStore(tmp_path / "own", owner="hospital-b")
    left = own.put(b"left by a speaker", About("hospital-c"))
    large = own.put(bytes(bringing.LARGEST + 1), About("hospital-c"))
    async with (
        serving(run, consortium, store) as url,
        BlobClient({OWNER: url, "hospital-b": ""}, client_context(run, "hospital-b"), beside="hospital-b") as client,
    ):
        mirror = Mirror(own, client, "hospital-b", Metrics())
        assert await mirror.pass_on([left, large, "0" * 64], 2) == [OWNER, "hospital-b"]
        assert await mirror.pass_on(["0" * 64], 2) == []
        with pytest.raises(NodeError) as caught:
            await mirror.pass_on([left], 3)
        await asyncio.sleep(0)
    assert (store.read(left), store.size(large)) == (b"left by a speaker", None)
    assert caught.value.code == "FL4707"
