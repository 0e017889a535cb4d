"""Kinds of change, one by one, on a configuration that no network runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2

from network import runfolder
from network.ca.builtin import Authority
from network.devnet.genesis import channel_group
from network.errors import NetworkError
from network.export import export
from network.folders import folder_of, public_parts
from network.identities import identities_of
from network.orderer_update import orderer_addresses
from network.rotation import stage, staged_certificate
from network.topology import Consortium
from network.update.authorities import FIELDS, fingerprint, follow_authority, read_authority
from network.update.changes import (
    AddAuthority,
    AddOrderer,
    AddOrganisation,
    Change,
    MovePeers,
    RemoveAuthority,
    RemoveOrderer,
    RemoveOrganisation,
    Revoke,
    RotateOrderer,
)
from network.update.definition import followed
from network.update.file import UpdateFile
from network.update.places import peer_addresses
from network.update.signers import Missing, signers
from network.update.words import places, sentences

NAMES = ("bank-a", "bank-b", "bank-c")
CONSORTIUM = Consortium.model_validate({"organisations": [{"name": n, "role": "member", "orderers": 1} for n in NAMES]})
CHANNEL = CONSORTIUM.channel


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consortium")
    runfolder.prepare(folder, CONSORTIUM)
    return folder


@pytest.fixture(params=["bft", "raft"])
def config(run: Path, request: pytest.FixtureRequest) -> configtx_pb2.Config:
    """A channel in which bank-a alone has an orderer yet."""
    group = channel_group(CONSORTIUM.model_copy(update={"ordering": request.param}), run)
    return configtx_pb2.Config(sequence=3, channel_group=group)


def exported(run: Path, name: str) -> dict[str, object]:
    return export(folder_of(run, name), CONSORTIUM.organisation(name)).as_json()


def orderer(run: Path, name: str) -> AddOrderer:
    return AddOrderer(export=exported(run, name), name=f"orderer1.{name}")


def refusal(step: Callable[[], object]) -> str:
    with pytest.raises(NetworkError) as caught:
        step()
    return caught.value.code


def test_an_orderer_is_added_by_its_organisations_export_and_replaces_another(run: Path, config):
    add = orderer(run, "bank-b")
    changed = add.apply(config)
    (first, second) = orderer_addresses(changed)
    assert second == add.consenter.address
    assert refusal(lambda: add.apply(changed)) == "FL1153"
    left = RemoveOrderer(address=first).apply(changed)
    assert orderer_addresses(left) == [second]
    assert refusal(lambda: RemoveOrderer(address=first).apply(left)) == "FL1153"
    assert refusal(lambda: RemoveOrderer(address=second).apply(left)) == "FL1154"
    unknown = add.model_copy(update={"name": "orderer9.bank-b"})
    assert refusal(lambda: unknown.apply(config)) == "FL1154"


def rotated(run: Path, name: str, at: str = "bank-a") -> RotateOrderer:
    """New certificates that one organisation issues for its orderer, for the place of another's."""
    identities = identities_of(CONSORTIUM, run, name)
    signing, tls = stage(identities, f"orderer1.{name}", new_key=True)
    texts = [staged_certificate(identities, f"orderer1.{name}", each).decode() for each in (signing, tls)]
    (place,) = CONSORTIUM.organisation(at).orderers
    return RotateOrderer(address=place.address, certificate=texts[0], tls_certificate=texts[1])


def test_an_orderer_gets_new_certificates_of_its_own_organisation_and_keeps_its_place(run: Path, config):
    rotate = rotated(run, "bank-a")
    changed = rotate.apply(config)
    assert orderer_addresses(changed) == orderer_addresses(config)
    assert refusal(lambda: rotate.apply(changed)) == "FL1153"
    assert any(line.endswith("/Orderer/ConsensusType changes") for line in places(config, changed)) == raft(config)
    (missing,) = {each.count for each in signers(config, UpdateFile.of(CHANNEL, config, rotate)).missing}
    assert missing == 2
    for place in ("bank-b", "bank-a"):  # bank-b has no orderer in this channel, and no certificate of bank-a's
        assert refusal(lambda place=place: rotated(run, "bank-b", place).apply(config)) == "FL1154"
    for wrong in (
        {"certificate": peer_of(run, "bank-a")},
        {"tls_certificate": rotate.certificate},
        {"certificate": "?"},
    ):
        assert refusal(lambda wrong=wrong: rotate.model_copy(update=wrong).apply(config)) == "FL1154", wrong


