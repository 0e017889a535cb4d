"""The blob service under attack, over real sockets: idle, slow and flooding callers, with and without a certificate.

Attackers come from addresses of their own (127.0.0.66 …): on Linux the whole of 127.0.0.0/8 is this machine.
"""

import asyncio
import contextlib
import hashlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fl_node.blobs import admission, callers, door, handing, service, tls, words_service
from fl_node.blobs.admission import Caps
from fl_node.blobs.client import BlobClient
from fl_node.blobs.handing import Handing
from fl_node.blobs.service import BlobService
from fl_node.blobs.service import serve as serve_blobs
from fl_node.blobs.store import About, BlobStore
from network.topology import Consortium
from tests.believing import channel_of

DATA = os.urandom(3 << 20)
DIGEST = hashlib.sha256(DATA).hexdigest()
OWNER, HONEST, BAD = "hospital-a", "hospital-b", "hospital-c"
CAPS = Caps(strangers=40, address=10, organisation=20)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def caps(monkeypatch: pytest.MonkeyPatch) -> Caps:
    monkeypatch.setattr(Caps, "of", lambda *_: CAPS)
    return CAPS


@contextlib.asynccontextmanager
async def serving(run: Path, consortium: Consortium, store: BlobStore) -> AsyncIterator[tuple[str, int]]:
    owner = consortium.organisation(OWNER)
    assert owner.blob_port
    believed = channel_of(run)
    context = tls.serving(run, OWNER, believed)
    runner = await serve_blobs(
        BlobService(store, tls.Trust(lambda: consortium, believed)), owner.host, owner.blob_port, context
    )
    try:
        yield owner.host, owner.blob_port
    finally:
        await runner.cleanup()


async def dial(where: tuple[str, int], context: ssl.SSLContext | None = None, source: str = "127.0.0.66") -> Streams:
    """Connect from an address; with a context until the server can have read the certificate."""
    options = {"ssl": context, "server_hostname": where[0]} if context else {}
    return await asyncio.open_connection(*where, local_addr=(source, 0), **options)


async def attack(
    number: int, dialled: Callable[[int], "asyncio.Future[Streams] | asyncio.Task[Streams]"]
) -> list[Streams]:
    """Open many connections, fifty at a time; return those that could be opened."""
    held: list[Streams] = []
    for start in range(0, number, 50):
        answers = await asyncio.gather(*(dialled(n) for n in range(start, start + 50)), return_exceptions=True)
        held += [answer for answer in answers if not isinstance(answer, BaseException)]
    return held


def descriptors_of(name: str) -> int:
    """Return how many descriptors of this process lead to something of that name."""
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(entry.readlink().as_posix())
    return sum(name in link for link in links)


async def exchange(run: Path, url: str, seconds: float) -> None:
    """Push a blob and read it back as an honest member, within a time."""
    data = os.urandom(1 << 20)
    digest = hashlib.sha256(data).hexdigest()
    async with (
        asyncio.timeout(seconds),
        BlobClient({OWNER: url}, tls.calling(run, HONEST, "client", channel_of(run))) as client,
    ):
        await client.push(OWNER, digest, data)
        assert await client.get(digest) == data


def url_of(where: tuple[str, int]) -> str:
    return f"https://{where[0]}:{where[1]}"


async def closed(streams: list[Streams], within: float) -> int:
    """Return how many connections the server has ended within a time."""

    async def ended(reader: asyncio.StreamReader) -> bool:
        with contextlib.suppress(OSError):
            while await reader.read(1 << 16):
                pass
        return True

    tasks = [asyncio.create_task(ended(reader)) for reader, _ in streams]
    done, pending = await asyncio.wait(tasks, timeout=within)
    for task in pending:
        task.cancel()
    return len(done)


async def drop(streams: list[Streams]) -> None:
    for _, writer in streams:
        writer.transport.abort()
    await asyncio.sleep(0.1)


