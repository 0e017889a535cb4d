"""An organisation with a peer on a second host: keys of that peer alone are there, and it stands in for the first.

The host of who comes later stands for the second one; both hosts have the organisation's blobs, as over a network file
system.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from network.folders import folder_of
from tests.contract.harness.ledger import FABRIC_PROGRAMS, fabric_program
from tests.hosts.federation import LATER, Federation, federation, until
from tests.hosts.hosts import ALONE, Host, problem
from tests.hosts.page import MEMBERS

pytestmark = [pytest.mark.slow, pytest.mark.lengthy, pytest.mark.timeout(1800)]
OWNER = "hospital-a"
SEALED = "--passphrase-file passphrase"


@dataclass(frozen=True)
class Sharing(Host):
    """A host on which a folder of another one is mounted."""

    shared: Path = Path()
    at: Path = Path()

    def start(self, command: str) -> Popen[str]:
        inner = f'"$STAGE"/{self.at.relative_to(self.disk)}'
        mounted = f"mkdir -p {inner}\nmount --bind {self.shared} {inner}\nmount -t tmpfs"
        script = ALONE.replace("mount -t tmpfs", mounted, 1)
        words = ["ip", "netns", "exec", self.namespace, "unshare", "-m", "sh", "-c", script, "sh", command]
        return Popen(words, env=self._environment(), stdout=PIPE, stderr=PIPE, text=True, start_new_session=True)


@pytest.fixture(scope="module")
def founded(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """A federation that trains, for what takes minutes."""
    fabric = pytestconfig.getoption("--network", "devnet") == "fabric"
    if reason := problem():
        pytest.skip(reason)
    if fabric and not all(map(fabric_program, FABRIC_PROGRAMS)):
        pytest.skip("no Fabric binaries in FABRIC_BIN or PATH")
    ordering = pytestconfig.getoption("--ordering", "bft")
    with federation(tmp_path_factory.mktemp("second"), fabric=fabric, ordering=ordering) as made:
        yield made


def test_rounds_go_on_with_an_organisation_whose_peer_on_the_first_host_is_gone(founded: Federation):
    first, second = founded[OWNER], founded[LATER]
    add = f"fedledger org add-peer --host {second.name}"
    (first.disk / "passphrase").write_text("six random words would do here\n")
    assert f"fedledger org start --host {second.name}" in first.do(add)
    first.do(f"fedledger org backup share.sealed --host {second.name} {SEALED}")
    founded.send(OWNER, "share.sealed", LATER)
    founded.send(OWNER, "passphrase", LATER)
    there = second.disk / "second"
    second.do(f"fedledger org restore share.sealed {SEALED} --run {there}")
    held = {path.relative_to(there / "secrets").parts[:2] for path in there.rglob("key.pem")}
    assert held == {("peers", "peer1")}
    blobs = [folder_of(root, OWNER).blobs for root in (first.run, there)]
    sharing = Sharing(**vars(second), shared=blobs[0], at=blobs[1])
    sharing.do(f"fedledger org start --host {second.name} --run {there}")
    try:
        first_peer_gone(founded, add)
    finally:
        second.do(f"fedledger network down --run {there}")


def first_peer_gone(founded: Federation, add: str) -> None:
    """Let the organisation end what it began, and the others adopt it; then take its first peer away."""
    first = founded[OWNER]
    first.do(add)
    founded.send(OWNER, "peers.update", *MEMBERS, "regulator")
    for name in (*MEMBERS[1:], "regulator"):
        founded[name].do("fedledger network update adopt peers.update")
    founded.stop(OWNER, "node")
    founded.start(OWNER, "fedledger node run --data rows.csv > node.log")
    for process in ("peer", "chaincode"):
        first.do(f"fedledger network stop {process}-{OWNER} --kill")
    founded.wait_for_rounds(2)
    until(lambda: OWNER in founded.survivors(), founded.attempts)
