"""A federation's ledger: its rules run again, its sums made again, its models followed from the first state."""

import shutil
from pathlib import Path

import pytest

from audit.verify.verdict import Rule
from network.folders import held_blobs
from tests.auditor.auditing import audited, without_commit_hashes
from tests.auditor.corpus import Ledger
from tests.auditor.federation_corpus import KINDS
from tests.auditor.forge import copy_chain


def test_an_honest_federation_passes_with_every_sum_made_again(federation_ledger: Ledger, tmp_path: Path) -> None:
    verdict = audited(federation_ledger, federation_ledger.chain, [held_blobs(federation_ledger.run)], tmp_path)
    assert verdict.failures == []
    assert verdict.warnings == []
    assert [finding.code for finding in verdict.unchecked] == [Rule.HEIGHT.value]
    assert (verdict.held[Rule.AGGREGATE.value], verdict.held[Rule.LINEAGE.value]) == (1, 1)
    assert Rule.GENESIS.value in verdict.held


def test_sums_without_their_updates_are_named_as_not_recomputed(federation_ledger: Ledger, tmp_path: Path) -> None:
    verdict = audited(federation_ledger, federation_ledger.chain, [], tmp_path)
    assert verdict.ok
    assert Rule.AGGREGATE.value not in verdict.held
    texts = [finding.text for finding in verdict.unchecked if finding.code == Rule.AGGREGATE.value]
    assert texts == [
        "the refusal of a sum of tumour/1/1 was not made again: its masked updates are not at hand",
        "the sum of tumour/1/1 was not recomputed: its masked updates are not at hand",
        "the fault that tumour/2/1 ended with was not proven again: its masked updates are not at hand",
        "8 masked updates were not at hand when committed to",
        "8 bundles of sealed shares were not at hand when committed to",
    ]


def test_an_altered_copy_of_an_update_is_passed_over_for_a_whole_one(federation_ledger: Ledger, tmp_path: Path) -> None:
    folder = shutil.copytree(held_blobs(federation_ledger.run), tmp_path / "held")
    for path in (folder / "hospital-a" / "blobs").glob("*/*"):
        path.write_bytes(b"altered")
    verdict = audited(federation_ledger, federation_ledger.chain, [folder], tmp_path)
    assert (verdict.failures, verdict.held[Rule.AGGREGATE.value]) == ([], 1)
    alone = audited(federation_ledger, federation_ledger.chain, [folder / "hospital-a" / "blobs"], tmp_path / "alone")
    assert alone.failures == []
    assert Rule.AGGREGATE.value not in alone.held


@pytest.mark.parametrize("name", KINDS)
def test_tampering_is_found(federation_ledger: Ledger, name: str, tmp_path: Path) -> None:
    chain = copy_chain(federation_ledger.chain)
    without_commit_hashes(chain)
    rule, block_number = KINDS[name](federation_ledger, chain)
    verdict = audited(federation_ledger, chain, [held_blobs(federation_ledger.run)], tmp_path)
    first = verdict.failures[0]
    assert (rule.value, block_number) == (first.code, first.block), first.text
