"""The chaincode's lifecycle package, and the builder that tells a peer where its own chaincode process is.

The package is the same for every organisation, so all approve one package id: it holds no address and no key. Each
peer's builder copies that peer's own connection file instead.
"""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from network.files import write_atomically, write_new
from network.folders import folder_of, package_path
from network.topology import Consortium, Organisation

DETECT = """#!/bin/sh
# Accepts the packages that this consortium makes.
grep -q '"type":"fedledger-service"' "$2/metadata.json"
"""
BUILD = """#!/bin/sh
# There is nothing to build: the chaincode is a process of its own.
cp "$2/metadata.json" "$3/"
"""
RELEASE = """#!/bin/sh
# Tells the peer where its organisation's chaincode process is, and with which certificate to dial it.
set -e
mkdir -p "$2/chaincode/server"
cp "$FEDLEDGER_CONNECTION" "$2/chaincode/server/connection.json"
"""


def package(consortium: Consortium) -> bytes:
    """Return the package; the same bytes on every machine."""
    name = consortium.chaincode.name
    code = _archive({"service.json": json.dumps({"chaincode": name}).encode()})
    metadata = json.dumps({"type": "fedledger-service", "label": name}, separators=(",", ":")).encode()
    return _archive({"metadata.json": metadata, "code.tar.gz": code})


def package_id(consortium: Consortium) -> str:
    """Return label:SHA-256, as Fabric's lifecycle names an installed package."""
    return f"{consortium.chaincode.name}:{hashlib.sha256(package(consortium)).hexdigest()}"


def write_package(consortium: Consortium, run: Path) -> None:
    """Write the package, the builder, and each member's connection file."""
    folder = run / "fabric"
    write_atomically(package_path(run), package(consortium))
    for name, script in (("detect", DETECT), ("build", BUILD), ("release", RELEASE)):
        write_new(folder / "builder" / "bin" / name, script, mode=0o755)
    for member in consortium.members:
        write_connection(run, member)


def write_connection(run: Path, member: Organisation) -> None:
    """Write how a member's peer dials its chaincode process; the file holds the peer's TLS key."""
    write_atomically(connection_path(run, member), json.dumps(_connection(run, member)), mode=0o600)


def connection_path(run: Path, member: Organisation) -> Path:
    """Return where a member's peer reads how to dial its chaincode process."""
    return folder_of(run, member.name).rendered(f"peer-{member.name}") / "connection.json"


def _connection(run: Path, member: Organisation) -> dict[str, object]:
    tls = folder_of(run, member.name).peer() / "tls"
    return {
        "address": f"{member.peer.host}:{member.peer.chaincode_port}",
        "dial_timeout": "10s",
        "tls_required": True,
        "client_auth_required": True,
        "root_cert": (tls / "ca.crt").read_text(),
        "client_key": (tls / "server.key").read_text(),
        "client_cert": (tls / "server.crt").read_text(),
    }


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)
