"""Stages of the official Node client (official/stages.json, by official/generate.cjs) are understood to the byte."""

import json
from pathlib import Path

import pytest

from gateway import FileCheckpointer, Identity, MockTransport, Position, connect

VECTOR = json.loads((Path(__file__).parent / "official" / "stages.json").read_text())


@pytest.fixture
def official():
    """A gateway of the identity that made the vector."""
    return connect(MockTransport(lambda _: b""), Identity(VECTOR["msp_id"], VECTOR["certificate"].encode()))


@pytest.mark.parametrize("stage", ["proposal", "transaction", "commit"])
def test_a_stage_begun_by_the_official_client_goes_on_here(official, stage):
    raw = bytes.fromhex(VECTOR[stage]["bytes"])
    rebuilt = getattr(official, f"new_{stage}")(raw)
    assert VECTOR["transaction_id"] == rebuilt.transaction_id
    assert VECTOR[stage]["digest"] == rebuilt.digest.hex()
    assert rebuilt == getattr(official, f"new_{stage}")(rebuilt.bytes)


def test_the_result_of_its_transaction_is_read(official):
    transaction = official.new_transaction(bytes.fromhex(VECTOR["transaction"]["bytes"]))
    assert VECTOR["transaction"]["result"] == transaction.result.hex()


def test_its_status_request_is_ours(official):
    transaction = official.new_transaction(bytes.fromhex(VECTOR["transaction"]["bytes"]))
    assert VECTOR["commit"]["digest"] == transaction.commit().digest.hex()


def test_its_request_for_events_is_ours(official):
    expected = VECTOR["chaincode_events"]
    network = official.network(VECTOR["channel"])
    request = network.chaincode_events_request(expected["chaincode"], start_block=expected["start_block"])
    assert expected["digest"] == request.digest.hex()


def test_its_checkpoint_is_read(tmp_path):
    path = tmp_path / "checkpoint"
    path.write_text(VECTOR["checkpoint"]["file"])
    assert Position(VECTOR["checkpoint"]["block_number"], VECTOR["transaction_id"]) == FileCheckpointer(path).position