def raft(config) -> bool:
    return "Orderers" not in config.channel_group.groups["Orderer"].values


def peer_of(run: Path, name: str) -> str:
    return (folder_of(run, name).peer() / "msp/signcerts/cert.pem").read_text()


def test_an_orderers_organisation_keeps_the_msp_that_the_channel_has(run: Path, config):
    """Its export may be of before a revocation: the channel refuses two MSPs under one name."""
    bank = identities_of(CONSORTIUM, run, "bank-b")
    listed = bank.tls.revoke_numbers([7], run / "later.pem").decode()
    revoked = Revoke(organisation="BankBMSP", lists=[listed]).apply(config)
    groups = orderer(run, "bank-b").apply(revoked).channel_group.groups
    assert groups["Orderer"].groups["BankBMSP"].values["MSP"] == groups["Application"].groups["BankBMSP"].values["MSP"]


def test_an_organisation_that_orders_or_is_one_of_three_members_does_not_go(run: Path, config):
    assert refusal(lambda: RemoveOrganisation(organisation="BankAMSP", endorsement=2).apply(config)) == "FL1154"
    assert refusal(lambda: RemoveOrganisation(organisation="BankBMSP", endorsement=2).apply(config)) == "FL1154"
    assert refusal(lambda: RemoveOrganisation(organisation="BankZMSP", endorsement=2).apply(config)) == "FL1153"


def test_a_revocation_is_for_ever_and_only_of_ones_own(run: Path, config, tmp_path: Path):
    authority = Authority(folder_of(run, "bank-a").secrets / "tlsca")
    one = authority.revoke_numbers([5], tmp_path / "one").decode()
    more = authority.revoke_numbers([6], tmp_path / "one").decode()
    other = authority.revoke_numbers([6], tmp_path / "other").decode()
    first = Revoke(organisation="BankAMSP", lists=[one])
    revoked = first.apply(config)
    assert first.new(config) == [5]
    assert Revoke(organisation="BankAMSP", lists=[more]).new(revoked) == [6]
    assert refusal(lambda: Revoke(organisation="BankAMSP", lists=[other]).apply(revoked)) == "FL1154"
    assert refusal(lambda: Revoke(organisation="BankBMSP", lists=[one]).apply(config)) == "FL1154"
    assert refusal(lambda: Revoke(organisation="BankZMSP", lists=[one]).apply(config)) == "FL1154"
    assert refusal(lambda: Revoke(organisation="BankAMSP", lists=["rubbish"]).apply(config)) == "FL1154"
    assert refusal(lambda: UpdateFile.of(CHANNEL, revoked, first)) == "FL1153"


@pytest.mark.parametrize("purpose", ["identities", "tls"])
def test_an_authority_is_added_beside_the_old_and_the_last_root_stays(run: Path, config, tmp_path: Path, purpose):
    authority = Authority.create(tmp_path / "new", "bank-a", "new.bank-a")
    authority.begin_list(tmp_path / "list")
    listed = [(tmp_path / "list").read_text()]
    own = {"organisation": "BankAMSP", "purpose": purpose}
    add = AddAuthority(**own, certificate=authority.certificate_pem.decode(), lists=listed)
    changed = add.apply(config)
    assert refusal(lambda: add.apply(changed)) == "FL1153"
    folder = public_parts(run, "bank-a").msp / ("tlscacerts" if purpose == "tls" else "cacerts")
    old = next(iter(folder.glob("*.pem"))).read_text()
    gone = removal(old, **own)
    assert refusal(lambda: gone.apply(config)) == "FL1154"
    left = gone.apply(changed)
    assert refusal(lambda: gone.apply(left)) == "FL1153"
    msp = tmp_path / "msp"
    (msp / folder.name).mkdir(parents=True)
    (msp / folder.name / "ca.pem").write_text(old)
    follow_authority(msp, add)
    follow_authority(msp, add)
    assert len(list((msp / folder.name).iterdir())) == 2
    follow_authority(msp, gone)
    (remaining,) = (msp / folder.name).iterdir()
    assert remaining.read_bytes() == authority.certificate_pem


def removal(certificate: str, **own: str) -> RemoveAuthority:
    return RemoveAuthority(**own, sha256=fingerprint(read_authority(certificate)))


