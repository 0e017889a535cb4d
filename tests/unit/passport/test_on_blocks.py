"""What an audited channel must hold of a passport."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2

from audit.evidence.fetch import store_block
from audit.fabric.state import State
from audit.fabric.wire import header_hash
from audit.verify.releases import release_in
from fedledger_passport import PassportError, Verified
from fl_node.canonical import canonical_json
from fl_node.errors import NodeError
from fl_node.release.blocks import _check_release
from fl_node.release.releasing import RELEASE, WITHDRAWN, envelope_of
from tests.unit.passport.consortium import digest, passport

VECTOR = Path(__file__).resolve().parents[2] / "vectors" / "release.json"
KEY = ("fedledger", "", b"\0release\0tumour-1\0")


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    block = common_pb2.Block(header=common_pb2.BlockHeader(number=70, data_hash=b"x"))
    store_block(tmp_path, block)
    return tmp_path


@pytest.fixture
def verified(blocks: Path) -> Verified:
    """A passport whose final block is the one on disk."""
    statement = passport()
    header = common_pb2.BlockHeader(number=70, data_hash=b"x")
    statement["predicate"]["final"]["hash"] = header_hash(header).hex()
    return Verified(digest("passport"), statement, (), 4)


@pytest.fixture
def book(verified: Verified, tmp_path: Path) -> Iterator[State]:
    """The state of an audit whose channel holds the release and the event of its Final."""
    state = State(tmp_path / "audit.sqlite")
    hold(state, {"statement": verified.statement, "withdrawal": None})
    event = {"training": "tumour", "round": 3, "attempt": 1, "phase": "Final"}
    state.event((70, 0), digest("transaction"), 0, "HospitalAMSP", "RoundFinal", json.dumps(event).encode())
    yield state
    state.close()


def hold(state: State, record: dict[str, Any]) -> None:
    state.begin_block()
    state.write(KEY, canonical_json(record), (71, 0))
    state.finish_block(71, [])


def test_a_release_that_the_blocks_hold_passes(verified: Verified, book: State, blocks: Path):
    _check_release(verified, book, blocks)


def test_a_statement_that_the_blocks_do_not_hold_is_refused(verified: Verified, book: State, blocks: Path):
    other = replace(verified, statement=verified.statement | {"subject": verified.statement["subject"][:1]})
    with pytest.raises(NodeError, match=r"FL4514.*no such release"):
        _check_release(other, book, blocks)


def test_a_passport_is_put_together_from_blocks_alone(book: State):
    view = json.loads(VECTOR.read_bytes())["view"]
    hold(book, {key: view[key] for key in view if "signatures" not in key})
    book.begin_block()
    for about, signatures in (("release", view["signatures"]), ("withdrawal", view["withdrawal_signatures"])):
        for msp_id, record in signatures.items():
            key = f"\0release-signature\0tumour-1\0{about}\0{msp_id}\0".encode()
            book.write(("fedledger", "", key), canonical_json(record), (72, 0))
    book.write(("fedledger", "", b"\0release-signature\0tumour-11\0release\0XMSP\0"), b"{}", (72, 0))
    book.finish_block(72, [])
    assert release_in(book, "fedledger", "tumour-1") == view
    for about in (RELEASE, WITHDRAWN):
        assert envelope_of(release_in(book, "fedledger", "tumour-1") or {}, about) == envelope_of(view, about)
    assert release_in(book, "fedledger", "tumour-2") is None


@pytest.mark.parametrize("change", [{"block": 69}, {"hash": digest("x")}, {"transaction": digest("x")}, {"round": 2}])
def test_a_final_of_another_block_is_refused_though_the_vote_took_it(
    verified: Verified, book: State, blocks: Path, change: dict[str, Any]
):
    verified.statement["predicate"]["final"].update(change)
    hold(book, {"statement": verified.statement, "withdrawal": None})
    with pytest.raises(NodeError, match=r"FL4514.*elsewhere"):
        _check_release(verified, book, blocks)


def test_a_withdrawal_on_the_blocks_is_seen(verified: Verified, book: State, blocks: Path):
    hold(book, {"statement": verified.statement, "withdrawal": {"predicate": {"reason": "wrong labels"}}})
    with pytest.raises(PassportError, match=r"FL6013.*wrong labels"):
        _check_release(verified, book, blocks)
