"""Config updates as administrators send them, against the configuration of the channel."""

import os
import shutil

import pytest

from network import runfolder
from network.config_update import compute_update, with_revocation_list
from network.devnet import configtx, genesis
from network.devnet import protos as p
from network.devnet.blocks import new_block, sign_block
from network.devnet.envelopes import channel_header, sign_envelope
from network.devnet.msp import IdentityError
from network.folders import public_parts
from network.identities import identities_of
from network.roster import certificate_of
from network.topology import DEFAULT_DEFINITION, parse_consortium
from network.yaml_lines import PlacedYaml
from tests.unit.devnet.harness import MEMBERS, puts, user

Codes = p.transaction


def admins(chain, *organisations):
    return [user(chain.run, name, "admin") for name in organisations]


def envelope_of(chain, update, signers, channel=None):
    """Return the CONFIG_UPDATE envelope of an update, signed by these."""
    raw = update.SerializeToString()
    signatures = []
    for signer in signers:
        header = p.common.SignatureHeader(creator=signer.serialized, nonce=b"n" * 24).SerializeToString()
        signatures.append(p.configtx.ConfigSignature(signature_header=header, signature=signer.sign(header + raw)))
    content = p.configtx.ConfigUpdateEnvelope(config_update=raw, signatures=signatures)
    header = channel_header(p.common.CONFIG_UPDATE, channel or chain.consortium.channel)
    return sign_envelope(user(chain.run, "hospital-a", "admin"), header, content.SerializeToString())


def change(chain, edit, signers):
    """Return the envelope that asks for an edited copy of the present configuration."""
    original = chain.committer.channel.config
    updated = p.configtx.Config()
    updated.CopyFrom(original)
    edit(updated.channel_group)
    update = compute_update(chain.consortium.channel, original.channel_group, updated.channel_group)
    return envelope_of(chain, update, signers)


def revocation(chain, organisation, name):
    authority = identities_of(chain.consortium, chain.run, organisation).signing
    content = authority.revoke(certificate_of(chain.run, organisation, name), chain.run / f"{organisation}.crl")
    msp_id = chain.consortium.organisation(organisation).msp_id
    return with_revocation_list(chain.committer.channel.config, msp_id, content).channel_group


def revoke(chain, signers, organisation="hospital-b", name="client"):
    group = revocation(chain, organisation, name)
    return change(chain, lambda root: root.CopyFrom(group), signers)


async def apply(chain, envelope):
    """Propose an update and commit the config block that follows from it."""
    config = configtx.propose(chain.committer.channel, envelope)
    return await chain.commit(config_transaction(chain, config))


def config_transaction(chain, config, signer=None):
    header = channel_header(p.common.CONFIG, chain.consortium.channel)
    return sign_envelope(signer or chain.orderer, header, config.SerializeToString(deterministic=True))


async def test_a_revocation_list_in_the_channel_revokes(chain):
    revoked = user(chain.run, "hospital-b")
    early = chain.transaction(puts(a=b"1"), creator=revoked)
    assert await chain.commit(early) == [Codes.VALID]
    assert await apply(chain, revoke(chain, admins(chain, "hospital-b"))) == [Codes.VALID]
    assert await chain.commit(chain.transaction(puts(a=b"2"), creator=revoked)) == [Codes.BAD_CREATOR_SIGNATURE]
    assert chain.committer.channel.config.sequence == 1
    assert chain.committer.config_block == chain.store.height - 2
    with pytest.raises(IdentityError, match="revoked"):
        chain.committer.channel.members.identity(revoked.serialized)


@pytest.mark.parametrize(
    "signers",
    [(), ("hospital-a",), ("regulator",), ("orderer",)],
    ids=["nobody", "another member", "the regulator", "the orderer"],
)
def test_an_organisations_list_needs_its_own_admin(genesis_chain, signers):
    with pytest.raises(configtx.ConfigUpdateError, match=r"\[Value\]  /Channel/Application/HospitalBMSP/MSP"):
        configtx.propose(genesis_chain.committer.channel, revoke(genesis_chain, admins(genesis_chain, *signers)))


def test_a_client_is_no_admin(genesis_chain):
    with pytest.raises(configtx.ConfigUpdateError, match="not satisfied"):
        configtx.propose(
            genesis_chain.committer.channel, revoke(genesis_chain, [user(genesis_chain.run, "hospital-b")])
        )


def test_a_signature_over_something_else_does_not_count(genesis_chain):
    update = revoke(genesis_chain, admins(genesis_chain, "hospital-b"))
    payload = p.common.Payload.FromString(update.payload)
    content = p.configtx.ConfigUpdateEnvelope.FromString(payload.data)
    content.signatures[0].signature = admins(genesis_chain, "hospital-b")[0].sign(b"other")
    payload.data = content.SerializeToString()
    update.payload = payload.SerializeToString()
    with pytest.raises(configtx.ConfigUpdateError, match="not satisfied"):
        configtx.propose(genesis_chain.committer.channel, update)


