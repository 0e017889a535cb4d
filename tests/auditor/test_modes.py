"""Ledgers whose updates a robust rule joins, of groups and of updates that are shown: honest ones, then forged ones."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from audit.evidence.fetch import fetch
from audit.verify.verdict import Rule
from network.connection import profile
from network.folders import held_blobs
from tests.auditor.auditing import audited, without_commit_hashes
from tests.auditor.conftest import open_ledger, running
from tests.auditor.corpus import Ledger
from tests.auditor.forge import copy_chain
from tests.auditor.modes_corpus import KINDS
from tests.scenarios.federation import Federation
from tests.scenarios.rounds import EXAMPLES, Attempt

pytestmark = [pytest.mark.lengthy, pytest.mark.timeout(600)]

MORE = tuple(f"hospital-{letter}" for letter in "efghi")
PLAIN = {"mode": "plain", "plain": {"faulty": 1, "rule": "multi_krum", "bucket": 1}}
GROUPS = {"mode": "robust_groups", "robust_groups": {"size": 3, "faulty": 1, "rule": "trimmed_mean"}}
MODES = [
    pytest.param(((), PLAIN), id="plain"),
    pytest.param((MORE, GROUPS), id="robust_groups"),
]


class Shouted(Attempt):
    """A round in which the last participant sends the largest numbers."""

    def vectors(self) -> dict[str, bytes]:
        """Return every participant's plain update."""
        cohort, layout = self.simulation.session.cohort, self.simulation.session.layout
        values = {name: 65_535 if name == cohort[-1] else 100 + place for place, name in enumerate(cohort)}
        return {name: bytes(layout.pack({"v": [v] * 1000, "n": [EXAMPLES], "one": [1]})) for name, v in values.items()}


@pytest.fixture(scope="module", params=MODES)
def joined(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """A federation that voted for a mode, and a round in it."""
    more, parameters = request.param
    with running(pytestconfig, tmp_path_factory.mktemp("modes"), *more) as run:
        asyncio.run(_live(run, parameters))
        asyncio.run(fetch(profile(run, "regulator", "client"), run.parent / "blocks"))
        yield open_ledger(run, run.parent / "blocks")


async def _live(run: Path, parameters: dict[str, Any]) -> None:
    async with Federation.connect(run) as federation:
        await federation.found()
        for member in federation.members:
            await federation.admit(member)
        await federation.agree("set_rules_version", version=2)
        await federation.agree("set_parameters", parameters=parameters)
        await federation.start("tumour", 1, len(federation.members))
        attempt = await Shouted.open(federation, "tumour")
        await attempt.keys_and_shares()
        await attempt.updates()
        await attempt.unmask()
        await attempt.finish()
        assert (await attempt.view())["proposal"]["outlying"]


def test_an_honest_ledger_passes_with_the_rules_result_made_again(joined: Ledger, tmp_path: Path) -> None:
    verdict = audited(joined, joined.chain, [held_blobs(joined.run)], tmp_path)
    assert verdict.failures == []
    assert verdict.held[Rule.AGGREGATE.value] == 1


@pytest.mark.parametrize("name", KINDS)
def test_tampering_is_found(joined: Ledger, name: str, tmp_path: Path) -> None:
    chain = copy_chain(joined.chain)
    without_commit_hashes(chain)
    rule, block_number = KINDS[name](joined, chain)
    first = audited(joined, chain, [held_blobs(joined.run)], tmp_path).failures[0]
    assert (rule.value, block_number) == (first.code, first.block), first.text
