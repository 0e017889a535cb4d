"""Certificates and signatures that somebody made to look like others, or to break whoever reads them."""

import base64
import random
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import identities_pb2, msp_config_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_configuration_pb2

from audit.fabric.channel import ChannelConfig
from audit.fabric.msp import IdentityError, Msp, MspSet
from audit.fabric.orderers import BLOCK_VALIDATION, OrdererError, check_signatures
from audit.fabric.policy import SignedBytes, signature_policy_holds, valid_signers
from audit.fabric.signature import SignatureError, check_signature
from audit.fabric.wire import SIGNATURES, WireError, header_bytes
from tests.unit.audit.test_policy import MEMBER, PEER, Member, Organisation, out_of


@pytest.fixture
def one(tmp_path: Path) -> Organisation:
    return Organisation(tmp_path, "OneMSP")


def configured(one: Organisation) -> msp_config_pb2.FabricMSPConfig:
    config = msp_config_pb2.FabricMSPConfig(name=one.name)
    config.root_certs.append(one.authority.certificate_pem)
    config.admins.append(one.member("named", "admin").pem)
    return config


def test_bytes_behind_a_signature_are_passed_over_as_fabric_does(one: Organisation) -> None:
    msps = MspSet({one.name: one.msp()})
    signed = one.member("peer0", "peer").sign(b"m")
    longer = SignedBytes(signed.identity, b"m", signed.signature + b"more")
    assert [i.msp_id for i in valid_signers(msps, [longer])] == [one.name]


NO_SIGNATURES = (
    "",
    "30",
    "3080",
    "3084ffffffff",
    "3006020101020100",
    "30060201010201ff",
    "300702020001020101",
    "308106020101020101",
    "3006020101030101",
    "3100",
)


@pytest.mark.parametrize("raw", NO_SIGNATURES)
def test_what_is_no_signature_is_refused(raw: str) -> None:
    with pytest.raises(SignatureError, match=r"parse|positive"):
        check_signature(ec.generate_private_key(ec.SECP256R1()).public_key(), bytes.fromhex(raw), b"m")


def test_one_certificate_written_in_two_ways_counts_once(one: Organisation) -> None:
    msps = MspSet({one.name: one.msp()})
    peer = one.member("peer0", "peer")
    key = (one.folder / "peer0.key").read_bytes()
    again = Member(one.name, peer.pem, key)
    pem = b"a copy\n" + peer.pem.replace(b"\n-----END", b"\n \n-----END").replace(b"CERTIFICATE", b"COPY")
    again.identity = identities_pb2.SerializedIdentity(mspid=one.name, id_bytes=pem).SerializeToString()
    signed = [peer.sign(b"m"), again.sign(b"m")]
    assert signed[0].identity != signed[1].identity
    policy = out_of(2, (one.name, PEER), (one.name, MEMBER))
    assert not signature_policy_holds(policy, valid_signers(msps, signed))


def test_of_two_certificates_the_first_counts_as_for_peers_and_rules(one: Organisation) -> None:
    peer, admin, msp = one.member("peer0", "peer"), one.member("admin", "admin"), one.msp()
    assert msp.identity(peer.pem.replace(b"CERTIFICATE", b"OTHER") + admin.pem).roles == {"peer"}
    assert msp.identity(admin.pem + peer.pem).roles == {"admin"}
    for text in (b"", b"-----BEGIN ", b"-----BEGIN X-----", b"x" + peer.pem, peer.pem.replace(b"END", b"EnD")):
        with pytest.raises(IdentityError, match="does not parse"):
            msp.identity(text)


def test_an_authority_is_no_identity(one: Organisation) -> None:
    with pytest.raises(IdentityError, match="authority's certificate"):
        Msp.from_config(configured(one).SerializeToString()).identity(one.authority.certificate_pem)


def test_authorities_that_issue_one_another_in_a_circle_end_nowhere(one: Organisation) -> None:
    config = configured(one)
    config.intermediate_certs.append(config.root_certs[0])
    del config.root_certs[:]
    with pytest.raises(WireError, match="one that no peer takes: it has no root"):
        Msp.from_config(config.SerializeToString())


