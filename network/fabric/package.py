"""The chaincode's lifecycle package for peers, and the builder that tells a peer where its own chaincode process is.

The package holds no address and no key (network/package.py): each peer's builder copies that peer's own
connection file.
"""

import json
from pathlib import Path

from network.addresses import join
from network.allotment import chaincode_port
from network.files import write_atomically, write_new
from network.folders import OrganisationFolder, package_path
from network.package import TYPE, lock_of
from network.plan import peer_process
from network.topology import Consortium

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
name=$(sed 's/.*"label":"\\([^"]*\\)".*/\\1/' "$1/metadata.json")
from="${FEDLEDGER_CONNECTION%.json}-$name.json"
[ -f "$from" ] || from="$FEDLEDGER_CONNECTION"
cp "$from" "$2/chaincode/server/connection.json"
"""
RELEASED = "externalbuilder/builds/*/release/chaincode/server/connection.json"


def write_package(consortium: Consortium, folder: OrganisationFolder) -> None:
    """Write the locked package, the builder and the connection file of a member; NetworkError FL1044 without a lock.

    A peer copies the connection file when the package is installed: each package keeps the address of its own process.
    """
    for each in consortium.each():
        write_atomically(package_of(folder.root, each), lock_of(folder.root, each).package())
    for name, script in (("detect", DETECT), ("build", BUILD), ("release", RELEASE)):
        write_new(builder_path(folder.root) / "bin" / name, script, mode=0o755)
    write_connections(folder, consortium)


def package_of(folder: Path, consortium: Consortium) -> Path:
    """Return the package of the chaincode that a definition is about."""
    return package_path(folder, consortium.chaincode.name if consortium.chaincode.place else "")


def builder_path(folder: Path) -> Path:
    """Return where the builder lies in an organisation's folder."""
    return package_path(folder).parent / "builder"


def write_connections(folder: OrganisationFolder, consortium: Consortium) -> None:
    """Write how each of a member's peers dials its chaincode process; the files hold the peers' TLS keys.

    A peer keeps a copy for each chaincode that its builder released (Fabric: core/container/externalbuilder). That one
    gets the present key too, or a peer with a new key would go on dialling with the old one.
    """
    for number, peer in enumerate(consortium.organisation(folder.name).peers):
        if not (folder.peer(number) / "tls" / "server.key").exists():
            continue  # it is on another host of the organisation, which holds its keys
        for each in consortium.each():
            chaincode = each.chaincode
            address = join(peer.host, chaincode_port(peer, chaincode.sequence, chaincode.place))
            made = _connection(folder.peer(number) / "tls", address)
            path = connection_path(folder, number, chaincode.name if chaincode.place else "")
            write_atomically(path, json.dumps(made), mode=0o600)
        for path in folder.data(peer_process(folder.name, number)).glob(RELEASED):
            there = {"address": json.loads(path.read_bytes())["address"]}
            write_atomically(path, json.dumps(made | there), mode=0o600)


def connection_path(folder: OrganisationFolder, number: int = 0, other: str = "") -> Path:
    """Return where a member's peer reads how to dial its chaincode process; `other` names a further chaincode."""
    return folder.rendered(peer_process(folder.name, number)) / (
        f"connection-{other}.json" if other else "connection.json"
    )


def _connection(tls: Path, address: str) -> dict[str, object]:
    return {
        "address": address,
        "dial_timeout": "10s",
        "tls_required": True,
        "client_auth_required": True,
        "root_cert": (tls / "ca.crt").read_text(),
        "client_key": (tls / "server.key").read_text(),
        "client_cert": (tls / "server.crt").read_text(),
    }
