"""What processes listen on and what others dial: names, IPv6, and addresses that only the own host knows."""

import ipaddress
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from network.addresses import join
from network.bringup import Request, down, up
from network.checked import read_checked
from network.connection import profile
from network.errors import NetworkError
from network.fabric.configuration import orderer_configuration, peer_configuration
from network.fabric.plan import fabric_plan
from network.folders import OrganisationFolder, folder_of
from network.topology import Consortium, dump_consortium, load_consortium
from tests.ports import free_ports
from tests.unit.network.conftest import FABRIC, contract_of, quiet

MEMBERS = ("hospital-a", "hospital-b", "hospital-c")


def organisations_at(**place: str) -> list[dict[str, object]]:
    """Three members, the first of which orders."""
    made: list[dict[str, object]] = [{"name": name, "role": "member", **place} for name in MEMBERS]
    made[0]["orderers"] = [{"listen": "0.0.0.0"}] if place.get("listen") == "::" else 1
    return made


def consortium_at(**place: str) -> Consortium:
    return Consortium.model_validate({"organisations": organisations_at(**place)})


def test_an_ipv6_address_stands_in_brackets_wherever_a_port_follows():
    consortium = consortium_at(host="2001:db8::7")
    assert join("2001:db8::7", 1) == "[2001:db8::7]:1"
    assert consortium.members[1].peer.address == "[2001:db8::7]:17021"
    assert consortium.orderers[0][1].address.startswith("[2001:db8::7]:")
    assert consortium.blob_services["hospital-b"] == "https://[2001:db8::7]:17024"


@pytest.mark.parametrize("host", ["::zz", "[::1]", "1:2", "a b", "host:7051", ""])
def test_what_is_neither_name_nor_address_is_no_host(host):
    with pytest.raises(ValueError, match="host"):
        consortium_at(host=host)


def test_what_an_organisation_listens_on_holds_for_its_peers_orderers_and_blobs(tmp_path):
    consortium = consortium_at(host="fl.example.org", listen="0.0.0.0")
    organisation, orderer = consortium.orderers[0]
    for node in (organisation.peer, orderer):
        assert (node.host, node.bound, node.near) == ("fl.example.org", "0.0.0.0", "127.0.0.1")
        assert node.address.startswith("fl.example.org:")
    assert organisation.bound == "0.0.0.0"
    (tmp_path / "consortium.yaml").write_text(dump_consortium(consortium))
    assert load_consortium(tmp_path / "consortium.yaml") == consortium
    plain = read_checked(tmp_path / "consortium.yaml").members[1]
    assert (plain.peer.bound, plain.peer.near) == ("0.0.0.0", "127.0.0.1")


def test_fabrics_processes_bind_one_address_and_tell_others_the_other():
    consortium = consortium_at(host="fl.example.org", listen="::")
    peer = peer_configuration(consortium, OrganisationFolder(Path("/own"), "hospital-a"), consortium.members[0])["peer"]
    assert (peer["listenAddress"], peer["address"]) == ("[::]:17001", "fl.example.org:17001")
    assert peer["gossip"]["externalEndpoint"] == "fl.example.org:17001"
    organisation, first = consortium.orderers[0]
    orderer = orderer_configuration(consortium, OrganisationFolder(Path("/own"), organisation.name), first)
    assert orderer["General"]["ListenAddress"] == "0.0.0.0"
    assert orderer["Admin"]["ListenAddress"].startswith("0.0.0.0:")


@pytest.mark.parametrize(
    ("place", "what"), [({"host": "::1"}, "dial"), ({"host": "a.example", "listen": "::1"}, "let an orderer listen on")]
)
def test_fabric_is_given_no_ipv6_address_where_it_takes_none(tmp_path, place, what):
    with pytest.raises(NetworkError, match=f"FL1045: Fabric cannot {what} the IPv6 address ::1"):
        fabric_plan(consortium_at(**place), [], tmp_path / "chaincode", "fedledger:id")


@pytest.fixture
def up_at(tmp_path, request):
    """Bring up the three members with an address, on a kind of network; down at the end."""
    run = tmp_path / "run"

    def bring_up(kind: str, **place: str) -> Path:
        path = tmp_path / "consortium.yaml"
        path.write_text(yaml.safe_dump({"organisations": organisations_at(**place)}))
        request.addfinalizer(lambda: down(run))
        up(Request(run, kind, path, free_ports(), "./cmd/conformance"), quiet)
        return run

    return bring_up


def names_in(certificate: Path) -> set[str]:
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


async def works(run: Path) -> None:
    for member in MEMBERS:
        async with contract_of(run, member) as contract:
            await contract.submit("Put", f"from-{member}", "value")
    async with contract_of(run, "hospital-b") as contract:
        assert await contract.evaluate("Get", "from-hospital-b") == b"value"


async def test_a_whole_network_runs_on_ipv6(up_at):
    run = up_at("devnet", host="::1")
    assert profile(run, "hospital-a").peers[0][0].startswith("[::1]:")
    assert str(ipaddress.ip_address("::1")) in names_in(folder_of(run, "hospital-a").peer() / "tls" / "server.crt")
    await works(run)


@pytest.mark.parametrize("listen", ["0.0.0.0", "::"])
@pytest.mark.parametrize("kind", ["devnet", FABRIC])
async def test_a_network_dials_names_and_listens_on_every_address(up_at, kind, listen):
    run = up_at(kind, host="localhost", listen=listen)
    assert profile(run, "hospital-a").peers[0][0].startswith("localhost:")
    await works(run)
