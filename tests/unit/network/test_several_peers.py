"""An organisation with several peers: names, keys, configuration and units of each; with one peer all is as it was."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from fabric_protos.peer import configuration_pb2

from network import identities
from network.checked import read_checked
from network.connection import profile
from network.devnet.genesis import organisation_group
from network.devnet_plan import devnet_plan
from network.fabric.channel_definition import PROFILE, channel_definition
from network.fabric.configuration import peer_configuration
from network.fabric.package import connection_path, write_package
from network.folders import OrganisationFolder, definition_path, folder_of, public_parts
from network.organisation import here
from network.package import locked, write_lock
from network.plan import Plan
from network.runfolder import prepare
from network.topology import DEFAULT_DEFINITION, Consortium, dump_consortium, load_consortium
from network.units.keys import require_own_keys
from network.units.model import Wishes, units_of
from network.units.monitoring import monitoring_files
from network.units.output import plan_at
from network.units.places import Places

KEPT = Path(__file__).with_name("one_peer")
NAME = "hospital-a"
OWN = OrganisationFolder(Path("/run"), NAME)


def with_peers(peers: object, role: str = "member") -> Consortium:
    """The default consortium, in which hospital-a says this of its peers."""
    raw = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    (own,) = [each for each in raw["organisations"] if each["name"] == NAME]
    own.update(peers=peers, role=role)
    return Consortium.model_validate(raw)


@pytest.fixture(scope="module")
def consortium() -> Consortium:
    return with_peers(2)


@pytest.fixture(scope="module")
def run(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with everybody's keys, of a network that does not run."""
    folder = tmp_path_factory.mktemp("several") / "run"
    prepare(folder, consortium, "fabric")
    program = folder / "chaincode-abc"
    program.write_bytes(b"a program")
    for organisation, own in here(folder, consortium):
        write_lock(own.root, locked(consortium, program))
        if organisation.role == "member":
            write_package(consortium, own)
    return folder


def test_with_one_peer_every_name_port_and_folder_is_as_it_was():
    consortium = load_consortium(KEPT / "consortium.yaml")
    assert consortium == load_consortium()
    folders = [OrganisationFolder(KEPT / "orgs" / o.name, o.name) for o in consortium.organisations]
    plan = devnet_plan(consortium, folders, Path("/programs/chaincode-0"), "fedledger:0")
    before = Plan.read(KEPT)
    assert [p.name for p in plan.processes] == [p.name for p in before.processes]
    for process, kept in zip(plan.processes, before.processes, strict=True):
        command = tuple("/programs/python" if word == sys.executable else word for word in process.command)
        assert process.environment.items() >= kept.environment.items()
        assert {**vars(process), "command": command, "environment": kept.environment} == vars(kept)


def test_each_of_several_peers_has_a_name_and_ports_of_its_own(consortium, tmp_path):
    assert [peer.name for peer in consortium.organisation(NAME).peers] == ["peer0.hospital-a", "peer1.hospital-a"]
    ports = [port for _, _, port in consortium.ports()]
    assert len(ports) == len(set(ports))
    assert consortium.organisation(NAME).peer == load_consortium().organisation(NAME).peer
    (tmp_path / "again.yaml").write_text(dump_consortium(consortium))
    assert load_consortium(tmp_path / "again.yaml") == consortium
    assert [p.address for p in read_checked(tmp_path / "again.yaml").organisation(NAME).peers] == [
        peer.address for peer in consortium.organisation(NAME).peers
    ]


def test_a_list_says_of_each_peer_where_it_is():
    peers = with_peers([{"host": "one.example.org"}, {"host": "two.example.org", "listen": "0.0.0.0", "port": 9000}])
    first, second = peers.organisation(NAME).peers
    assert (first.host, first.bound, second.address, second.bound) == (
        "one.example.org",
        "one.example.org",
        "two.example.org:9000",
        "0.0.0.0",
    )
    assert second.chaincode_port != first.chaincode_port


def test_a_regulator_may_have_several_peers_and_no_chaincode_process():
    consortium = with_peers(3, "regulator")
    plan = devnet_plan(consortium, [OWN], Path("/programs/chaincode-0"), "fedledger:0")
    assert [p.name for p in plan.processes] == ["peer-hospital-a", "peer1-hospital-a", "peer2-hospital-a"]


def test_each_peer_and_its_chaincode_process_have_keys_of_their_own(consortium, run):
    own, shown = folder_of(run, NAME), []
    for number, peer in enumerate(consortium.organisation(NAME).peers):
        signing = x509.load_pem_x509_certificate((own.peer(number) / "msp/signcerts/cert.pem").read_bytes())
        assert f"CN={peer.name}" in signing.subject.rfc4514_string()
        shown += [(folder / "server.crt").read_bytes() for folder in (own.peer(number) / "tls", own.chaincode(number))]
    assert len(set(shown)) == 4


