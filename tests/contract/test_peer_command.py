"""Fabric's own `peer chaincode` works on the network, where this machine has it."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from network.folders import folder_of, public_parts
from tests.contract.harness.ledger import Ledger, fabric_program

CALL_S = 60
Command = Callable[..., subprocess.CompletedProcess[str]]

CORE = """\
peer:
  localMspId: {msp_id}
  mspConfigPath: {msp}
  address: {address}
  tls: {{enabled: true, rootcert: {{file: {root}}}}}
  client: {{connTimeout: 10s}}
  BCCSP: {{Default: SW, SW: {{Hash: SHA2, Security: 256}}}}
"""


@pytest.fixture
def peer(ledger: Ledger, tmp_path: Path) -> Command:
    program = fabric_program("peer")
    if program is None:
        pytest.skip("no Fabric binaries in FABRIC_BIN or PATH")

    def run(*arguments: str, organisation: str = "hospital-a") -> subprocess.CompletedProcess[str]:
        who = ledger.consortium.organisation(organisation)
        core = CORE.format(
            msp_id=who.msp_id,
            msp=folder_of(ledger.run, organisation).user("client") / "msp",
            address=who.peer.address,
            root=public_parts(ledger.run, organisation).tls_root,
        )
        (tmp_path / "core.yaml").write_text(core)
        environment = {"PATH": os.environ["PATH"], "FABRIC_CFG_PATH": str(tmp_path), "FABRIC_LOGGING_SPEC": "error"}
        name = ("-C", ledger.consortium.channel, "-n", ledger.consortium.chaincode.name)
        command = [program, "chaincode", arguments[0], *name, *arguments[1:]]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=CALL_S, check=False)

    return run


def call(function: str, *arguments: str) -> tuple[str, str]:
    return "-c", json.dumps({"Args": [function, *arguments]})


def invoke(ledger: Ledger, peer: Command, *arguments: str) -> subprocess.CompletedProcess[str]:
    ordering, orderer = ledger.consortium.orderers[0]
    options = ["-o", orderer.address, "--tls", "--cafile", str(public_parts(ledger.run, ordering.name).tls_root)]
    for member in ledger.consortium.members[: ledger.threshold]:
        options += ["--peerAddresses", member.peer.address]
        options += ["--tlsRootCertFiles", str(public_parts(ledger.run, member.name).tls_root)]
    return peer("invoke", *options, "--waitForEvent", *call(*arguments))


def test_peer_chaincode_invoke_commits_and_query_reads(ledger: Ledger, peer: Command, key: str):
    invoked = invoke(ledger, peer, "Put", key, "from the command")
    assert invoked.returncode == 0, invoked.stderr
    queried = peer("query", *call("Get", key))
    assert queried.stdout == "from the command\n", queried.stderr


def test_peer_chaincode_query_shows_a_contracts_refusal(peer: Command):
    queried = peer("query", *call("Fail", "FL0203", "round 7 is closed"))
    assert queried.returncode != 0
    assert "FL0203: round 7 is closed" in queried.stderr


def test_peer_chaincode_query_works_at_every_member(ledger: Ledger, peer: Command):
    answers = [peer("query", *call("ProcessMSP"), organisation=member).stdout.strip() for member in ledger.members]
    assert answers == ledger.msp_ids
