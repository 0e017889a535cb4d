"""What a node checks before it signs: each thing that a release says is held against its own peer, plan and state."""

import json
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2

from audit.fabric.wire import header_hash
from fedledger_passport import PassportError
from fedledger_passport.contents import STATE
from fl_node.canonical import canonical_json
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.plan.state_codec import Leaf, encode_state
from fl_node.release.evidence import check_statement
from fl_node.release.releasing import RELEASE, WITHDRAWN, envelope_of, release_body, sign_release
from gateway import Identity, MockTransport, Signer, connect
from gateway._mock_messages import MockCall
from gateway.signatures import digest_signer
from tests.faults.synthetic import plan_of
from tests.unit.passport.consortium import Member, digest, passport, rooted

STATE_BLOB = encode_state([Leaf("global_model_weights/trainable/0", np.arange(6, dtype=np.float32).reshape(2, 3))])
PLAN = plan_of("tumour")
BLOBS = {sha256(blob).hexdigest(): blob for blob in (STATE_BLOB, PLAN)}
MEMBER = Member("HospitalAMSP")


async def read(name: str) -> bytes:
    return BLOBS[name]


class Peer:
    """The own peer: a ledger with one training of three rounds, and what is released of it."""

    def __init__(self) -> None:
        names, (state, plan) = [f"hospital-{letter}" for letter in "abcd"], list(BLOBS)
        states = [digest("state 0"), digest("state 1"), digest("state 2"), state]
        step = {"training": "tumour", "attempt": 1, "survivors": names[:3], "examples": 300, "metrics": {}}
        self.steps = [step | {"round": n, "base_state": states[n - 1], "state": states[n]} for n in (1, 2, 3)]
        self.round = {
            "phase": "Final", "state": state, "plan": plan, "cohort": names, "survivors": names[:3], "rules": 2,
            "deviation_e9": 0, "proposal": {"metrics": {"loss": "0.25"}},
        }  # fmt: skip
        self.release: dict[str, Any] = {}
        self.signed: dict[str, Any] = {}
        self.plan: dict[str, Any] = {}
        self.releases: list[dict[str, Any]] = []

    def __call__(self, call: MockCall) -> bytes:
        if call.chaincode == "qscc":
            return block(int(call.arguments[1])).SerializeToString()
        if call.function == "Advance":
            call.announce("RoundFinal", call.arguments[0])
        if call.function == "SignRelease":
            self.signed = json.loads(call.arguments[0])
        lineage = {"initial_state": digest("state 0"), "steps": self.steps, "bookmark": ""}
        answers = {"GetRound": self.round, "GetLineage": lineage, "GetRelease": self.release,
                   "GetPlan": self.plan, "ListReleases": {"items": self.releases, "bookmark": ""}}  # fmt: skip
        return canonical_json(answers.get(call.function, {}))


def block(number: int) -> common_pb2.Block:
    return common_pb2.Block(header=common_pb2.BlockHeader(number=number, data_hash=b"x"))


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
async def ledger(peer: Peer, tmp_path: Path) -> AsyncIterator[Ledger]:
    signer = Signer(sign=digest_signer(MEMBER.admin.key))
    certificate = MEMBER.admin.certificate.public_bytes(Encoding.PEM)
    profile = SimpleNamespace(
        channel="fedchannel", chaincode="fedledger", msp_id="HospitalAMSP", signer=signer, cert_pem=certificate,
        run=tmp_path, organisation="hospital-a",
    )  # fmt: skip
    async with connect(MockTransport(peer), Identity("HospitalAMSP", certificate), signer) as gateway:
        found = Ledger(gateway, profile)  # type: ignore[arg-type]
        for number in (1, 2, 3):
            await found.submit("Advance", training="tumour", round=number, attempt=1)
        yield found


@pytest.fixture
async def statement(ledger: Ledger, peer: Peer) -> dict[str, Any]:
    """The statement as the contract composes it from the proposal's body."""
    body = await release_body(ledger, "tumour-1", "tumour", 0, read)
    evidence, said = body["evidence"], passport()
    predicate = said["predicate"]
    predicate["genesis"] = evidence["genesis"]
    predicate["final"] |= {
        "block": evidence["final_block"], "hash": evidence["final_hash"], "transaction": evidence["final_transaction"],
    }  # fmt: skip
    predicate["plan"] |= {"sha256": peer.round["plan"], "framework": evidence["framework"]}
    predicate["privacy"] = {"mode": "secure_sum"} | evidence["noise"]
    predicate |= {"code": evidence["code"], "not_audited": evidence["not_audited"]}
    predicate["metrics"] = {"loss": "0.25"}
    predicate["lineage"]["steps"][2]["state"] = peer.round["state"]
    rooted(predicate["lineage"])
    files = [(one["name"], one["sha256"]) for one in body["files"]] + [(STATE, peer.round["state"])]
    said["subject"] = [{"name": name, "digest": {"sha256": found}} for name, found in files]
    peer.release = {"release": "tumour-1", "statement": said, "withdrawal": None}
    return said