def test_node_units_without_a_unit_give_no_role(one: Organisation) -> None:
    config = configured(one)
    config.fabric_node_ous.enable = True
    assert not Msp.from_config(config.SerializeToString()).identity(one.member("peer0", "peer").pem).roles


def test_a_role_counts_only_from_the_authority_that_may_give_it(one: Organisation, tmp_path: Path) -> None:
    other = Organisation(tmp_path, "OtherMSP")
    config = configured(one)
    config.root_certs.append(other.authority.certificate_pem)
    config.fabric_node_ous.enable = True
    config.fabric_node_ous.admin_ou_identifier.organizational_unit_identifier = "admin"
    config.fabric_node_ous.peer_ou_identifier.organizational_unit_identifier = "peer"
    config.fabric_node_ous.peer_ou_identifier.certificate = other.authority.certificate_pem
    msp = Msp.from_config(config.SerializeToString())
    assert msp.identity(other.member("peer0", "peer").pem).roles == {"peer"}
    with pytest.raises(IdentityError, match="from its authority"):
        msp.identity(one.member("peer0", "peer").pem)


def test_an_organisation_may_ask_for_a_unit(one: Organisation) -> None:
    config = configured(one)
    root = one.authority.certificate_pem
    config.organizational_unit_identifiers.add(organizational_unit_identifier="peer", certificate=root)
    config.admins[:] = [one.member("peer1", "peer").pem]
    msp = Msp.from_config(config.SerializeToString())
    assert {unit for unit, _ in msp.identity(one.member("peer0", "peer").pem).units} == {"peer"}
    with pytest.raises(IdentityError, match="none of the units"):
        msp.identity(one.member("client", "client").pem)


def test_no_certificate_breaks_its_reader(one: Organisation) -> None:
    """A lottery over single bits and cuts: an endorsement may carry any bytes, nobody looks at it before a block."""
    peer, chosen = one.member("peer0", "peer"), random.Random(5)
    der = x509.load_pem_x509_certificate(peer.pem).public_bytes(serialization.Encoding.DER)
    msp = one.msp()
    for _ in range(3000):
        raw = bytearray(der)
        raw[chosen.randrange(len(raw))] ^= 1 << chosen.randrange(8)
        pem = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(raw) + b"\n-----END CERTIFICATE-----\n"
        # Only what the authority did not sign may be changed: the way its signature is written.
        try:
            identity = msp.identity(pem)
        except IdentityError:
            continue
        assert identity.key == msp.identity(peer.pem).key


def ordering(one: Organisation, consenters: list[Member], need: int) -> ChannelConfig:
    """A BFT channel whose BlockValidation asks for `need` members, whoever they are."""
    group = configtx_pb2.ConfigGroup()
    orderer = group.groups["Orderer"]
    msp = msp_config_pb2.MSPConfig(config=configured(one).SerializeToString())
    orderer.groups[one.name].values["MSP"].value = msp.SerializeToString()
    kind = orderer_configuration_pb2.ConsensusType(type="BFT")
    orderer.values["ConsensusType"].value = kind.SerializeToString()
    mapping = [
        configuration_pb2.Consenter(id=number, msp_id=one.name, identity=member.pem)
        for number, member in enumerate(consenters, start=1)
    ]
    orderer.values["Orderers"].value = configuration_pb2.Orderers(consenter_mapping=mapping).SerializeToString()
    policy = out_of(need, *[(one.name, msp_principal_pb2.MSPRole.MEMBER)] * need)
    wanted = orderer.policies[BLOCK_VALIDATION.rpartition("/")[2]].policy
    wanted.type, wanted.value = policies_pb2.Policy.SIGNATURE, policy.SerializeToString()
    return ChannelConfig("c", configtx_pb2.Config(channel_group=group))


def block_signed(signers: list[tuple[int, Member]]) -> common_pb2.Block:
    block = common_pb2.Block(header=common_pb2.BlockHeader(number=7))
    entry = common_pb2.Metadata(value=b"value")
    for number, member in signers:
        prefix = common_pb2.IdentifierHeader(identifier=number).SerializeToString()
        signed = member.sign(entry.value + prefix + header_bytes(block.header))
        entry.signatures.add(identifier_header=prefix, signature=signed.signature)
    block.metadata.metadata.extend([b""] * 5)
    block.metadata.metadata[SIGNATURES] = entry.SerializeToString()
    return block


