"""After everything that the tests before have done to it: the ledger's history holds, and nobody said too much."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.cli import audit
from audit.verify.verdict import Rule
from fl_node.demo import regulator
from fl_node.demo.federation import opened
from tests.faults.stage import Nodes, ended, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


async def test_no_participant_is_laid_open_in_any_attempt(run: Path, nodes: Nodes):
    """Seed and mask key of one participant together would unmask its update."""
    seen = 0
    async with opened(run) as federation:
        ledger = federation.first
        await start(federation, "verdict", 1)
        await ended(ledger, "verdict", 1)
        for training in await ledger.trainings():
            for record in await ledger.everything("ListRounds", training=training.training):
                view = await ledger.round(training.training, record["round"], record["attempt"])
                assert view
                kinds: dict[str, set[str]] = {}
                for shares in (await ledger.reveals(view)).values():
                    for dealer, share in shares.items():
                        kinds.setdefault(dealer, set()).add(share.kind)
                assert all(len(found) == 1 for found in kinds.values()), view.name
                assert {dealer for dealer, found in kinds.items() if "seed" in found} <= set(view.survivors)
                assert {dealer for dealer, found in kinds.items() if "mask" in found}.isdisjoint(view.survivors)
                seen += bool(kinds)
    assert seen


async def test_replay_agrees_with_what_was_committed(run: Path, nodes: Nodes):
    verdict = await regulator.audit(run)
    assert verdict.get("ok") is True, verdict.get("failures") or verdict.get("error")


def test_without_blobs_the_same_ledger_leaves_sums_open_and_breaks_nothing(run: Path, tmp_path: Path):
    words = ["verify", "--blocks", str(run / "audit"), "--state", str(tmp_path / "state.sqlite"), "--json"]
    result = CliRunner().invoke(audit, words)
    verdict = json.loads(result.stdout)
    assert (result.exit_code, verdict["failures"]) == (0, [])
    left = {finding["code"] for finding in verdict["unchecked"]}
    assert left == {Rule.GENESIS.value, Rule.AGGREGATE.value, Rule.HEIGHT.value}
