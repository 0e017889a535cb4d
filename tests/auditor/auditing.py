"""Audits of a chain in memory, as the tests of forgeries need them."""

from pathlib import Path

from audit.evidence.blobs import gather
from audit.fabric.state import State
from audit.fabric.wire import COMMIT_HASH, header_hash
from audit.verify.replay import ComparedState, Replayer
from audit.verify.run import complete, rules_program
from audit.verify.verdict import Verdict
from audit.verify.verify import Auditor
from tests.auditor.corpus import Ledger
from tests.auditor.forge import Chain


def audited(
    ledger: Ledger, chain: Chain, blobs: list[Path], scratch: Path, *, pin: bool = True, rules: bool = True
) -> Verdict:
    """Audit a chain from its first block, with or without a pinned genesis and the rules."""
    state = State(":memory:")
    pinned = header_hash(ledger.chain[0].header).hex() if pin else None
    if not rules:
        return _feed(Auditor(state, chaincode=ledger.chaincode, pinned=pinned), chain, state, None)
    blobs_folder = gather(blobs, scratch / "blobs")
    with Replayer(rules_program(), ComparedState.nothing(), blobs_folder) as replayer:
        auditor = Auditor(state, chaincode=ledger.chaincode, pinned=pinned, replayer=replayer)
        return _feed(auditor, chain, state, replayer)


def _feed(auditor: Auditor, chain: Chain, state: State, replayer: Replayer | None) -> Verdict:
    for block in chain:
        auditor.feed(block)
    return complete(auditor, state, replayer)


def without_commit_hashes(chain: Chain) -> None:
    """Take away what would give a forger away who is not the auditor's own peer too."""
    for block in chain:
        block.metadata.metadata[COMMIT_HASH] = b""