async def test_what_is_so_is_signed_over_the_statements_bytes(ledger: Ledger, peer: Peer, statement: dict[str, Any]):
    await sign_release(ledger, "tumour-1", RELEASE, read)
    record = {name: peer.signed[name] for name in ("certificate", "signature")}
    others = {f"{letter}MSP": record for letter in "ABC"}
    envelope = envelope_of(peer.release | {"signatures": others, "withdrawal_signatures": {}}, RELEASE)
    assert envelope.statement == statement
    envelope.signatures[0].check(envelope.payload, "")
    found = statement["predicate"]["final"]
    assert found["hash"] == header_hash(block(found["block"]).header).hex()


def parent() -> dict[str, Any]:
    """A model of another consortium."""
    names = ("genesis", "passport", "state", "lineage")
    said: dict[str, Any] = {
        "channel": "abroad",
        "chaincode": "fl",
        "release": "old",
        "training": "old",
        "round": 1,
        "steps": 1,
    }
    said |= {"released_ms": 1, "signed_by": ["XMSP"], "withdrawn_ms": 0}
    return said | {name: digest(name) for name in names}


Lie = Callable[[dict[str, Any]], Any]
LIES: dict[str, Lie] = {
    "genesis": lambda p: p.update(genesis=digest("x")),
    "final_block": lambda p: p["final"].update(block=9),
    "final_hash": lambda p: p["final"].update(hash=digest("x")),
    "final_transaction": lambda p: p["final"].update(transaction=digest("x")),
    "framework": lambda p: p["plan"].update(framework="jax"),
    "code": lambda p: p["code"].update(source=digest("x")),
    "not_audited": lambda p: p["not_audited"].pop(),
    "parents": lambda p: p.update(parents=[parent()]),
    "noise": lambda p: p["privacy"].update(unit="record", epsilon="1"),
    "plan": lambda p: p["plan"].update(sha256=digest("x")),
    "rules": lambda p: p.update(rules=3),
    "metrics": lambda p: p.update(metrics={"loss": "0.01"}),
    "deviation_e9": lambda p: p.update(deviation_e9=1),
    "survivors": lambda p: p.update(survivors=["hospital-a", "hospital-b", "hospital-d"]),
}


@pytest.mark.parametrize("name", LIES)
async def test_what_is_not_so_is_not_signed(ledger: Ledger, peer: Peer, statement: dict[str, Any], name: str):
    LIES[name](statement["predicate"])
    with pytest.raises(NodeError, match=f"FL4511: {name} is"):
        await sign_release(ledger, "tumour-1", RELEASE, read)
    assert peer.signed == {}


async def test_another_lineage_another_file_and_another_state_are_not_signed(
    ledger: Ledger, peer: Peer, statement: dict[str, Any]
):
    statement["subject"][0]["digest"]["sha256"] = digest("x")
    with pytest.raises(NodeError, match=r"FL4511: model\.safetensors is"):
        await check_statement(ledger, statement, read)
    peer.steps[0]["examples"] = 299
    with pytest.raises(NodeError, match="FL4511: lineage is"):
        await check_statement(ledger, statement, read)
    peer.round["phase"] = "Void"
    with pytest.raises(NodeError, match="FL4511: phase is"):
        await check_statement(ledger, statement, read)


async def test_a_statement_that_contradicts_itself_is_not_signed(ledger: Ledger, statement: dict[str, Any]):
    statement["predicate"]["examples"] = 1
    with pytest.raises(PassportError, match="FL6011"):
        await sign_release(ledger, "tumour-1", RELEASE, read)


async def test_a_withdrawal_is_signed_where_it_is_of_this_passport_alone(
    ledger: Ledger, peer: Peer, statement: dict[str, Any]
):
    with pytest.raises(NodeError, match="FL4513"):
        await sign_release(ledger, "tumour-1", WITHDRAWN, read)
    about = {"name": "passport", "digest": {"sha256": sha256(canonical_json(statement)).hexdigest()}}
    predicate = {
        "release": "tumour-1", "channel": "fedchannel", "genesis": digest("x"), "reason": "", "withdrawn_ms": 1,
    }  # fmt: skip
    kind = "urn:fedledger:model-withdrawal:1"
    peer.release["withdrawal"] = {
        "_type": statement["_type"], "subject": [about], "predicateType": kind, "predicate": predicate,
    }  # fmt: skip
    await sign_release(ledger, "tumour-1", WITHDRAWN, read)
    assert peer.signed["about"] == "withdrawal"
    about["digest"]["sha256"] = digest("another")
    with pytest.raises(NodeError, match="FL4511"):
        await sign_release(ledger, "tumour-1", WITHDRAWN, read)


async def test_a_round_that_is_in_no_lineage_is_not_proposed(ledger: Ledger):
    with pytest.raises(NodeError, match="FL4512"):
        await release_body(ledger, "tumour-1", "tumour", 9, read)


async def test_a_model_that_began_from_another_consortiums_is_signed_where_the_plan_says_so(
    ledger: Ledger, peer: Peer, statement: dict[str, Any]
):
    peer.plan = {"parent": parent()}
    with pytest.raises(NodeError, match="FL4511: parents is"):
        await check_statement(ledger, statement, read)
    statement["predicate"]["parents"] = [parent()]
    await check_statement(ledger, statement, read)
    peer.plan = {"parent": parent() | {"withdrawn_ms": 5}}
    with pytest.raises(NodeError, match="FL4511: parents is"):
        await check_statement(ledger, statement, read)
