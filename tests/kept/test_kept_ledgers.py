"""What earlier versions of the rules left behind is audited as it always was."""

import base64
import json
from pathlib import Path

import pytest

from audit.verify.verdict import Rule
from tests.kept.ledger import LEDGER, STATE, audit, kept_lines

VERSIONS = sorted(path for path in Path(__file__).parent.glob("v*") if path.is_dir())


def test_the_ledger_of_version_1_is_kept():
    assert "v1" in [path.name for path in VERSIONS]


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda path: path.name)
def test_a_kept_ledger_is_ok_with_every_sum_made_again_and_leaves_the_same_state(folder: Path):
    found = audit(folder / LEDGER)
    assert found.verdict.failures == []
    assert found.verdict.ok
    assert found.verdict.held[Rule.AGGREGATE.value] >= 4
    assert found.state == (folder / STATE).read_text().strip()
    assert found.lines == kept_lines(folder)


def test_version_1_is_kept_with_all_that_its_rules_know():
    functions = {base64.b64decode(json.loads(line)["args"][0]).decode() for line in kept_lines(VERSIONS[0])}
    assert functions >= {
        *(
            "Found",
            "CommitBeacon",
            "RevealBeacon",
            "Propose",
            "Vote",
            "Apply",
            "Stake",
            "Unstake",
            "Transfer",
            "Settle",
        ),
        *("OpenRound", "PublishKeys", "CommitShares", "CommitUpdate", "RevealShares", "Advance", "ProposeAggregate"),
        *("Attest", "ReportFault"),
    }
