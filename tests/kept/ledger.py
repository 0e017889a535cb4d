"""What a kept ledger is made of, and how it is audited."""

import gzip
import json
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from audit.evidence.blobs import gather
from audit.evidence.fetch import read_blocks
from audit.fabric.state import State
from audit.report.bundle import check_whole, unpack
from audit.verify.replay import ComparedState, Replayer
from audit.verify.run import complete, rules_program
from audit.verify.verdict import Verdict
from audit.verify.verify import Auditor

CHAINCODE = "fedledger"
LEDGER, TRANSACTIONS, STATE = "ledger.zip", "transactions.jsonl.gz", "state.sha256"


class Recording(Replayer):
    """Runs the rules and keeps every line that asks them for a transaction."""

    def __init__(self, binary: Path, blobs: Path | None) -> None:
        self.lines: list[str] = []
        super().__init__(binary, ComparedState.nothing(), blobs)

    def _send(self, message: dict[str, Any]) -> None:
        if "txid" in message:
            self.lines.append(json.dumps(message, sort_keys=True, separators=(",", ":")))
        super()._send(message)


@dataclass(frozen=True)
class Audited:
    """What an audit of a kept ledger found.

    Attributes:
        verdict: Its verdict.
        lines: What the rules were asked, in the format of `chaincode/cmd/replay`.
        state: `state_hash` of what they left.
    """

    verdict: Verdict
    lines: list[str]
    state: str


def state_hash(state: State) -> str:
    """Return SHA-256 over all keys in order: the lengths of key and value as big-endian u64, each before its bytes."""
    digest = sha256()
    for key, value in state.entries(CHAINCODE):
        for part in (key.encode(), value):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def audit(bundle: Path) -> Audited:
    """Audit a bundle from its first block, with the rules, pinned to the genesis block that it came with."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "unpacked"
        folder.mkdir()
        manifest = unpack(bundle, folder)
        state = State(":memory:")
        blobs = gather([folder / "blobs"], Path(scratch) / "blobs")
        with Recording(rules_program(), blobs) as rules:
            auditor = Auditor(state, chaincode=CHAINCODE, pinned=manifest["genesis_hash"], replayer=rules)
            for block in read_blocks(folder):
                auditor.feed(block)
            verdict = complete(auditor, state, rules)
        check_whole(verdict, manifest)
        return Audited(verdict, rules.lines, state_hash(state))


def keep(out: Path) -> Audited:
    """Audit the bundle in a folder and lay down what the tests need beside it."""
    found = audit(out / LEDGER)
    raw = "".join(f"{line}\n" for line in found.lines).encode()
    out.joinpath(TRANSACTIONS).write_bytes(gzip.compress(raw, compresslevel=9, mtime=0))
    out.joinpath(STATE).write_text(f"{found.state}\n")
    return found


def kept_lines(folder: Path) -> list[str]:
    """Return the lines of a kept ledger's transactions."""
    return gzip.decompress(folder.joinpath(TRANSACTIONS).read_bytes()).decode().splitlines()
