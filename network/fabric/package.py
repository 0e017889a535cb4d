"""The chaincode's lifecycle package for peers, and the builder that tells a peer where its own chaincode process is.

The package holds no address and no key (network/package.py): each peer's builder copies that peer's own
connection file.
"""

import json
from pathlib import Path

from network.addresses import join
from network.files import write_atomically, write_new
from network.folders import folder_of, package_path
from network.package import TYPE, read_lock
from network.topology import Consortium, Organisation

DETECT = f"""#!/bin/sh
# Accepts the packages that this consortium makes.
grep -q '"type":"{TYPE}"' "$2/metadata.json"
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


def write_package(consortium: Consortium, run: Path) -> None:
    """Write the locked package, the builder, and each member's connection file; NetworkError FL1044 without a lock."""
    folder = run / "fabric"
    write_atomically(package_path(run), read_lock(run).package())
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
        "address": join(member.peer.host, member.peer.chaincode_port),
        "dial_timeout": "10s",
        "tls_required": True,
        "client_auth_required": True,
        "root_cert": (tls / "ca.crt").read_text(),
        "client_key": (tls / "server.key").read_text(),
        "client_cert": (tls / "server.crt").read_text(),
    }
