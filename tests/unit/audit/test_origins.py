"""What the report may tell of a model that began elsewhere."""

from typing import Any

from audit.report.origins import beginning
from audit.verify.verdict import Origin, Verdict

PARENT: dict[str, Any] = {
    "channel": "abroad", "chaincode": "fl", "genesis": "g", "release": "old", "training": "before", "round": 3,
    "steps": 3, "state": "s", "lineage": "l", "passport": "p", "released_ms": 1_000,
    "signed_by": ["XMSP"], "withdrawn_ms": 0,
}  # fmt: skip
STORY = {"plans": [{"plan": "own", "name": "own"}, {"plan": "onward", "name": "onward", "parent": PARENT}]}


def test_a_training_says_from_which_model_it_began_and_what_the_audit_saw_of_it():
    found = beginning(STORY, {"plan": "onward"})
    assert found is not None
    assert (found.channel, found.released, found.withdrawn, found.seen) == ("abroad", "1970-01-01 00:00:01", "", "")
    verdict = Verdict(origins=[Origin("onward", "onward", PARENT, "blocks")])
    again = beginning(STORY, {"plan": "onward"}, verdict)
    assert again is not None
    assert again.seen == "blocks"


def test_a_training_that_the_members_began_says_nothing():
    assert beginning(STORY, {"plan": "own"}) is None
    assert beginning(STORY, {"plan": "gone"}) is None
