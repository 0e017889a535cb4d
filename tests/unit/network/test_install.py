import hashlib
import http.server
import io
import tarfile
import threading

import pytest

from network.errors import NetworkError
from network.fabric.install import Archive, install, official_url

NOTES: list[str] = []


def archive_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


RELEASE = archive_of({"bin/peer": b"#!/bin/sh\n", "bin/orderer": bytes(range(256)) * 4000, "config/core.yaml": b"x"})


class Server(http.server.ThreadingHTTPServer):
    """Serves one archive; breaks the connection after so many bytes, so many times."""

    def __init__(self, content, *, ranges=True, breaks=0, after=0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges, self.breaks, self.after = content, ranges, breaks, after
        self.asked: list[str | None] = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/fabric.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if self.path != "/fabric.tar.gz" or start >= len(self.server.content):
            self.send_error(416 if start else 404)
            return
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header(
                "Content-Range", f"bytes {start}-{len(self.server.content) - 1}/{len(self.server.content)}"
            )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks > 0:
            self.server.breaks -= 1
            body = body[: self.server.after]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(content=RELEASE, **behaviour):
        server = Server(content, **behaviour)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def of(server, content=RELEASE):
    return Archive(server.url, hashlib.sha256(content).hexdigest())


def test_a_release_is_fetched_verified_and_unpacked(serve, tmp_path):
    server = serve()
    folder = install(of(server), NOTES.append, tmp_path / "fabric")
    assert folder == tmp_path / "fabric" / "bin"
    assert (folder / "orderer").read_bytes() == bytes(range(256)) * 4000
    assert (folder / "peer").stat().st_mode & 0o111
    assert server.asked == [None]
    assert list((tmp_path / "downloads").iterdir()) == []


def test_a_broken_download_goes_on_where_it_stopped(serve, tmp_path):
    server = serve(breaks=2, after=1000)
    install(of(server), NOTES.append, tmp_path / "fabric")
    assert server.asked == [None, "bytes=1000-", "bytes=2000-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(serve, tmp_path):
    server = serve(breaks=5, after=100)
    with pytest.raises(NetworkError, match=r"FL1058: the download fails: .*Run the same command again"):
        install(of(server), NOTES.append, tmp_path / "fabric")
    install(of(server), NOTES.append, tmp_path / "fabric")
    assert server.asked[-1] == "bytes=500-"


def test_a_server_without_ranges_is_read_from_the_start(serve, tmp_path):
    server = serve(ranges=False, breaks=1, after=1000)
    folder = install(of(server), NOTES.append, tmp_path / "fabric")
    assert (folder / "orderer").read_bytes() == bytes(range(256)) * 4000


def test_a_download_that_was_complete_is_not_repeated(serve, tmp_path):
    server = serve()
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / f"{of(server).name}.part").write_bytes(RELEASE)
    install(of(server), NOTES.append, tmp_path / "fabric")
    assert server.asked == [f"bytes={len(RELEASE)}-"]


def test_other_bytes_are_refused_and_removed(serve, tmp_path):
    server = serve(RELEASE + b"\0")
    with pytest.raises(NetworkError, match="FL1056: the archive has SHA-256"):
        install(of(server), NOTES.append, tmp_path / "fabric")
    assert list((tmp_path / "downloads").iterdir()) == []
    assert not (tmp_path / "fabric").exists()


def test_a_wrong_archive_leaves_the_installed_one(serve, tmp_path):
    install(of(serve()), NOTES.append, tmp_path / "fabric")
    other = archive_of({"readme": b"no programs"})
    with pytest.raises(NetworkError, match="FL1059: the archive holds no bin/peer"):
        install(Archive(f"{serve(other).url}", hashlib.sha256(other).hexdigest()), NOTES.append, tmp_path / "fabric")
    assert (tmp_path / "fabric" / "bin" / "peer").exists()


def test_an_archive_that_leaves_its_folder_is_refused(serve, tmp_path):
    evil = archive_of({"bin/peer": b"", "../../evil": b"x"})
    with pytest.raises(NetworkError, match="FL1059: cannot unpack"):
        install(of(serve(evil), evil), NOTES.append, tmp_path / "deep" / "fabric")
    assert not (tmp_path / "evil").exists()


def test_a_missing_archive_is_final(serve, tmp_path):
    server = serve()
    archive = Archive(server.url.replace("fabric.tar.gz", "other.tar.gz"), "0" * 64)
    with pytest.raises(NetworkError, match=r"FL1058: the download fails: HTTP Error 404"):
        install(archive, NOTES.append, tmp_path / "fabric")
    assert len(server.asked) == 1


@pytest.mark.parametrize("digest", ["", "abc", "z" * 64])
def test_a_malformed_digest_is_refused_before_anything_is_fetched(serve, tmp_path, digest):
    server = serve()
    with pytest.raises(NetworkError, match="FL1056: this is not a SHA-256"):
        install(Archive(server.url, digest), NOTES.append, tmp_path / "fabric")
    assert server.asked == []


def test_a_file_address_is_refused(tmp_path):
    with pytest.raises(NetworkError, match=r"FL1058: the download fails: .*file is not a web address"):
        install(Archive("file:///etc/passwd", "0" * 64), NOTES.append, tmp_path / "fabric")


def test_the_official_archive_is_that_of_this_machine(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert official_url().endswith("/v3.1.5/hyperledger-fabric-darwin-arm64-3.1.5.tar.gz")
    monkeypatch.setattr("platform.machine", lambda: "sparc")
    with pytest.raises(NetworkError, match="FL1057"):
        official_url()
