"""Devnet answers as Fabric does: inputs and Fabric's measured answers are in tests/vectors/fabric."""

import contextlib
from collections import defaultdict

import pytest

from network.devnet import configtx, mvcc
from network.devnet import protos as p
from network.devnet.channel import Channel
from network.devnet.msp import IdentityError, Msp, MspError, MspManager
from network.devnet.policy import PolicyTree, SignedData, valid_identities
from tests.vectors.fabric.changes import applied
from tests.vectors.fabric.load import load

NAMES = {"MEMBER", "ADMIN", "CLIENT", "PEER", "ORDERER"}


def cases(name):
    return [pytest.param(case, id=case["name"]) for case in load(name)]


def msp_of(config):
    return Msp(p.msp_config.FabricMSPConfig.FromString(bytes.fromhex(config)))


@pytest.mark.parametrize("case", cases("identities"))
def test_an_identity_is_valid_with_the_roles_that_fabric_gives_it(case):
    answer, raw = case["answer"], bytes.fromhex(case["identity"])
    if not answer["setup"]:
        with pytest.raises(MspError):
            msp_of(case["msp"])
        return
    manager = MspManager([msp_of(case["msp"])])
    if answer["valid"]:
        assert {role.upper() for role in manager.identity(raw).roles} | {"MEMBER"} == set(answer["roles"])
    else:
        with pytest.raises(IdentityError):
            manager.identity(raw)


@pytest.mark.parametrize("case", cases("signatures"))
def test_a_signature_holds_where_it_does_on_fabric(case):
    identity = MspManager([msp_of(case["msp"])]).identity(bytes.fromhex(case["identity"]))
    try:
        identity.verify(bytes.fromhex(case["signature"]), bytes.fromhex(case["message"]))
        holds = True
    except IdentityError:
        holds = False
    assert holds == case["answer"]["valid"]


@pytest.mark.parametrize("case", cases("policies"))
def test_a_policy_holds_where_it_does_on_fabric(case):
    members = MspManager([msp_of(case[f"msp_{name}"]) for name in "ABC"])
    group = p.configtx.ConfigGroup.FromString(bytes.fromhex(case["group"]))
    if not case["answer"]["compiles"]:
        with pytest.raises(ValueError):  # noqa: PT011 whatever part of it cannot be read
            PolicyTree(group)
        return
    signed = [SignedData(*(bytes.fromhex(s[f]) for f in ("identity", "message", "signature"))) for s in case["signed"]]
    policy = PolicyTree(group).policy(case["path"])
    assert policy.satisfied(valid_identities(signed, members)) == case["answer"]["holds"]


class State:
    """The committed state of a case."""

    def __init__(self, entries):
        self.spaces = defaultdict(dict)
        for entry in entries:
            self.spaces[entry["ns"]][entry["key"]] = (entry["block"], entry["tx"])

    def get(self, namespace, key):
        version = self.version(namespace, key)
        return None if version is None else (b"value", version)

    def version(self, namespace, key):
        return self.spaces[namespace].get(key)

    def metadata_entries(self, *_):
        return []

    def versions(self, namespace, start, end):
        for key, version in sorted(self.spaces[namespace].items()):
            if key >= start and (not end or key < end):
                yield key, version


@pytest.mark.parametrize("case", cases("reads"))
def test_reads_hold_where_they_do_on_fabric(case):
    state, updates, codes = State(case["state"]), mvcc.Updates(), []
    for position, raw in enumerate(case["transactions"]):
        entries = p.rwset.TxReadWriteSet.FromString(bytes.fromhex(raw)).ns_rwset
        sets = {entry.namespace: p.kvrwset.KVRWSet.FromString(entry.rwset) for entry in entries}
        code = mvcc.validate(sets, state, updates)
        if code == mvcc.VALID:
            updates.apply(sets, (9, position), state)
        codes.append(p.transaction.TxValidationCode.Name(code))
    if case["answer"].get("stops"):  # Fabric's peer ends there; devnet goes on without the transaction
        assert codes == ["PHANTOM_READ_CONFLICT"]
    else:
        assert codes == case["answer"]["codes"]


def update_of(case):
    """Return the CONFIG_UPDATE envelope of a case; who sends it is not looked at here."""
    signed = p.configtx.ConfigUpdateEnvelope(config_update=bytes.fromhex(case["update"]))
    for each in case["signed"]:
        signed.signatures.add(
            **{f"signature{f}": bytes.fromhex(each[k]) for f, k in (("_header", "header"), ("", "signature"))}
        )
    header = p.common.ChannelHeader(type=p.common.CONFIG_UPDATE, channel_id=case["channel"])
    wrapped = p.common.Header(
        channel_header=header.SerializeToString(), signature_header=p.common.SignatureHeader().SerializeToString()
    )
    return p.common.Envelope(
        payload=p.common.Payload(header=wrapped, data=signed.SerializeToString()).SerializeToString()
    )


def channel_of(case):
    """Return the channel of a case before its change."""
    before = p.configtx.ConfigGroup.FromString(bytes.fromhex(case["group"]))
    return Channel.of(case["channel"], p.configtx.Config(channel_group=before))


@pytest.mark.parametrize("case", cases("updates"))
def test_a_change_of_the_configuration_is_taken_or_refused_as_on_fabric(case):
    """Devnet alone keeps some of the configuration fixed, and says so."""
    channel = channel_of(case)
    answer, refusal, after = case["answer"], "", None
    try:
        after = configtx.propose(channel, update_of(case)).config
    except configtx.ConfigUpdateError as error:
        refusal = str(error)
    if refusal.startswith("devnet does not "):
        return
    assert (not refusal) == answer["taken"]
    if answer["taken"]:
        assert after == p.configtx.Config(
            sequence=1, channel_group=applied(channel.config.channel_group, answer["changes"])
        )


def test_devnet_takes_the_changes_that_networks_make():
    """Otherwise the case above could pass because devnet keeps everything fixed."""
    kept = {case["name"] for case in load("updates") if case["answer"]["taken"] and taken_by_devnet(case)}
    assert kept >= {
        "who: a majority of admins adds an organisation",
        "who: an organisation's admin brings its revocation list",
        "who: an organisation's admin says where its peer answers",
        "who: a majority removes an organisation",
        "members: an organisation changes its root",
    }


def taken_by_devnet(case):
    channel = channel_of(case)
    with contextlib.suppress(configtx.ConfigUpdateError):
        return bool(configtx.propose(channel, update_of(case)))
    return False