@pytest.fixture
def wider(genesis_chain):
    """The consortium with one hospital more, its identities in the same run folder."""
    document = PlacedYaml.read(DEFAULT_DEFINITION)
    document.value["organisations"].append({"name": "hospital-e", "role": "member"})
    consortium = parse_consortium(document)
    runfolder.prepare(genesis_chain.run, consortium)
    return consortium


def admission(chain, wider, signers, policies=True):
    organisation = wider.organisation("hospital-e")

    def edit(root):
        application = root.groups["Application"]
        group = genesis.organisation_group(organisation, public_parts(chain.run, organisation.name).msp)
        application.groups[organisation.msp_id].CopyFrom(group)
        if policies:
            members = [member.msp_id for member in wider.members]
            for name, policy in genesis.application_policies(members, wider.threshold).items():
                application.policies[name].policy.CopyFrom(policy)

    return change(chain, edit, admins(chain, *signers))


async def test_a_majority_of_admins_adds_an_organisation(chain, wider):
    assert await apply(chain, admission(chain, wider, MEMBERS[:3])) == [Codes.VALID]
    newcomer = user(chain.run, "hospital-e") if "hospital-e" in chain_names(wider) else None
    assert newcomer is not None
    transaction = chain.transaction(puts(a=b"1"), creator=newcomer, endorsers=(*MEMBERS[:2], "hospital-e"))
    assert await chain.commit(transaction) == [Codes.VALID]
    assert "HospitalEMSP" in {node.msp_id for node in chain.committer.channel.peers}


def chain_names(consortium):
    return {organisation.name for organisation in consortium.organisations}


def test_two_of_four_admins_do_not_add_an_organisation(genesis_chain, wider):
    with pytest.raises(configtx.ConfigUpdateError, match=r"policy for .*/Channel/Application.* not satisfied"):
        configtx.propose(genesis_chain.committer.channel, admission(genesis_chain, wider, MEMBERS[:2]))


def set_batch_timeout(root):
    value = p.orderer_configuration.BatchTimeout(timeout="5s").SerializeToString()
    root.groups["Orderer"].values["BatchTimeout"].value = value


def open_endorsement(root):
    policy = genesis.application_policies(["HospitalAMSP"], 1)["Endorsement"]
    root.groups["Application"].policies["Endorsement"].policy.CopyFrom(policy)


def silence_readers(root):
    del root.groups["Application"].policies["Readers"]


@pytest.mark.parametrize("edit", [set_batch_timeout, open_endorsement, silence_readers])
def test_other_changes_are_refused_with_the_reason_even_if_everyone_signs(genesis_chain, edit):
    everyone = [*admins(genesis_chain, *MEMBERS), user(genesis_chain.run, "orderer", "admin")]
    with pytest.raises(configtx.ConfigUpdateError, match="devnet does not"):
        configtx.propose(genesis_chain.committer.channel, change(genesis_chain, edit, everyone))


async def test_an_organisation_that_a_majority_removes_neither_reads_nor_endorses(chain):
    def expel(root):
        application = root.groups["Application"]
        del application.groups["HospitalDMSP"]
        left = ["HospitalAMSP", "HospitalBMSP", "HospitalCMSP"]
        for name, policy in genesis.application_policies(left, 2).items():
            application.policies[name].policy.CopyFrom(policy)

    expelled = user(chain.run, "hospital-d")
    assert await apply(chain, change(chain, expel, admins(chain, *MEMBERS[:3]))) == [Codes.VALID]
    with pytest.raises(IdentityError, match="HospitalDMSP is not defined on channel"):
        chain.committer.channel.members.identity(expelled.serialized)
    transaction = chain.transaction(puts(a=b"1"), creator=user(chain.run, "hospital-a"), endorsers=MEMBERS[2:4])
    assert await chain.commit(transaction) == [Codes.ENDORSEMENT_POLICY_FAILURE]


async def test_an_organisation_says_itself_where_its_peer_answers(chain):
    def move_peer(root):
        anchor = p.peer_configuration.AnchorPeer(host="elsewhere", port=17999)
        value = p.peer_configuration.AnchorPeers(anchor_peers=[anchor]).SerializeToString()
        root.groups["Application"].groups["HospitalBMSP"].values["AnchorPeers"].value = value

    with pytest.raises(configtx.ConfigUpdateError, match="not satisfied"):
        configtx.propose(chain.committer.channel, change(chain, move_peer, admins(chain, "hospital-a")))
    assert await apply(chain, change(chain, move_peer, admins(chain, "hospital-b"))) == [Codes.VALID]
    assert "elsewhere:17999" in {node.address for node in chain.committer.channel.peers}