def test_a_peer_more_gets_keys_and_nobody_elses_change(run, tmp_path):
    prepare(tmp_path, load_consortium())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.pem")}
    identities.create(with_peers(2), tmp_path)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*.pem")}
    assert {path: after[path] for path in before} == before
    assert {path.relative_to(folder_of(tmp_path, NAME).secrets).parts[:2] for path in after.keys() - before.keys()} == {
        ("peers", "peer1")
    }


def test_everybody_is_told_every_peer_when_the_channel_begins(consortium, run):
    ports = [peer.port for peer in consortium.organisation(NAME).peers]
    organisations = channel_definition(consortium, run)["Profiles"][PROFILE]["Application"]["Organizations"]
    (own,) = [each for each in organisations if each["Name"] == "HospitalAMSP"]
    assert [anchor["Port"] for anchor in own["AnchorPeers"]] == ports
    group = organisation_group(consortium.organisation(NAME), public_parts(run, NAME).msp)
    anchors = configuration_pb2.AnchorPeers.FromString(group.values["AnchorPeers"].value).anchor_peers
    assert [anchor.port for anchor in anchors] == ports


def test_peers_of_one_organisation_pull_blocks_themselves_and_meet_each_other(consortium):
    own = consortium.organisation(NAME)
    first, second = (peer_configuration(consortium, OWN, own, number=number)["peer"] for number in (0, 1))
    for configured, other in ((first, own.peers[1]), (second, own.peers[0])):
        gossip = configured["gossip"]
        assert gossip["bootstrap"] == [other.address]
        assert (gossip["orgLeader"], gossip["useLeaderElection"], gossip["state"]["enabled"]) == (True, False, False)
        # What the organisation approved is private data: a peer that was away asks the other for it.
        assert gossip["pvtData"]["reconciliationEnabled"]
        assert gossip["pvtData"]["pullRetryThreshold"] == "30s"
    assert first["fileSystemPath"] != second["fileSystemPath"]
    assert first["mspConfigPath"] != second["mspConfigPath"]
    alone = peer_configuration(consortium, OWN, consortium.organisation("hospital-b"))["peer"]["gossip"]
    assert alone["bootstrap"] == [consortium.organisation("hospital-b").peer.address]
    assert not alone["pvtData"]["reconciliationEnabled"]


def test_each_peer_dials_the_chaincode_process_beside_it(consortium, run):
    for number, peer in enumerate(consortium.organisation(NAME).peers):
        connection = json.loads(connection_path(folder_of(run, NAME), number).read_text())
        assert connection["address"] == f"127.0.0.1:{peer.chaincode_port}"
        assert connection["client_cert"] == (folder_of(run, NAME).peer(number) / "tls" / "server.crt").read_text()


def test_a_client_knows_its_organisations_peers_in_order_and_no_other(consortium, run):
    assert definition_path(run).exists()
    assert [address for address, _ in profile(run, NAME).peers] == [
        peer.address for peer in consortium.organisation(NAME).peers
    ]
    assert len(profile(run, "hospital-b").peers) == 1


def test_figures_of_each_host_are_scraped_there(consortium, run):
    value = consortium.model_dump(mode="json")
    own = next(each for each in value["organisations"] if each["name"] == NAME)
    own["peers"][1]["host"] = "second.example.org"
    spread, places = Consortium.model_validate(value), Places()
    plan = plan_at(spread, "fabric", NAME, places, "chaincode-0", "fedledger:id")
    files = monitoring_files(NAME, units_of(spread, plan, NAME, places, Wishes()), places)
    scraped = {
        name: [t["labels"]["process"] for job in yaml.safe_load(text)["scrape_configs"] for t in job["static_configs"]]
        for name, text in files.items()
        if "prometheus" in name
    }
    assert scraped == {
        "monitoring/prometheus-127.0.0.1.yaml": ["node-hospital-a", "peer-hospital-a"],
        "monitoring/prometheus-second.example.org.yaml": ["peer1-hospital-a"],
    }


def test_each_peer_is_a_unit_with_its_own_keys_and_its_figures_are_scraped(consortium, run):
    places = Places(folder_of(run, NAME).root)
    plan = plan_at(consortium, "fabric", NAME, places, "chaincode-0", "fedledger:id")
    units = {unit.name: unit for unit in units_of(consortium, plan, NAME, places, Wishes())}
    assert [name for name in units if "1" in name] == ["peer1-hospital-a", "chaincode1-hospital-a"]
    assert units["peer1-hospital-a"].after == ("chaincode1-hospital-a",)
    assert not {*units["peer-hospital-a"].keys} & {*units["peer1-hospital-a"].keys}
    assert units["peer-hospital-a"].connection != units["peer1-hospital-a"].connection
    require_own_keys(places.folder, NAME, tuple(units.values()), places.folder)
    jobs = yaml.safe_load(monitoring_files(NAME, list(units.values()), places)["monitoring/prometheus.yaml"])
    (fabric,) = [job for job in jobs["scrape_configs"] if job["job_name"] == "fabric"]
    assert [target["labels"]["process"] for target in fabric["static_configs"]] == [
        "peer-hospital-a",
        "peer1-hospital-a",
    ]
