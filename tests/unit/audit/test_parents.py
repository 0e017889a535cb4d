"""A model that a plan began from is followed into the blocks of the channel that released it."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2

from audit.evidence.fetch import store_block
from audit.fabric.wire import header_hash
from audit.verify.parents import Abroad, check_parents
from audit.verify.verdict import Rule, Unchecked, Verdict
from fl_node.canonical import canonical_json
from tests.unit.passport.consortium import Consortium, digest

CONSORTIUM = Consortium()
STATEMENT = CONSORTIUM.statement
PASSPORT = sha256(canonical_json(STATEMENT)).hexdigest()


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    folder = tmp_path / "blocks"
    folder.mkdir()
    store_block(folder, first())
    return folder


def first() -> common_pb2.Block:
    return common_pb2.Block(header=common_pb2.BlockHeader(number=0, data_hash=b"x"))


def plan() -> dict[str, Any]:
    parent = {
        "channel": "fedchannel", "chaincode": "fedledger", "genesis": header_hash(first().header).hex(),
        "passport": PASSPORT, "release": "tumour-1", "state": digest("state 3"), "withdrawn_ms": 0,
    }  # fmt: skip
    return {"plan": digest("plan"), "name": "onward", "initial_state": digest("state 3"), "parent": parent}


def abroad(**changes: Any) -> Abroad:
    release = {"statement": STATEMENT, "withdrawal": None}
    return Abroad(**({"verdict": Verdict(), "release": release, "final": True} | changes))


def checked(given: list[Path], found: Abroad, one: dict[str, Any] | None = None) -> Verdict:
    verdict = Verdict()
    check_parents(verdict, [one or plan(), {"plan": digest("own"), "name": "own"}], given, lambda _a, _b: found)
    return verdict


def failed() -> Verdict:
    verdict = Verdict()
    verdict.failed_rule(Rule.DATA_HASH, "a block is another")
    return verdict


def test_a_model_that_its_channels_blocks_hold_is_followed(blocks: Path):
    other = Verdict()
    other.leave(Unchecked.LATER_BLOCKS)
    verdict = checked([blocks], abroad(verdict=other))
    assert (verdict.failures, verdict.held) == ([], {Rule.PARENT: 1})
    assert [(origin.name, origin.seen) for origin in verdict.origins] == [("onward", "blocks")]
    assert verdict.unchecked[0].text.startswith("of fedchannel: whether later blocks exist")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (abroad(verdict=failed()), "the audit of fedchannel does not hold: a block is another"),
        (abroad(release=None), "released no tumour-1"),
        (abroad(release={"statement": STATEMENT | {"predicate": {}}, "withdrawal": None}), "released another model"),
        (abroad(final=False), "became Final elsewhere"),
    ],
    ids=["breach", "no release", "another", "no final"],
)
def test_a_model_that_its_channels_blocks_do_not_hold_fails_the_audit(blocks: Path, found: Abroad, text: str):
    verdict = checked([blocks], found)
    assert [one.code for one in verdict.failures] == [Rule.PARENT]
    assert text in verdict.failures[0].text


def test_a_plan_that_begins_from_another_state_fails_the_audit(blocks: Path):
    verdict = checked([blocks], abroad(), plan() | {"initial_state": digest("another")})
    assert "not that of the model" in verdict.failures[0].text


@pytest.mark.parametrize("which", ["nothing", "another channel", "the passport"])
def test_without_the_other_channels_blocks_its_history_is_unchecked(blocks: Path, tmp_path: Path, which: str):
    passport = tmp_path / "passport.json"
    passport.write_bytes(CONSORTIUM.signed())
    one = plan()
    if which == "another channel":
        one["parent"]["genesis"] = digest("another")
    given = {"nothing": [], "another channel": [blocks], "the passport": [passport]}[which]
    verdict = checked(given, abroad(), one)
    assert [finding.reason for finding in verdict.unchecked] == [Unchecked.PARENT]
    assert verdict.origins[0].seen == ("passport" if which == "the passport" else "")
    assert verdict.failures == []


@pytest.mark.parametrize("brought", [True, False])
def test_a_withdrawn_parent_is_warned_of_once(blocks: Path, brought: bool):
    one = plan()
    one["parent"]["withdrawn_ms"] = 5 if brought else 0
    taken = abroad(release={"statement": STATEMENT, "withdrawal": {"predicate": {"reason": ""}}})
    verdict = checked([blocks], taken, one)
    assert len(verdict.warnings) == 1
    assert verdict.ok