@pytest.mark.usefixtures("caps")
@pytest.mark.parametrize("addresses", [1, 250])
async def test_two_thousand_who_say_nothing_leave_room_for_a_member(
    run: Path, consortium: Consortium, store: BlobStore, addresses: int
):
    async with serving(run, consortium, store) as where:
        before = descriptors_of("socket:")
        held = await attack(2000, lambda n: dial(where, source=f"127.0.0.{2 + n % addresses}"))
        await asyncio.sleep(0.1)
        served = descriptors_of("socket:") - before - len(held)
        await exchange(run, url_of(where), 10)
        await drop(held)
    assert len(held) == 2000
    assert served <= CAPS.strangers + 5  # what has just been dropped may still be there


@pytest.mark.usefixtures("caps")
@pytest.mark.slow
async def test_two_thousand_of_one_member_leave_room_for_another(run: Path, consortium: Consortium, store: BlobStore):
    context = tls.calling(run, BAD, "client", channel_of(run))(OWNER)
    context.check_hostname = False
    async with serving(run, consortium, store) as where:
        before = descriptors_of("socket:")
        held = await attack(2000, lambda n: dial(where, context, f"127.0.0.{2 + n % 250}"))
        await asyncio.sleep(0.3)
        served = descriptors_of("socket:") - before - len([w for _, w in held if not w.transport.is_closing()])
        await exchange(run, url_of(where), 10)
        await drop(held)
    assert served <= CAPS.organisation + CAPS.strangers


