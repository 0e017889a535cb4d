"""The audit, from the regulator's blocks alone, agrees with all that the other cases left on the ledger."""

from pathlib import Path

from tests.contract.harness.audit import audit
from tests.contract.harness.ledger import Ledger


def test_hashes_signatures_policies_and_codes_of_every_block_hold(ledger: Ledger, tmp_path: Path):
    blocks = str(tmp_path / "blocks")
    assert audit(ledger, "fetch", "--out", blocks)[0] == 0
    # No chaincode of this channel is the federation's: private data and keys' policies are held against nobody.
    code, verdict = audit(ledger, "verify", "--blocks", blocks, "--no-replay", "--chaincode", "rules")
    assert (code, verdict["ok"], verdict["failures"]) == (5, True, [])
    assert "rules-not-run" in {finding["reason"] for finding in verdict["unchecked"]}
    held = {rule["code"]: rule["times"] for rule in verdict["held"]}
    # Every transaction's validation code was recomputed, those of changes of the configuration too.
    assert held["FL5030"] == verdict["transactions"]
