"""Every kind of tampering is found, with the right reason and at the right place; honest ledgers pass."""

import random
from pathlib import Path

import pytest

from audit.fabric.state import State
from audit.fabric.transactions import check_transaction
from audit.fabric.wire import header_hash
from audit.verify.verdict import Rule, Verdict
from audit.verify.verify import VALID, Auditor
from tests.auditor import config_corpus, wire_corpus
from tests.auditor.corpus import KINDS, Ledger, endorsed_by_old_peer, middle, written
from tests.auditor.forge import Chain, copy_chain, flip


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
    assert held["FL5020"] == 2
    assert held["FL5030"] > 150
    assert held["FL5060"] > 100


def test_an_audit_in_parts_ends_like_one_without_a_break(honest: Ledger, tmp_path: Path) -> None:
    whole = audited(honest, honest.chain).as_json()
    pinned = header_hash(honest.chain[0].header).hex()
    third = len(honest.chain) // 3
    for start in (0, third, 2 * third):
        state = State(tmp_path / "state")
        auditor = Auditor(state, pinned=pinned)
        assert auditor.height == start
        for block in honest.chain[start : start + third] if start < 2 * third else honest.chain[start:]:
            auditor.feed(block)
        parts = auditor.verdict().as_json()
        auditor.save()
        state.close()
    assert parts == whole


def test_an_audit_that_stopped_goes_on_when_the_right_block_comes(honest: Ledger, tmp_path: Path) -> None:
    chain = copy_chain(honest.chain)
    chain[5].header.data_hash = flip(chain[5].header.data_hash)
    state = State(tmp_path / "state")
    stopped = Auditor(state)
    for block in chain[:6]:
        stopped.feed(block)
    assert (stopped.broken, stopped.verdict().failures[0].code) == (True, Rule.DATA_HASH.value)
    stopped.save()
    state.close()
    again = State(tmp_path / "state")
    auditor = Auditor(again)
    for block in honest.chain[5:]:
        auditor.feed(block)
    assert auditor.verdict().failures == []
    assert auditor.verdict().held == audited_without_pin(honest).held
    again.close()


def audited_without_pin(ledger: Ledger) -> Verdict:
    auditor = Auditor(State(":memory:"))
    for block in ledger.chain:
        auditor.feed(block)
    return auditor.verdict()


def test_no_altered_byte_makes_a_valid_transaction_or_breaks_the_auditor(honest: Ledger) -> None:
    """Random bits of random transactions, everything sealed again: none stays valid, none raises."""
    state, chosen = State(":memory:"), random.Random(8)
    auditor = Auditor(state)
    place = middle(honest, honest.chain)
    for block in honest.chain[: place[0]]:
        auditor.feed(block)
    config = auditor.config
    raw = honest.chain[place[0]].data.data[place[1]]
    assert check_transaction(state, config, 0, raw).code == VALID
    for _ in range(400):
        altered = flip(raw, bit=chosen.randrange(8), at=chosen.randrange(len(raw)))
        assert check_transaction(state, config, 0, altered).code != VALID
    for length in range(0, len(raw), 97):
        assert check_transaction(state, config, 0, raw[:length]).code != VALID


def test_an_endorsement_before_its_revocation_counts(honest: Ledger) -> None:
    chain = copy_chain(honest.chain)
    endorsed_by_old_peer(honest, chain, next(written(honest, chain)))
    assert audited(honest, chain).failures == []


def test_the_corpus_is_whole() -> None:
    assert config_corpus.KINDS is wire_corpus.KINDS is KINDS
    assert len(KINDS) >= 48


@pytest.mark.parametrize("name", KINDS)
def test_tampering_is_found(honest: Ledger, name: str) -> None:
    chain = copy_chain(honest.chain)
    rule, block = KINDS[name](honest, chain)
    verdict = audited(honest, chain)
    assert not verdict.ok
    assert (rule.value, block) == (verdict.failures[0].code, verdict.failures[0].block)
