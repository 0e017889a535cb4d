"""The auditor answers as Fabric does: inputs and Fabric's measured answers are in tests/vectors/fabric."""

from typing import Any

import pytest
from fabric_protos.common import configtx_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.peer import transaction_pb2

from audit.fabric.envelope import Action
from audit.fabric.msp import IdentityError, Msp, MspSet
from audit.fabric.mvcc import VALID, apply_writes, read_conflict
from audit.fabric.policy import ChannelPolicies, SignedBytes, valid_signers
from audit.fabric.state import State
from audit.fabric.wire import WireError
from tests.vectors.fabric.load import load


def cases(name: str) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in load(name)]


def msp_of(config: str) -> Msp:
    return Msp.from_config(bytes.fromhex(config))


def set_of(*configs: str) -> MspSet:
    return MspSet({msp.msp_id: msp for msp in map(msp_of, configs)})


@pytest.mark.parametrize("case", cases("identities"))
def test_an_identity_is_valid_with_the_roles_that_fabric_gives_it(case: dict[str, Any]) -> None:
    answer, raw = case["answer"], bytes.fromhex(case["identity"])
    if not answer["setup"]:
        with pytest.raises(WireError):
            msp_of(case["msp"])
        return
    msps = set_of(case["msp"])
    if answer["valid"]:
        assert {role.upper() for role in msps.identity(raw).roles} | {"MEMBER"} == set(answer["roles"])
    else:
        with pytest.raises(IdentityError):
            msps.identity(raw)


@pytest.mark.parametrize("case", cases("signatures"))
def test_a_signature_holds_where_it_does_on_fabric(case: dict[str, Any]) -> None:
    identity = set_of(case["msp"]).identity(bytes.fromhex(case["identity"]))
    try:
        identity.verify(bytes.fromhex(case["signature"]), bytes.fromhex(case["message"]))
        holds = True
    except IdentityError:
        holds = False
    assert holds == case["answer"]["valid"]


@pytest.mark.parametrize("case", cases("policies"))
def test_a_policy_holds_where_it_does_on_fabric(case: dict[str, Any]) -> None:
    msps = set_of(*(case[f"msp_{name}"] for name in "ABC"))
    signed = [SignedBytes(*(bytes.fromhex(s[f]) for f in ("identity", "message", "signature"))) for s in case["signed"]]
    policies = ChannelPolicies(configtx_pb2.ConfigGroup.FromString(bytes.fromhex(case["group"])))
    if not case["answer"]["compiles"]:
        with pytest.raises(WireError):
            policies.holds(case["path"], valid_signers(msps, signed))
        return
    assert policies.holds(case["path"], valid_signers(msps, signed)) == case["answer"]["holds"]


def action(raw: str) -> Action:
    namespaces = rwset_pb2.TxReadWriteSet.FromString(bytes.fromhex(raw)).ns_rwset
    return Action("cc", "1", (), (200, "", ""), b"", (), tuple(namespaces), None, proposal_hash_holds=True)


@pytest.mark.parametrize("case", cases("reads"))
def test_reads_hold_where_they_do_on_fabric(case: dict[str, Any]) -> None:
    state, codes = State(":memory:"), []
    state.begin_block()
    for entry in case["state"]:
        state.write((entry["ns"], "", entry["key"].encode()), b"value", (entry["block"], entry["tx"]))
    state.finish_block(8, [])
    for position, transaction in enumerate(map(action, case["transactions"])):
        code = read_conflict(state, transaction)
        if code == VALID:
            apply_writes(state, transaction, (9, position))
        codes.append(transaction_pb2.TxValidationCode.Name(code))  # type: ignore[arg-type]
    if case["answer"].get("stops"):  # Fabric's peer ends there: no ledger of its goes on so
        assert codes == ["PHANTOM_READ_CONFLICT"]
    else:
        assert codes == case["answer"]["codes"]
