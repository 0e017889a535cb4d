import re
from pathlib import Path

from network.errors import FedledgerError

PROJECT = Path(__file__).resolve().parents[3]


def test_every_code_is_explained_and_every_explained_code_exists():
    sources = [*(PROJECT / "network").glob("*.py"), *(PROJECT / "network" / "fabric").glob("*.py")]
    raised = {code for path in sources for code in re.findall(r'"(FL1\d{3})"', path.read_text())}
    explained = set(
        re.findall(r"^\| (FL1\d{3}) \|", (PROJECT / "docs" / "network-errors.md").read_text(), re.MULTILINE)
    )
    assert raised == explained


def test_an_error_reads_as_a_sentence_with_place_and_advice():
    error = FedledgerError("FL1999", "the disk is full", where="/data", hint="Free some space.")
    assert str(error) == "FL1999: the disk is full (/data). Free some space."
    assert str(FedledgerError("FL1999", "the disk is full")) == "FL1999: the disk is full."
    assert error.as_json() == {
        "code": "FL1999",
        "message": "the disk is full",
        "where": "/data",
        "hint": "Free some space.",
    }