async def test_who_does_not_end_the_handshake_is_cut_off(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(door, "HANDSHAKE_S", 0.3)
    async with serving(run, consortium, store) as where:
        silent, half = await dial(where), await dial(where)
        half[1].write(b"\x16\x03\x01\x02\x00\x01")  # a ClientHello that breaks off
        assert await closed([silent, half], 3) == 2
        await drop([silent, half])


@pytest.mark.parametrize(
    "sent", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\n", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_a_member_without_a_whole_request_is_cut_off(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch, sent: bytes
):
    """Before the first byte, amid the headers, after an answer."""
    monkeypatch.setattr(service, "IDLE_S", 0.5)
    context = tls.calling(run, BAD, "client", channel_of(run))(OWNER)
    context.check_hostname = False
    async with serving(run, consortium, store) as where:
        streams = await dial(where, context)
        streams[1].write(sent)
        began = time.monotonic()
        assert await closed([streams], 5) == 1
        assert time.monotonic() - began >= 0.4
        await drop([streams])


async def test_headers_byte_by_byte_do_not_hold_a_connection(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(service, "IDLE_S", 0.5)
    context = tls.calling(run, BAD, "client", channel_of(run))(OWNER)
    context.check_hostname = False

    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /health HTTP/1.1\r\nX: ")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)

    async with serving(run, consortium, store) as where:
        streams = await dial(where, context)
        task = asyncio.create_task(trickle(streams[1]))
        assert await closed([streams], 5) == 1
        task.cancel()
        await drop([streams])


async def test_a_reader_who_does_not_read_is_cut_off(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(service, "SEND_S", 0.5)
    monkeypatch.setattr(service, "SLOWEST", 1 << 30)
    big = os.urandom(24 << 20)
    digest = store.put(big, About(OWNER))
    context = tls.calling(run, BAD, "client", channel_of(run))(OWNER)
    context.check_hostname = False
    async with serving(run, consortium, store) as where:
        readers = []
        for _ in range(4):
            reader, writer = await dial(where, context)
            writer.transport.pause_reading()
            writer.write(f"GET /blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            readers.append((reader, writer))
        await exchange(run, url_of(where), 10)
        await asyncio.sleep(2)
        opened = descriptors_of(digest)
        await drop(readers)
    assert opened == 0


async def test_writers_who_do_not_write_are_cut_off(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(callers, "UPLOAD_S", 0.5)
    monkeypatch.setattr(service, "IDLE_S", 1.0)
    context = tls.calling(run, BAD, "client", channel_of(run))(OWNER)
    context.check_hostname = False
    async with serving(run, consortium, store) as where:
        writers = []
        for number in range(4):
            reader, writer = await dial(where, context)
            header = f"PUT /blobs/{number:064x} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode()
            writer.write(header + b"x" * 1000)
            writers.append((reader, writer))
        await exchange(run, url_of(where), 10)
        assert await closed(writers, 8) == 4
        await drop(writers)


async def test_an_address_that_connects_too_often_is_closed_at_once_and_no_other(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(admission, "BURST", 5.0)
    monkeypatch.setattr(admission, "PER_SECOND", 0.001)
    async with serving(run, consortium, store) as where:
        streams = [await dial(where) for _ in range(20)]
        assert await closed(streams, 2) == 15
        await exchange(run, url_of(where), 10)
        await drop(streams)


async def test_a_flood_of_handshakes_neither_starves_the_loop_nor_keeps_a_member_out(
    run: Path, consortium: Consortium, store: BlobStore
):
    """Strangers' full ClientHellos as fast as one machine makes them; the loop's turns stay short."""
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    stop = False

    def flood() -> int:
        begun = 0
        while not stop:
            with contextlib.suppress(OSError), socket.socket() as plain:
                plain.settimeout(1)
                plain.bind(("127.0.0.66", 0))
                plain.connect(where)
                begun += 1
                with stranger.wrap_socket(plain) as wrapped:
                    wrapped.recv(1)
        return begun

    async def turns() -> float:
        longest = 0.0
        while not stop:
            began = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - began)
        return longest

    async with serving(run, consortium, store) as where:
        loop = asyncio.get_running_loop()
        flooding = [loop.run_in_executor(None, flood) for _ in range(4)]
        measured = asyncio.create_task(turns())
        await asyncio.sleep(1)
        await exchange(run, url_of(where), 15)
        await asyncio.sleep(1)
        stop = True
        begun, longest = sum(await asyncio.gather(*flooding)), await measured
    assert begun > 100
    assert longest < 2.0


async def test_a_service_that_is_attacked_ends_in_good_time(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    async with serving(run, consortium, store) as where:
        held = await attack(50, lambda _: dial(where))
        await asyncio.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 3
    await drop(held)


async def test_a_chunk_larger_than_one_may_be_is_refused_before_it_is_read(
    run: Path, consortium: Consortium, store: BlobStore
):
    context = tls.calling(run, BAD, "client", channel_of(run))(OWNER)
    context.check_hostname = False
    async with serving(run, consortium, store) as where:
        reader, writer = await dial(where, context)
        writer.write(f"PUT /blobs/{DIGEST} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 40}\r\n\r\n".encode())
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
        await drop([(reader, writer)])


async def test_words_that_never_end_keep_no_other_member_from_handing_one_in(
    run: Path, consortium: Consortium, store: BlobStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(handing, "HAND_S", callers.UPLOAD_S / 2)
    context = tls.calling(run, BAD, "client", channel_of(run))(OWNER)
    context.check_hostname = False
    path = "risk/1/1/Attest/p"
    head = f"POST /words/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{".encode()
    async with serving(run, consortium, store) as where:
        held = await attack(words_service.AT_ONCE + 2, lambda _: dial(where, context))
        for _, writer in held:
            writer.write(head)
        await asyncio.sleep(0.2)
        async with BlobClient({OWNER: url_of(where)}, tls.calling(run, HONEST, "client", channel_of(run))) as client:
            await Handing(client, HONEST).hand(OWNER, path, {"proposal": "YQ==", "signature": "YQ=="})
        await drop(held)


async def test_a_word_larger_than_one_may_be_is_refused_before_it_is_read(
    run: Path, consortium: Consortium, store: BlobStore
):
    context = tls.calling(run, BAD, "client", channel_of(run))(OWNER)
    context.check_hostname = False
    size = words_service.MOST_BODY + 1
    async with serving(run, consortium, store) as where:
        reader, writer = await dial(where, context)
        writer.write(f"POST /words/risk/1/1/Attest/p HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        assert b" 413 " in await asyncio.wait_for(reader.readline(), 5)
        await drop([(reader, writer)])
