"""A federation's story as replay told it: votes, a dropout, a refuted aggregate, a roll back, a void round."""

import json
from pathlib import Path
from typing import Any

import pytest

from audit.report.report import render
from audit.verify.verdict import Rule, Verdict


def read_story() -> dict[str, Any]:
    return dict(json.loads((Path(__file__).parent / "story.json").read_text()))


@pytest.fixture
def story() -> dict[str, Any]:
    return read_story()


@pytest.fixture(scope="module")
def page() -> str:
    """The report of an honest ledger, drawn once."""
    verdict = Verdict(channel="fedchannel", height=9, transactions=12, genesis_hash="ab" * 32, last_hash="cd" * 32)
    verdict.held_rule(Rule.ORDER, 9)
    return render(read_story(), verdict)
