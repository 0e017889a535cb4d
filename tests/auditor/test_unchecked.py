"""What an audit leaves unchecked hides nothing: beside every unchecked outcome, a foreign write is found."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from audit.verify.execute import COUNTED, LEFT_OPEN
from audit.verify.verdict import REASONS, Unchecked, Verdict
from network.folders import held_blobs
from tests.auditor.auditing import audited, without_commit_hashes
from tests.auditor.corpus import Ledger
from tests.auditor.forge import Chain, copy_chain
from tests.auditor.unchecked_corpus import CASES, Case, hide

RECORDER = Path(__file__).resolve().parents[2] / "chaincode" / "cmd" / "replay" / "recorder.go"


def look(ledger: Ledger, chain: Chain, case: Case, scratch: Path) -> Verdict:
    blobs = [held_blobs(ledger.run)] if case.blobs else []
    if case.beside:
        name = sha256(case.beside).hexdigest()
        blob = scratch / "beside" / name[:2] / name
        blob.parent.mkdir(parents=True)
        blob.write_bytes(case.beside)
        blobs.append(scratch / "beside")
    verdict = audited(ledger, chain, blobs, scratch, pin=case.pin, rules=case.rules)
    case.ask(verdict)
    return verdict


@pytest.mark.parametrize("reason", Unchecked)
def test_a_foreign_write_beside_what_is_left_unchecked_is_found(
    federation_ledger: Ledger, reason: Unchecked, tmp_path: Path
) -> None:
    chain, case = copy_chain(federation_ledger.chain), CASES[reason]
    without_commit_hashes(chain)
    block = hide(federation_ledger, chain, case)
    verdict = look(federation_ledger, chain, case, tmp_path)
    assert reason in [finding.reason for finding in verdict.unchecked]
    assert (verdict.word, verdict.failures[0].code, verdict.failures[0].block) == ("FAILED", case.rule, block)


@pytest.mark.parametrize("reason", [reason for reason, case in CASES.items() if case.lead is None])
def test_an_honest_ledger_that_leaves_something_unchecked_fails_no_rule(
    federation_ledger: Ledger, reason: Unchecked, tmp_path: Path
) -> None:
    chain = copy_chain(federation_ledger.chain)
    without_commit_hashes(chain)
    verdict = look(federation_ledger, chain, CASES[reason], tmp_path)
    assert reason in [finding.reason for finding in verdict.unchecked]
    assert (verdict.failures, verdict.word == "OK") == ([], False)


def test_every_way_to_leave_something_unchecked_has_its_reason_and_its_case() -> None:
    assert set(Unchecked) == set(REASONS) == set(CASES)


def test_every_check_that_replay_may_leave_open_is_known_to_the_audit() -> None:
    names = re.findall(r'^\tcheck\w+ += "(\w+)"', RECORDER.read_text(), re.MULTILINE)
    assert set(names) == LEFT_OPEN.keys() | COUNTED.keys()


def test_without_the_rules_a_balance_that_a_majority_forged_is_not_called_ok(
    federation_ledger: Ledger, tmp_path: Path
) -> None:
    chain = copy_chain(federation_ledger.chain)
    without_commit_hashes(chain)
    hide(federation_ledger, chain, Case())
    verdict = audited(federation_ledger, chain, [], tmp_path, rules=False)
    assert (verdict.failures, verdict.decided) == ([], False)
    assert verdict.word == "INCOMPLETE, the rules were not run"
