import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from network import runfolder
from network.errors import NetworkError
from network.fabric.binaries import find_binaries
from network.fabric.channel_definition import PROFILE, channel_definition
from network.fabric.configuration import orderer_configuration, peer_configuration
from network.fabric.package import builder_path, connection_path, write_package
from network.folders import OrganisationFolder, folder_of, package_path
from network.package import locked, write_lock
from network.topology import Consortium, load_consortium

CONSORTIUM = load_consortium()


def application(consortium: Consortium = CONSORTIUM) -> dict:
    return channel_definition(consortium, Path("/run"))["Profiles"][PROFILE]["Application"]


def fake_peer(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("peer", "orderer", "configtxgen"):
        (folder / name).write_text(f"#!/bin/sh\necho '{text}'\n")
        (folder / name).chmod(0o755)


def test_members_write_endorse_and_govern_and_the_regulator_only_reads():
    policies = application()["Policies"]
    assert policies["Readers"] == {"Type": "ImplicitMeta", "Rule": "ANY Readers"}
    for name in ("Writers", "Admins", "LifecycleEndorsement", "Endorsement"):
        assert "RegulatorMSP" not in policies[name]["Rule"]
        assert "HospitalDMSP" in policies[name]["Rule"]


@pytest.mark.parametrize(("endorsement", "threshold"), [("majority", 3), (2, 2), (4, 4)])
def test_the_endorsement_policy_asks_for_the_threshold(endorsement, threshold):
    consortium = CONSORTIUM.model_copy(update={"endorsement": endorsement})
    policies = application(consortium)["Policies"]
    members = ", ".join(f"'Hospital{letter}MSP.peer'" for letter in "ABCD")
    assert policies["Endorsement"]["Rule"] == f"OutOf({threshold}, {members})"
    assert policies["Admins"]["Rule"].startswith("OutOf(3, ")


def test_readers_may_evaluate():
    assert application()["ACLs"]["peer/Propose"] == "/Channel/Application/Readers"


def test_every_orderer_is_a_consenter_with_its_own_certificates():
    mapping = channel_definition(CONSORTIUM, Path("/run"))["Profiles"][PROFILE]["Orderer"]["ConsenterMapping"]
    assert [c["ID"] for c in mapping] == [1, 2, 3, 4]
    assert (
        mapping[2]["Identity"] == "/run/orgs/orderer/consortium/orgs/orderer/orderers/orderer3/msp/signcerts/cert.pem"
    )


ORGANISATIONS = [{"name": name, "role": "member", "orderers": 1} for name in ("bank-a", "bank-b", "bank-c")]
ORGANISATIONS.append({"name": "ordering", "role": "orderer"})
OWN = OrganisationFolder(Path("/own"), "hospital-a")
ORDERERS = OrganisationFolder(Path("/own"), "orderer")
SEVERAL = Consortium.model_validate({"organisations": ORGANISATIONS})


def test_every_organisation_with_orderers_is_one_of_the_channels_orderers():
    ordering = channel_definition(SEVERAL, Path("/run"))["Profiles"][PROFILE]["Orderer"]
    assert [o["Name"] for o in ordering["Organizations"]] == ["BankAMSP", "BankBMSP", "BankCMSP", "OrderingMSP"]
    assert [o["OrdererEndpoints"] for o in ordering["Organizations"]] == [[o.address] for _, o in SEVERAL.orderers]
    assert [(c["ID"], c["MSPID"]) for c in ordering["ConsenterMapping"]] == [
        (1, "BankAMSP"),
        (2, "BankBMSP"),
        (3, "BankCMSP"),
        (4, "OrderingMSP"),
    ]
    assert len(application(SEVERAL)["Organizations"]) == 3


def test_an_orderer_trusts_the_tls_roots_of_all_orderers_and_the_admins_of_its_own_organisation():
    organisation, orderer = SEVERAL.orderers[1]
    made = orderer_configuration(SEVERAL, OrganisationFolder(Path("/own"), organisation.name), orderer)
    assert made["General"]["LocalMSPID"] == "BankBMSP"
    roots = [f"/own/consortium/orgs/{name}/tlsca/cert.pem" for name in ("bank-a", "bank-b", "bank-c", "ordering")]
    assert made["General"]["Cluster"]["RootCAs"] == roots
    assert made["Admin"]["TLS"]["ClientRootCAs"] == ["/own/secrets/orderers/orderer1.bank-b/tls/ca.crt"]


def test_time_window_and_batch_interval_come_from_the_definition():
    consortium = CONSORTIUM.model_copy(update={"time_window_s": 90, "batch_interval_ms": 250})
    peer = peer_configuration(consortium, OWN, consortium.members[0])["peer"]
    assert peer["authentication"] == {"timewindow": "90s"}
    assert {"name": "TimeWindowCheck"} in peer["handlers"]["authFilters"]
    ordering = channel_definition(consortium, Path("/run"))["Profiles"][PROFILE]["Orderer"]
    assert ordering["SmartBFT"]["RequestBatchMaxInterval"] == "250ms"


def test_everything_listens_on_its_own_host_with_tls():
    orderer = orderer_configuration(CONSORTIUM, ORDERERS, CONSORTIUM.orderers[0][1])
    assert orderer["General"]["ListenAddress"] == "127.0.0.1"
    assert orderer["General"]["TLS"]["Enabled"]
    assert orderer["Admin"]["TLS"]["ClientAuthRequired"]
    peer = peer_configuration(CONSORTIUM, OWN, CONSORTIUM.members[0])["peer"]
    assert peer["listenAddress"] == "127.0.0.1:17041"
    assert peer["tls"]["enabled"]


def test_operations_listen_on_loopback_alone_whatever_the_host():
    definition = CONSORTIUM.model_dump()
    for organisation in definition["organisations"]:
        for node in (*organisation["peers"], *organisation["orderers"]):
            node["host"] = "node.example.org"
    consortium = Consortium.model_validate(definition)
    operations = peer_configuration(consortium, OWN, consortium.members[0])["operations"]
    assert operations["listenAddress"].startswith("127.0.0.1:")
    assert operations["tls"]["enabled"]
    orderer = orderer_configuration(consortium, ORDERERS, consortium.orderers[0][1])["Operations"]
    assert orderer["ListenAddress"].startswith("127.0.0.1:")
    assert orderer["TLS"]["Enabled"]


def test_the_builder_hands_each_peer_its_own_connection(tmp_path):
    runfolder.prepare(tmp_path, CONSORTIUM)
    program = tmp_path / "chaincode-abc"
    program.write_bytes(b"a program")
    member = CONSORTIUM.members[1]
    own = folder_of(tmp_path, member.name)
    write_lock(own.root, locked(CONSORTIUM, program))
    write_package(CONSORTIUM, own)
    source, metadata, output, release = (tmp_path / n for n in ("source", "metadata", "output", "release"))
    for folder in (source, metadata, output, release):
        folder.mkdir()
    with tarfile.open(package_path(own.root)) as archive:
        archive.extract("metadata.json", metadata, filter="data")
    scripts = builder_path(own.root) / "bin"
    environment = {"PATH": "/usr/bin:/bin", "FEDLEDGER_CONNECTION": str(connection_path(own))}
    subprocess.run([scripts / "detect", source, metadata], check=True, env=environment)
    subprocess.run([scripts / "build", source, metadata, output], check=True, env=environment)
    subprocess.run([scripts / "release", output, release], check=True, env=environment)
    connection = json.loads((release / "chaincode" / "server" / "connection.json").read_text())
    assert connection["address"] == "127.0.0.1:17052"
    assert connection["client_auth_required"]
    (metadata / "metadata.json").write_text('{"type":"golang"}')
    assert subprocess.run([scripts / "detect", source, metadata], check=False, env=environment).returncode == 1


@pytest.mark.parametrize("version", ["v3.1.5", "3.1.7"])
def test_a_supported_version_is_found_in_fabric_bin(tmp_path, monkeypatch, version):
    fake_peer(tmp_path, f"peer:\n Version: {version}")
    monkeypatch.setenv("FABRIC_BIN", str(tmp_path))
    assert find_binaries("bft").folder == tmp_path


@pytest.mark.parametrize("version", ["v3.1.4", "v3.0.0", "v2.5.12", "v3.2.0", "development"])
def test_an_unsupported_version_is_refused(tmp_path, monkeypatch, version):
    fake_peer(tmp_path, f"peer:\n Version: {version}")
    monkeypatch.setenv("FABRIC_BIN", str(tmp_path))
    with pytest.raises(NetworkError, match=r"FL1051: this Fabric is .*3\.1\.5"):
        find_binaries("bft")


@pytest.mark.parametrize("version", ["v2.5.12", "2.5.16", "v3.1.5"])
def test_raft_runs_on_the_long_supported_release_too(tmp_path, monkeypatch, version):
    fake_peer(tmp_path, f"peer:\n Version: {version}")
    monkeypatch.setenv("FABRIC_BIN", str(tmp_path))
    assert find_binaries("raft").folder == tmp_path


@pytest.mark.parametrize("version", ["v2.5.11", "v2.4.9", "v3.1.4", "v3.0.0"])
def test_an_early_release_is_refused_for_raft_too(tmp_path, monkeypatch, version):
    fake_peer(tmp_path, f"peer:\n Version: {version}")
    monkeypatch.setenv("FABRIC_BIN", str(tmp_path))
    with pytest.raises(NetworkError, match=r"FL1051: this Fabric is .*3\.1\.5 or a later 3\.1 or 2\.5\.12 or"):
        find_binaries("raft")


def test_a_release_without_bft_says_which_line_of_the_definition_makes_it_fit(tmp_path, monkeypatch):
    fake_peer(tmp_path, "peer:\n Version: v2.5.16")
    monkeypatch.setenv("FABRIC_BIN", str(tmp_path))
    with pytest.raises(NetworkError, match=r"2\.5\.16, which orders by Raft alone .*`ordering: raft`"):
        find_binaries("bft")


def test_one_line_of_the_definition_makes_a_raft_channel_that_fabric_2_5_can_read():
    raft = CONSORTIUM.model_copy(update={"ordering": "raft"})
    made = channel_definition(raft, Path("/run"))["Profiles"][PROFILE]
    ordering = made["Orderer"]
    assert (made["Capabilities"], ordering["OrdererType"]) == ({"V2_0": True}, "etcdraft")
    assert "ConsenterMapping" not in ordering
    consenters = ordering["EtcdRaft"]["Consenters"]
    assert [c["Port"] for c in consenters] == [o.port for _, o in raft.orderers]
    assert (
        consenters[2]["ServerTLSCert"] == "/run/orgs/orderer/consortium/orgs/orderer/orderers/orderer3/tls/server.crt"
    )
    assert ordering["Organizations"][0]["Policies"]["Writers"]["Rule"] == "OutOf(1, 'OrdererMSP.orderer')"


def test_only_peers_of_fabric_3_look_at_a_transactions_time_themselves():
    for version, looks in (((2, 5, 16), False), ((3, 1, 5), True)):
        peer = peer_configuration(CONSORTIUM, OWN, CONSORTIUM.members[0], version)["peer"]
        assert ({"name": "TimeWindowCheck"} in peer["handlers"]["authFilters"]) is looks


def test_missing_programs_are_named(tmp_path, monkeypatch):
    fake_peer(tmp_path, "Version: v3.1.5")
    (tmp_path / "orderer").unlink()
    monkeypatch.setenv("FABRIC_BIN", str(tmp_path))
    with pytest.raises(NetworkError, match=r"FL1050: Fabric's orderer cannot be found.*install-fabric"):
        find_binaries("bft")


def test_programs_are_found_on_the_path(tmp_path, monkeypatch):
    fake_peer(tmp_path, "Version: v3.1.5")
    monkeypatch.delenv("FABRIC_BIN", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_binaries("bft").version == (3, 1, 5)


def test_a_peer_waits_for_the_peers_to_which_it_brings_private_data():
    """Without a time for that, or with none, Fabric refuses to endorse what must reach another organisation's peer."""
    shared = peer_configuration(CONSORTIUM, OWN, CONSORTIUM.members[0])["peer"]["gossip"]["pvtData"]
    assert shared["pushAckTimeout"] == "3s"
