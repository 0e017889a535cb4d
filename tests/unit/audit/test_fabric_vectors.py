"""The auditor answers as Fabric does: inputs and Fabric's measured answers are in tests/vectors/fabric."""

from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.peer import transaction_pb2
from google.protobuf.message import DecodeError

from audit.fabric.channel import ChannelConfig, ConfigError, authorised_update
from audit.fabric.envelope import Action
from audit.fabric.msp import IdentityError, Msp, MspSet
from audit.fabric.mvcc import VALID, apply_writes, read_conflict
from audit.fabric.policy import ChannelPolicies, SignedBytes, valid_signers
from audit.fabric.state import State
from audit.fabric.wire import WireError
from tests.vectors.fabric.changes import applied
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


def config_block(case: dict[str, Any], after: configtx_pb2.ConfigGroup) -> configtx_pb2.ConfigEnvelope:
    """Return what a block holds if orderers take the change of a case."""
    signed = configtx_pb2.ConfigUpdateEnvelope(config_update=bytes.fromhex(case["update"]))
    for each in case["signed"]:
        signed.signatures.add(
            signature_header=bytes.fromhex(each["header"]), signature=bytes.fromhex(each["signature"])
        )
    payload = common_pb2.Payload(data=signed.SerializeToString())
    update = common_pb2.Envelope(payload=payload.SerializeToString())
    return configtx_pb2.ConfigEnvelope(config=configtx_pb2.Config(sequence=1, channel_group=after), last_update=update)


@pytest.mark.parametrize("case", [c for c in cases("updates") if c.values[0]["answer"]["taken"]])
def test_a_change_that_fabric_takes_is_no_finding(case: dict[str, Any]) -> None:
    before = configtx_pb2.ConfigGroup.FromString(bytes.fromhex(case["group"]))
    current = ChannelConfig(case["channel"], configtx_pb2.Config(channel_group=before))
    envelope = config_block(case, applied(before, case["answer"]["changes"]))
    assert authorised_update(current, envelope).config == envelope.config


def overlaid(before: configtx_pb2.ConfigGroup, written: configtx_pb2.ConfigGroup) -> configtx_pb2.ConfigGroup:
    """Return what orderers that check nothing make of what an update writes."""
    after = configtx_pb2.ConfigGroup(version=max(before.version, written.version))
    after.MergeFrom(before)
    for kind in ("values", "policies"):
        for name, element in getattr(written, kind).items():
            if element.mod_policy:
                getattr(after, kind)[name].CopyFrom(element)
    for name, group in written.groups.items():
        after.groups[name].CopyFrom(overlaid(before.groups[name], group))
    after.version, after.mod_policy = max(before.version, written.version), written.mod_policy or before.mod_policy
    return after


def changed_by(case: dict[str, Any]) -> tuple[ChannelConfig, configtx_pb2.ConfigEnvelope]:
    """Return the configuration before a case's change and the block of orderers that check nothing."""
    before = configtx_pb2.ConfigGroup.FromString(bytes.fromhex(case["group"]))
    current = ChannelConfig(case["channel"], configtx_pb2.Config(channel_group=before))
    try:
        written = configtx_pb2.ConfigUpdate.FromString(bytes.fromhex(case["update"])).write_set
    except DecodeError:
        written = configtx_pb2.ConfigGroup()
    return current, config_block(case, overlaid(before, written))


def unauthorised() -> list[Any]:
    """Return the changes that Fabric refuses for who makes them or how; others it refuses for what they say."""
    refused = [case for case in load("updates") if not case["answer"]["taken"]]
    reasons = ("error authorizing update", "for channel")
    return [pytest.param(c, id=c["name"]) for c in refused if any(r in c["answer"]["message"] for r in reasons)]


@pytest.mark.parametrize("case", unauthorised())
def test_a_change_that_fabric_refuses_for_want_of_authority_is_a_finding(case: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, WireError)):
        authorised_update(*changed_by(case))


def test_what_orderers_make_that_check_nothing_passes_where_fabric_takes_it_too() -> None:
    """Otherwise the findings above could be about the block's configuration and not about who may make it."""
    taken = {c["name"]: c for c in load("updates") if c["answer"]["taken"]}
    for name in ("who: a majority of admins adds an organisation", "who: the admins of both change two"):
        current, envelope = changed_by(taken[name])
        assert authorised_update(current, envelope).sequence == 1
