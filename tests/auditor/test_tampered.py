"""Every kind of tampering is found, with the right reason and at the right place; honest ledgers pass."""

import pytest

from audit.state import State
from audit.verdict import Verdict
from audit.verify import Auditor
from audit.wire import header_hash
from tests.auditor import config_corpus
from tests.auditor.corpus import KINDS, Ledger
from tests.auditor.forge import Chain, copy_chain


def audited(ledger: Ledger, chain: Chain) -> Verdict:
    auditor = Auditor(State(":memory:"), pinned=header_hash(ledger.chain[0].header).hex())
    for block in chain:
        if auditor.broken:
            break
        auditor.feed(block)
    return auditor.verdict()


def test_an_honest_ledger_passes(honest: Ledger) -> None:
    verdict = audited(honest, honest.chain)
    assert verdict.failures == []
    assert verdict.warnings == []
    assert verdict.height == len(honest.chain)


def test_the_honest_ledger_holds_what_the_auditor_must_understand(honest: Ledger) -> None:
    """Otherwise the test above could pass for want of conflicts, ranges and configuration changes."""
    held = audited(honest, honest.chain).held
    assert held["FL5020"] == 1
    assert held["FL5030"] > 150


def test_the_corpus_is_whole() -> None:
    assert config_corpus.KINDS is KINDS
    assert len(KINDS) >= 34


@pytest.mark.parametrize("name", KINDS)
def test_tampering_is_found(honest: Ledger, name: str) -> None:
    chain = copy_chain(honest.chain)
    rule, block = KINDS[name](honest, chain)
    verdict = audited(honest, chain)
    assert not verdict.ok
    assert (rule.value, block) == (verdict.failures[0].code, verdict.failures[0].block)
