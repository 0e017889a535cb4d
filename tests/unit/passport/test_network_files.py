"""Files that the network's source gives: named by a release, and made again before anybody signs or writes them."""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest

from audit.verify.verdict import BEYOND
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.metrics import Health
from fl_node.plan.container import Plan, read_plan
from fl_node.release.evidence import NETWORK, all_files, check_statement
from fl_node.release.network_files import Network, forms_in
from fl_node.release.releasing import release_body
from fl_node.release.standing import Standing
from tests.unit.passport.test_signing import PLAN, STATE_BLOB, Peer, ledger, peer, read, statement

__all__ = ["ledger", "peer", "statement"]
MADE = {"network.py": b"def network(): ...", "model.onnx": b"a graph", "saved_model/saved_model.pb": b"functions"}


@dataclass(frozen=True)
class Made(Network):
    """A source of which it is known what it gives: real ones take a framework (tests/unit/plan/test_forms.py)."""

    gives: Any = None

    async def files(self, plan: Plan, state: bytes, forms: Collection[str]) -> dict[str, bytes]:
        assert (plan.digest, state, list(forms)) == (sha256(PLAN).hexdigest(), STATE_BLOB, ["savedmodel", "onnx"])
        return dict(self.gives or MADE)


@pytest.fixture
def named(statement: dict[str, Any]) -> dict[str, Any]:
    """The statement, which names files of the source too, and says what of it is not shown."""
    statement["predicate"]["not_audited"].insert(-len(BEYOND), NETWORK)
    known = {one["name"] for one in statement["subject"]}
    for name, raw in MADE.items():
        assert name not in known
        statement["subject"].insert(0, {"name": name, "digest": {"sha256": sha256(raw).hexdigest()}})
    return statement


async def test_a_release_names_what_its_source_gives(ledger: Ledger):
    body = await release_body(ledger, "tumour-1", "tumour", 0, read, Made("network.py"), ["savedmodel", "onnx"])
    assert NETWORK in body["evidence"]["not_audited"]
    names = [one["name"] for one in body["files"]]
    assert names == sorted([*MADE, "model.safetensors"])


async def test_it_is_signed_where_the_source_gives_the_same_alone(ledger: Ledger, named: dict[str, Any]):
    await check_statement(ledger, named, read, Made("network.py"))
    other = Made("network.py", gives=MADE | {"model.onnx": b"another graph"})
    with pytest.raises(NodeError, match=r"FL4511: model\.onnx is"):
        await check_statement(ledger, named, read, other)
    more = Made("network.py", gives=MADE | {"saved_model/more.pb": b"functions"})
    with pytest.raises(NodeError, match=r"FL4511: saved_model/more\.pb is nothing in the release"):
        await check_statement(ledger, named, read, more)


async def test_without_the_source_it_is_not_signed_and_a_node_says_so(
    ledger: Ledger, named: dict[str, Any], peer: Peer
):
    with pytest.raises(NodeError, match=r"FL4516: model\.onnx, network\.py.*--source"):
        await check_statement(ledger, named, read)
    peer.release |= {"signatures": {}, "withdrawal_signatures": {}}
    peer.releases = [{"release": "tumour-1", "withdrawn": False}]
    standing = Standing(ledger, read, Health())
    await standing.look()
    assert peer.signed == {}
    assert "network.py" in standing.health.problems["release tumour-1"][1]


async def test_a_folder_is_not_written_without_a_file_that_its_passport_names():
    with pytest.raises(NodeError, match="FL4516"):
        await all_files(read_plan(PLAN), STATE_BLOB, ["model.safetensors", "model.onnx"], None)


def test_a_file_of_no_form_is_nobodys():
    assert forms_in(["network.py", "saved_model/variables/variables.index", "model.onnx"]) == ["savedmodel", "onnx"]
    with pytest.raises(NodeError, match=r"FL4516.*model\.exe"):
        forms_in(["model.exe", "model.onnx"])