def test_peers_move_and_everybodys_definition_follows(config):
    move = MovePeers(organisation="BankBMSP", addresses=["elsewhere.test:7051"])
    assert peer_addresses(move.apply(config), "BankBMSP") == [("elsewhere.test", 7051)]
    moved = followed(CONSORTIUM, move).organisation("bank-b").peer
    assert (moved.address, moved.name) == ("elsewhere.test:7051", "peer0.bank-b")
    for addresses in ([], ["no address"], ["host:port"]):
        assert refusal(lambda a=addresses: move.model_copy(update={"addresses": a}).apply(config)) == "FL1154"


def test_the_definition_follows_orderers(run: Path):
    narrow = followed(CONSORTIUM, RemoveOrderer(address=CONSORTIUM.organisation("bank-c").orderers[0].address))
    assert [o.name for o in narrow.orderer_organisations] == ["bank-a", "bank-b"]
    wide = followed(narrow, orderer(run, "bank-c"))
    assert wide == CONSORTIUM
    assert followed(wide, orderer(run, "bank-c")) == wide


def test_who_has_to_sign_follows_from_the_channels_own_policies(run: Path, config):
    def missing(change: Change) -> tuple[Missing, ...]:
        return signers(config, UpdateFile.of(CHANNEL, config, change)).missing

    found = {each.policy: (each.count, each.of) for each in missing(orderer(run, "bank-b"))}
    assert found == {
        "/Channel/Orderer/Admins": (2, ("BankAMSP", "BankBMSP", "BankCMSP")),
        "/Channel/Orderer/BankBMSP/Admins": (1, ("BankBMSP",)),
    }
    (moving,) = missing(MovePeers(organisation="BankCMSP", addresses=["elsewhere.test:7051"]))
    assert (moving.policy, moving.count, moving.of) == ("/Channel/Application/BankCMSP/Admins", 1, ("BankCMSP",))


def test_a_file_says_every_change_in_words(run: Path, config):
    changes: dict[str, Change] = {
        "adds the orderer orderer1.bank-b of bank-b": orderer(run, "bank-b"),
        "the peers of BankCMSP answer at elsewhere.test:7051": MovePeers(
            organisation="BankCMSP", addresses=["elsewhere.test:7051"]
        ),
        "the orderer of BankAMSP at ": rotated(run, "bank-a"),
    }
    for words, change in changes.items():
        assert next(sentences(change, config, str)).startswith(words)
        assert places(config, change.apply(config))


@pytest.mark.parametrize(
    ("sequence", "hint"),
    [(2, "Your peer is behind: try again once it has caught up."), (4, "Have it proposed again, and sign it anew.")],
    ids=["before", "after"],
)
def test_a_file_of_another_configuration_says_whether_the_peer_is_behind_or_the_file(config, sequence, hint):
    move = MovePeers(organisation="BankCMSP", addresses=["elsewhere.test:7051"])
    file = UpdateFile.of(CHANNEL, config, move)
    now = configtx_pb2.Config(sequence=sequence, channel_group=config.channel_group)
    now.channel_group.groups["Application"].groups["BankCMSP"].version += 1
    with pytest.raises(NetworkError) as caught:
        file.require_honest(CHANNEL, now)
    assert (caught.value.code, caught.value.hint) == ("FL1151", hint)


def test_what_is_no_file_is_refused(run: Path, config):
    made = UpdateFile.of(CHANNEL, config, MovePeers(organisation="BankCMSP", addresses=["elsewhere.test:7051"]))
    assert UpdateFile.parse(made.dump()) == made
    value = json.loads(made.dump())
    broken = [b"", b"[]", b"\xff", b"[" * 100_000, b"x" * (5 << 20)]
    for part, other in (("change", {"kind": "make-tea"}), ("update", "zz"), ("sequence", "x"), ("signatures", [1])):
        broken.append(json.dumps(value | {part: other}).encode())
    broken.append(json.dumps(value | {"change": value["change"] | {"more": 1}}).encode())
    for raw in broken:
        assert refusal(lambda raw=raw: UpdateFile.parse(raw)) == "FL1150"


def test_a_newcomers_export_that_was_changed_is_in_no_file(run: Path, config):
    value = exported(run, "bank-b")
    value["content"]["entry"]["host"] = "elsewhere"  # type: ignore[index]
    add = AddOrganisation(export=value, endorsement=2)
    assert refusal(lambda: add.apply(config)) == "FL1102"
    assert refusal(lambda: AddOrganisation(export={}, endorsement=2).apply(config)) == "FL1101"


def test_every_place_of_an_authority_is_one_that_an_msp_has():
    known = {field.name for field in msp_config_pb2.FabricMSPConfig.DESCRIPTOR.fields}
    assert set(FIELDS.values()) <= known
