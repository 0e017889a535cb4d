"""Passports that the contract judges too (chaincode/consortia): the same ones hold, for the same reasons."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedledger_passport import PassportError, Trust, verify
from fl_node.release.recognising import recognition
from tests.unit.passport.test_forged import CORPUS
from tests.unit.passport.trusted import written
from tests.vectors.passport_cases import PATH, UNWRITTEN, unfolded

VECTORS = json.loads(PATH.read_bytes())
NOW = datetime.fromtimestamp(VECTORS["now_ms"] / 1000, UTC)


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust.load(written(VECTORS["trust"], tmp_path / "trust"))


@pytest.mark.parametrize("case", VECTORS["passports"], ids=lambda case: str(case["name"]))
def test_each_is_judged_as_the_contract_judges_it(trust: Trust, case: dict[str, str]):
    try:
        verify(unfolded(case["text"], VECTORS["shared"]), trust, now=NOW)
        code = ""
    except PassportError as error:
        code = error.code
    assert code == case["code"]


def test_every_forgery_of_the_corpus_is_among_them():
    found = {case["name"]: case["code"] for case in VECTORS["passports"] if case["code"]}
    assert found == {name: code for name, (code, _) in CORPUS.items() if name not in UNWRITTEN}


def test_a_withdrawal_counts_with_a_majority_alone(trust: Trust):
    right = unfolded(VECTORS["passports"][0]["text"], VECTORS["shared"])
    for name, code in (("of the right one", "FL6013"), ("of two", "FL6009")):
        with pytest.raises(PassportError, match=code):
            verify(right, trust, withdrawals=[unfolded(VECTORS["withdrawals"][name], VECTORS["shared"])], now=NOW)


def test_what_is_voted_on_is_the_folder_again(trust: Trust):
    assert recognition(trust, "hospitals") == VECTORS["trust"]
