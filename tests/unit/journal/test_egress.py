"""The log of what leaves: whole lines, whatever happens to the file."""

import hashlib
import json
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.errors import NodeError
from fl_node.journal.egress import EgressLog
from fl_node.ledger.client import Ledger


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(("organisations", "noted"), [(("BMSP",), ["BMSP"]), (("AMSP",), []), ((), [])])
async def test_what_other_organisations_peers_are_asked_is_noted(
    tmp_path: Path, organisations: tuple[str, ...], noted: list[str]
):
    async def evaluate(*_: object, **__: object) -> bytes:
        return b"{}"

    contract = SimpleNamespace(evaluate=evaluate)
    gateway = SimpleNamespace(network=lambda _: SimpleNamespace(contract=lambda _: contract))
    profile = SimpleNamespace(channel="c", chaincode="fedledger", msp_id="AMSP")
    path = tmp_path / "egress.jsonl"
    ledger = Ledger(cast("Any", gateway), cast("Any", profile), EgressLog(path), answering=("AMSP",))
    await ledger.query("GetRound", organisations=organisations, training="t")
    asked = hashlib.sha256(b'{"training":"t"}').hexdigest()
    found = lines(path) if path.exists() else []
    assert [(e["kind"], e["to"], e["function"], e["digest"]) for e in found] == [
        ("query", msp, "GetRound", asked) for msp in noted
    ]


def test_a_log_that_was_moved_away_is_begun_anew(tmp_path: Path):
    path = tmp_path / "egress.jsonl"
    log = EgressLog(path)
    log.transaction("Attest", b"one")
    path.rename(tmp_path / "egress.1")
    log.transaction("Attest", b"three")
    assert ([e["bytes"] for e in lines(tmp_path / "egress.1")], [e["bytes"] for e in lines(path)]) == ([3], [5])
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_full_disk_leaves_no_half_line(tmp_path: Path):
    path = tmp_path / "egress.jsonl"
    sent: list[float] = []
    log = EgressLog(path, sent.append)
    log.transaction("Attest", b"x")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limits[1]))
    try:
        with pytest.raises(NodeError) as caught:
            log.transaction("Attest", b"y")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.transaction("Attest", b"zz")
    assert (caught.value.code, [e["bytes"] for e in lines(path)], sent) == ("FL4007", [1, 2], [1, 2])
