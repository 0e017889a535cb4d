"""What the contract composes is what the small package reads: a release that Go made, checked in Python."""

import json
from pathlib import Path
from typing import Any

import pytest

from fedledger_passport import PassportError
from fedledger_passport.contents import PASSPORT, WITHDRAWAL, check_contents, check_type, subjects
from fedledger_passport.envelope import Envelope
from fl_node.release.releasing import RELEASE, WITHDRAWN, envelope_of

VECTOR = Path(__file__).resolve().parents[2] / "vectors" / "release.json"


@pytest.fixture
def view() -> dict[str, Any]:
    return dict(json.loads(VECTOR.read_bytes())["view"])


def test_the_contracts_statement_has_the_fields_of_the_schema_and_fits_together(view: dict[str, Any]):
    statement = Envelope.read(envelope_of(view, RELEASE).write()).statement
    check_type(statement, PASSPORT)
    check_contents(statement)
    assert subjects(statement)["state"] == view["state"]
    assert len(statement["predicate"]["lineage"]["steps"]) == 2


def test_signatures_that_the_contract_took_hold_here(view: dict[str, Any]):
    envelope = Envelope.read(envelope_of(view, RELEASE).write())
    assert len(envelope.signatures) == 3
    for at, one in enumerate(envelope.signatures):
        one.check(envelope.payload, str(at))
    with pytest.raises(PassportError, match="FL6007"):
        envelope.signatures[0].check(envelope.payload + b" ", "0")


def test_a_release_that_no_majority_signed_is_not_put_together(view: dict[str, Any]):
    view["signatures"] = dict(list(view["signatures"].items())[:2])
    with pytest.raises(PassportError, match=r"FL6009.*2 of 4"):
        envelope_of(view, RELEASE)


def test_the_contracts_withdrawal_names_the_passport_by_its_digest(view: dict[str, Any]):
    envelope = envelope_of(view, WITHDRAWN)
    check_type(envelope.statement, WITHDRAWAL)
    assert subjects(envelope.statement) == {"passport": envelope_of(view, RELEASE).digest}
    envelope.signatures[0].check(envelope.payload, "0")
