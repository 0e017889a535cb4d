"""Fetches an official Fabric release archive, resuming and verified, and unpacks it whole or not at all."""

import hashlib
import http.client
import os
import platform
import re
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from network import codes
from network.errors import NetworkError
from network.fabric.binaries import INSTALLED
from network.files import make_folder, put_in_place

VERSION = "3.1.5"
RELEASES = "https://github.com/hyperledger/fabric/releases/download"
ATTEMPTS = 5
TIMEOUT_S = 30
CHUNK = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

Report = Callable[[str], None]


@dataclass(frozen=True)
class Archive:
    """Where a release archive is, and the SHA-256 (hex) that it must have."""

    url: str
    sha256: str

    @property
    def name(self) -> str:
        """Return a file name of its own, so that a download is only ever continued by the same archive."""
        return f"{self.sha256}.tar.gz"


def official_url(version: str = VERSION) -> str:
    """Return the URL of a release for this machine; FL1057 if there is none."""
    system, machine = platform.system().lower(), MACHINES.get(platform.machine().lower())
    if system not in {"linux", "darwin"} or not machine:
        raise NetworkError(codes.NO_FABRIC_RELEASE, f"there is no Fabric release for {system} on {platform.machine()}")
    return f"{RELEASES}/v{version}/hyperledger-fabric-{system}-{machine}-{version}.tar.gz"


def install(archive: Archive, report: Report, into: Path = INSTALLED) -> Path:
    """Download, verify and unpack a release; return the folder of its programs.

    Raises:
        NetworkError: FL1056 if the SHA-256 is malformed or differs, FL1058 if the download fails five times, FL1059
            if the archive holds no programs. What was downloaded before a break stays for the next call.
    """
    if not SHA256.fullmatch(archive.sha256):
        hint = "Give the 64 hex digits that the release names for its archive."
        raise NetworkError(codes.ARCHIVE_DIFFERS, "this is not a SHA-256", where=archive.sha256, hint=hint)
    downloaded = make_folder(into.parent / "downloads") / archive.name
    _download(archive.url, downloaded, report)
    actual = _digest(downloaded)
    if actual != archive.sha256:
        downloaded.unlink()
        hint = "The archive was removed; check the digest and the source, and try again."
        raise NetworkError(codes.ARCHIVE_DIFFERS, f"the archive has SHA-256 {actual}", where=archive.url, hint=hint)
    report("unpacking")
    _unpack(downloaded, into)
    downloaded.unlink()
    return into / "bin"


def _download(url: str, to: Path, report: Report) -> None:
    part = to.with_name(f"{to.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        if to.exists():
            return
        try:
            _continue(url, part, report)
        except (OSError, http.client.HTTPException) as error:
            if attempt == ATTEMPTS or _is_final(error):
                hint = "Run the same command again: it goes on where it stopped."
                raise NetworkError(
                    codes.DOWNLOAD_FAILED, f"the download fails: {error}", where=url, hint=hint
                ) from None
            report(f"interrupted ({error}), going on")
        else:
            put_in_place(part, to)
            return


def _continue(url: str, part: Path, report: Report) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    if request.type not in {"http", "https"}:
        raise urllib.error.URLError(f"{request.type} is not a web address")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # all of it is there already
        raise
    with response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT and _begins(response.headers) == have
        expected = response.length
        report(f"going on at {have >> 20} MB" if resumed else "downloading")
        with part.open("ab" if resumed else "wb") as stream:
            shutil.copyfileobj(response, stream, CHUNK)
        received = part.stat().st_size - (have if resumed else 0)
    if expected is not None and received < expected:
        raise ConnectionError(f"{received} of {expected} bytes came")


def _begins(headers: http.client.HTTPMessage) -> int | None:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _is_final(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code < http.HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, urllib.error.URLError) and isinstance(error.reason, str)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unpack(archive: Path, into: Path) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
        unpacked = Path(temporary) / "fabric"
        try:
            with tarfile.open(archive) as content:
                content.extractall(unpacked, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise NetworkError(codes.ARCHIVE_UNUSABLE, f"cannot unpack: {error}", where=str(archive)) from None
        if not os.access(unpacked / "bin" / "peer", os.X_OK):
            raise NetworkError(codes.ARCHIVE_UNUSABLE, "the archive holds no bin/peer", where=str(archive))
        if into.exists():
            shutil.rmtree(into)
        unpacked.rename(into)