def test_a_quorum_is_of_the_consenters_of_the_day_whatever_the_policy_still_asks_for(one: Organisation) -> None:
    seven = [one.member(f"orderer{n}", "orderer") for n in range(1, 8)]
    config = ordering(one, seven, need=3)
    numbered = list(enumerate(seven, start=1))
    check_signatures(config, block_signed(numbered[:5]))
    for too_few in (numbered[:4], [*numbered[:4], numbered[0]], [*numbered[:4], (5, seven[0])]):
        with pytest.raises(OrdererError, match="4 of 7 consenters signed, 5 are a quorum"):
            check_signatures(config, block_signed(too_few))
    with pytest.raises(OrdererError, match="too few for"):
        check_signatures(config, block_signed(numbered[:2]))


def raft(one: Organisation) -> ChannelConfig:
    """A Raft channel: any orderer of the organisation signs alone."""
    config = ordering(one, [], need=1).config
    orderer = config.channel_group.groups["Orderer"]
    del orderer.values["Orderers"]
    msp = configured(one)
    msp.fabric_node_ous.enable = True
    for unit in ("admin", "client", "orderer", "peer"):
        getattr(msp.fabric_node_ous, f"{unit}_ou_identifier").organizational_unit_identifier = unit
    wrapped = msp_config_pb2.MSPConfig(config=msp.SerializeToString()).SerializeToString()
    orderer.groups[one.name].values["MSP"].value = wrapped
    kind = orderer_configuration_pb2.ConsensusType(type="etcdraft")
    orderer.values["ConsensusType"].value = kind.SerializeToString()
    policy = out_of(1, (one.name, msp_principal_pb2.MSPRole.ORDERER))
    orderer.policies[BLOCK_VALIDATION.rpartition("/")[2]].policy.value = policy.SerializeToString()
    return ChannelConfig("c", config)


def signed_by_name(member: Member, msp_id: str) -> common_pb2.Block:
    block = common_pb2.Block(header=common_pb2.BlockHeader(number=7))
    entry = common_pb2.Metadata(value=b"value")
    creator = identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=member.pem).SerializeToString()
    prefix = common_pb2.SignatureHeader(creator=creator, nonce=b"n").SerializeToString()
    signed = member.sign(entry.value + prefix + header_bytes(block.header))
    entry.signatures.add(signature_header=prefix, signature=signed.signature)
    block.metadata.metadata.extend([b""] * 5)
    block.metadata.metadata[SIGNATURES] = entry.SerializeToString()
    return block


def test_one_orderer_signs_a_block_of_a_raft_channel_and_nobody_else_does(one: Organisation) -> None:
    config = raft(one)
    assert config.quorum == 1
    check_signatures(config, signed_by_name(one.member("orderer1", "orderer"), one.name))
    for name, unit in (("admin", "admin"), ("peer0", "peer"), ("user", "client")):
        with pytest.raises(OrdererError, match="too few for"):
            check_signatures(config, signed_by_name(one.member(name, unit), one.name))
    with pytest.raises(OrdererError, match="too few for"):
        check_signatures(config, block_signed([(1, one.member("orderer1", "orderer"))]))


def test_two_organisations_under_one_id_are_none(one: Organisation, tmp_path: Path) -> None:
    config = ordering(one, [one.member("orderer1", "orderer")], need=1)
    thief = configured(Organisation(tmp_path, "ThiefMSP"))
    thief.name = one.name
    group = config.config.channel_group.groups["Application"].groups["Thief"]
    group.values["MSP"].value = msp_config_pb2.MSPConfig(config=thief.SerializeToString()).SerializeToString()
    with pytest.raises(WireError, match="two organisations call themselves 'OneMSP'"):
        _ = config.msps


def test_a_configuration_is_not_changed_by_being_read() -> None:
    config = ChannelConfig("c", configtx_pb2.Config())
    assert (config.consensus, config.consenters, config.application_organisations) == ("", {}, {})
    assert config.config == configtx_pb2.Config()