def test_an_update_from_an_old_configuration_is_refused(genesis_chain):
    channel = genesis_chain.committer.channel
    stale = revoke(genesis_chain, admins(genesis_chain, "hospital-b"))
    fresh = configtx.propose(channel, stale).config
    newer = type(channel).of(channel.name, fresh)
    with pytest.raises(configtx.ConfigUpdateError, match="attempt to set key"):
        configtx.propose(newer, stale)


def test_an_empty_update_and_one_for_another_channel_are_refused(genesis_chain):
    channel = genesis_chain.committer.channel
    empty = p.configtx.ConfigUpdate(channel_id=channel.name)
    with pytest.raises(configtx.ConfigUpdateError, match="delta set was empty"):
        configtx.propose(channel, envelope_of(genesis_chain, empty, []))
    other = p.configtx.ConfigUpdate(channel_id="other")
    with pytest.raises(configtx.ConfigUpdateError, match="ConfigUpdate for channel 'other'"):
        configtx.propose(channel, envelope_of(genesis_chain, other, []))


def test_a_certificate_authority_that_is_none_is_refused(genesis_chain):
    def edit(root):
        value = root.groups["Application"].groups["HospitalBMSP"].values["MSP"]
        outer = p.msp_config.MSPConfig.FromString(value.value)
        inner = p.msp_config.FabricMSPConfig.FromString(outer.config)
        inner.root_certs[0] = b"no certificate"
        outer.config = inner.SerializeToString()
        value.value = outer.SerializeToString()

    channel = genesis_chain.committer.channel
    envelope = change(genesis_chain, edit, admins(genesis_chain, "hospital-b"))
    with pytest.raises(configtx.ConfigUpdateError, match="the resulting configuration is not valid"):
        configtx.propose(channel, envelope)


async def test_a_config_block_that_does_not_follow_from_its_update_changes_nothing(chain):
    config = configtx.propose(chain.committer.channel, revoke(chain, admins(chain, "hospital-b")))
    config.config.sequence = 7
    assert await chain.commit(config_transaction(chain, config)) == [Codes.INVALID_CONFIG_TRANSACTION]
    assert chain.committer.channel.config.sequence == 0


async def test_a_config_block_made_by_a_reader_changes_nothing(chain):
    config = configtx.propose(chain.committer.channel, revoke(chain, admins(chain, "hospital-b")))
    regulator = user(chain.run, "regulator")
    assert await chain.commit(config_transaction(chain, config, regulator)) == [Codes.BAD_CREATOR_SIGNATURE]
    assert chain.committer.channel.config.sequence == 0


async def test_a_restarted_peer_has_the_new_configuration(chain):
    await apply(chain, revoke(chain, admins(chain, "hospital-b")))
    await chain.commit(chain.transaction(puts(a=b"1")))
    again = type(chain).start(chain.consortium, chain.run)
    assert (1, 2) == (again.committer.channel.config.sequence, again.committer.config_block)
    again.store.close()


def test_what_configtxlator_computes_is_what_we_take(genesis_chain, tmp_path):
    import subprocess

    program = shutil.which("configtxlator", path=os.environ.get("FABRIC_BIN")) or shutil.which("configtxlator")
    if program is None:
        pytest.skip("no Fabric binaries in FABRIC_BIN or PATH")
    original = genesis_chain.committer.channel.config
    updated = p.configtx.Config()
    updated.CopyFrom(original)
    updated.channel_group.CopyFrom(revocation(genesis_chain, "hospital-b", "client"))
    for name, config in (("a", original), ("b", updated)):
        (tmp_path / name).write_bytes(config.SerializeToString())
    command = [program, "compute_update", "--channel_id", genesis_chain.consortium.channel]
    files = [f"--original={tmp_path / 'a'}", f"--updated={tmp_path / 'b'}", f"--output={tmp_path / 'update'}"]
    subprocess.run([*command, *files], check=True, timeout=60, capture_output=True)
    update = p.configtx.ConfigUpdate.FromString((tmp_path / "update").read_bytes())
    envelope = envelope_of(genesis_chain, update, admins(genesis_chain, "hospital-b"))
    assert updated.channel_group.groups["Application"].groups["HospitalBMSP"].values["MSP"].value == (
        configtx.propose(genesis_chain.committer.channel, envelope)
        .config.channel_group.groups["Application"]
        .groups["HospitalBMSP"]
        .values["MSP"]
        .value
    )


async def test_a_config_block_that_was_invalid_is_not_in_force_after_a_restart(chain):
    config = configtx.propose(chain.committer.channel, revoke(chain, admins(chain, "hospital-b")))
    config.config.sequence = 7
    block = new_block(2, chain.store.last_hash, [config_transaction(chain, config).SerializeToString()])
    sign_block(block, chain.orderer, 1, 2)
    await chain.committer.commit(block)
    again = type(chain).start(chain.consortium, chain.run)
    assert (0, 0) == (again.committer.config_block, again.committer.channel.config.sequence)
    again.store.close()
