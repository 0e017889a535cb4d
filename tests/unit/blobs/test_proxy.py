"""Blob services behind an HTTP proxy: it opens the way and reads nothing; this machine is never called through one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fl_node.blobs.client import BlobClient
from fl_node.blobs.proxy import proxy_for
from fl_node.blobs.store import BlobStore
from fl_node.errors import NodeError
from fl_node.node import readiness
from network.topology import Consortium
from tests.unit.blobs.test_service import DATA, DIGEST, OWNER, client_context, serving

HOST = f"blobs-{OWNER}"
"""A name of the service's certificate that no resolver knows: who reaches it went through the proxy."""


@dataclass
class Proxy:
    """An HTTP proxy that takes every name for this machine.

    Attributes:
        asked: Where it was asked to connect to.
        seen: All bytes that went through it.
    """

    asked: list[str] = field(default_factory=list)
    seen: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readline()).decode().split()
        assert method == "CONNECT"
        while (await reader.readline()).strip():
            pass
        self.asked.append(target)
        onward = await asyncio.open_connection("127.0.0.1", int(target.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(self._pass(reader, onward[1]), self._pass(onward[0], writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.seen += data
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def proxied(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for name in ("https_proxy", "all_proxy", "no_proxy", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    try:
        yield proxy
    finally:
        server.close()


async def test_a_blob_goes_through_the_proxy_that_learns_names_alone(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store, port = BlobStore(tmp_path / "blobs"), consortium.organisation(OWNER).blob_port
    async with proxied(monkeypatch) as proxy, serving(run, consortium, store):
        urls = {OWNER: f"https://{HOST}:{port}"}
        async with BlobClient(urls, client_context(run, "hospital-b")) as client:
            await client.push(OWNER, DIGEST, DATA)
            assert await client.get(DIGEST) == DATA
            assert await client.healthy(OWNER)
        assert await readiness._skew(f"{urls[OWNER]}/health", client_context(run, "hospital-b")(OWNER)) is not None
    assert set(proxy.asked) == {f"{HOST}:{port}"}
    assert len(proxy.seen) > 2 * len(DATA)
    assert DATA[:64] not in proxy.seen


async def test_without_the_proxy_the_name_is_not_found(run: Path, consortium: Consortium, tmp_path: Path):
    urls = {OWNER: f"https://{HOST}:{consortium.organisation(OWNER).blob_port}"}
    async with (
        serving(run, consortium, BlobStore(tmp_path / "blobs")),
        BlobClient(urls, client_context(run, "hospital-b")) as client,
    ):
        assert not await client.healthy(OWNER)


async def test_this_machine_is_called_directly(
    run: Path, consortium: Consortium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = BlobStore(tmp_path / "blobs")
    async with (
        proxied(monkeypatch) as proxy,
        serving(run, consortium, store) as url,
        BlobClient({OWNER: url}, client_context(run, "hospital-b")) as client,
    ):
        assert await client.healthy(OWNER)
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("https://hospital-b.example:17024", "", "http://proxy.example:3128"),
        ("https://hospital-b.example:17024", "hospital-c.example,.example", None),
        ("https://127.0.0.1:17024", "", None),
        ("https://127.8.0.1:17024", "", None),
        ("https://[::1]:17024", "", None),
        ("https://localhost:17024", "", None),
        ("https://[2001:db8::7]:17024", "", "http://proxy.example:3128"),
    ],
)
def test_the_usual_variables_say_which_proxy(monkeypatch, url: str, no_proxy: str, expected: str | None):
    for name in ("https_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("all_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert proxy_for(url) == expected


async def test_who_writes_its_own_store_counts_among_the_holders(run: Path, consortium: Consortium, tmp_path: Path):
    async with serving(run, consortium, BlobStore(tmp_path / "blobs")) as url:
        contexts = client_context(run, "hospital-b")
        async with BlobClient({OWNER: url}, contexts, beside="hospital-b") as client:
            assert await client.spread(DIGEST, DATA, 2) == [OWNER, "hospital-b"]
        async with BlobClient({OWNER: url}, contexts) as client:
            with pytest.raises(NodeError, match="FL4707: 1 of 2"):
                await client.spread(DIGEST, DATA, 2)
