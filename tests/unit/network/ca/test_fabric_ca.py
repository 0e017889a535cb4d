"""What an organisation asks of a Fabric CA, the same of the embedded server and of the real one."""

import base64
import secrets
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from fabric_protos.msp import msp_config_pb2

from network.ca.builtin import Authority
from network.ca.fabric_ca import FabricCa, Registrar
from network.ca.fabric_ca_client import FabricCaClient, RefusedError
from network.ca.interface import issue
from network.ca.keys import pem, request
from network.ca.msp_folder import write_roots
from network.ca.subject import Subject, attributes_of, units_of
from network.ca.tokens import token
from network.devnet.genesis import msp_value
from network.devnet.msp import Msp
from network.errors import NetworkError
from network.identities import NODE_ATTRIBUTES


def new_name() -> str:
    return f"who-{secrets.token_hex(6)}"


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def serials(content: bytes) -> set[int]:
    return {each.serial_number for each in x509.load_pem_x509_crl(content)}


def csr(name: str) -> str:
    return request(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), new_key()).decode()


@pytest.mark.parametrize("unit", ["peer", "orderer", "admin", "client"])
def test_a_certificate_is_for_the_key_and_names_the_unit(ca, unit):
    key, name = new_key(), new_name()
    found = ca.certify(Subject(name, unit=unit), key)
    assert found.public_key() == key.public_key()
    assert units_of(found) == [unit]
    assert [each.value for each in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [name]
    assert ca.pool().chain(found)[-1] in ca.pool().roots


def test_a_node_gets_its_attribute_and_a_client_does_not(ca):
    assert attributes_of(ca.certify(Subject(new_name(), "client", attributes=NODE_ATTRIBUTES), new_key())) == {
        "fl.role": "node"
    }
    assert "fl.role" not in attributes_of(ca.certify(Subject(new_name(), "client"), new_key()))


def test_a_tls_certificate_names_its_hosts_and_serves_both_sides(ca):
    found = ca.certify(Subject(new_name(), hosts=("peer0.hospital-a", "127.0.0.1")), new_key())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["peer0.hospital-a"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    usages = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} <= set(usages)


def test_one_subject_has_a_signing_and_a_tls_certificate(ca):
    name = new_name()
    signing = ca.certify(Subject(name, "client"), new_key())
    tls = ca.certify(Subject(name, hosts=("localhost",)), new_key())
    assert signing.serial_number != tls.serial_number


def test_a_name_that_is_registered_as_something_else_is_not_taken_for_what_was_asked(ca):
    name = new_name()
    ca.certify(Subject(name, "client"), new_key())
    with pytest.raises(NetworkError, match=f"FL1091: the authority certified {name} as client"):
        ca.certify(Subject(name, "admin"), new_key())


def test_an_enrolment_that_broke_off_goes_on(ca, tmp_path):
    subject = Subject(new_name(), "client")
    ca._register(subject)
    again = FabricCa(ca.client, ca.folder, ca.registrar)
    issue(again, subject, tmp_path / "key.pem", tmp_path / "cert.pem")
    assert (tmp_path / "cert.pem").exists()


def test_the_registrar_enrols_once_and_its_secret_is_needed_no_more(ca):
    ca.require_ready()
    ca.registrar.secret_path.unlink()
    FabricCa(ca.client, ca.folder, ca.registrar).certify(Subject(new_name(), "client"), new_key())


def test_a_certificate_is_renewed_by_its_key_for_another_key(ca):
    subject, key, new = Subject(new_name(), "client", attributes=NODE_ATTRIBUTES), new_key(), new_key()
    present = ca.certify(subject, key)
    found = ca.renew(present, key, subject, new)
    assert found.public_key() == new.public_key()
    assert (found.subject, attributes_of(found)) == (present.subject, {"fl.role": "node"})
    with pytest.raises(RefusedError):
        ca.renew(present, new_key(), subject, new_key())


def test_a_revoked_certificate_is_on_the_list_and_renews_nothing(ca, tmp_path):
    subject, key, path = Subject(new_name(), "client"), new_key(), tmp_path / "crl.pem"
    gone, other = ca.certify(subject, key), ca.certify(Subject(new_name(), "client"), new_key())
    ca.begin_list(path)
    assert gone.serial_number not in serials(path.read_bytes())
    ca.require_revocable([gone])
    content = ca.revoke(gone, path)
    assert path.read_bytes() == content
    assert gone.serial_number in serials(content)
    assert other.serial_number not in serials(content)
    assert gone.serial_number in serials(ca.revoke(gone, path))
    with pytest.raises(RefusedError):
        ca.renew(gone, key, subject, new_key())


def test_a_list_carries_the_key_identifier_without_which_peers_accept_nobody(ca, tmp_path):
    ca.begin_list(tmp_path / "crl.pem")
    found = x509.load_pem_x509_crl((tmp_path / "crl.pem").read_bytes())
    root = ca.pool().roots[0]
    identifier = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert identifier == root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert found.is_signature_valid(root.public_key())


def test_a_channel_takes_what_was_issued_until_it_is_revoked(ca, tmp_path):
    msp = tmp_path / "msp"
    write_roots(msp, ca.pool(), ca.pool())
    node = ca.certify(Subject(new_name(), "client", attributes=NODE_ATTRIBUTES), new_key())
    taken = channel_msp(msp).identity(pem(node), b"")
    assert (taken.roles, taken.invalid) == ({"client"}, "")
    (msp / "crls").mkdir()
    ca.revoke(node, msp / "crls" / "crl.pem")
    assert channel_msp(msp).identity(pem(node), b"").invalid


def channel_msp(folder: Path) -> Msp:
    return Msp(msp_config_pb2.FabricMSPConfig.FromString(msp_value("HospitalMSP", folder).config))


def test_another_authoritys_certificate_is_not_revoked(ca, tmp_path):
    other = Authority.create(tmp_path / "other", "other", "ca.other").certify(Subject("who", "client"), new_key())
    with pytest.raises(NetworkError, match="FL1011"):
        ca.require_revocable([other])


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_a_wrong_secret_of_the_registrar_is_named(ca, tmp_path, secret):
    (tmp_path / "wrong").write_text(secret)
    stranger = FabricCa(ca.client, tmp_path / "stranger", Registrar("nobody", tmp_path / "wrong"))
    with pytest.raises(NetworkError, match="FL1091" if secret else "FL1012"):
        stranger.require_ready()


def test_who_is_no_registrar_registers_and_revokes_nothing(ca, tmp_path):
    subject, key = Subject(new_name(), "client"), new_key()
    certificate = ca.certify(subject, key)
    folder = tmp_path / "other" / "registrar"
    folder.mkdir(parents=True)
    (folder / "cert.pem").write_bytes(pem(certificate))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    other = FabricCa(ca.client, tmp_path / "other", ca.registrar)
    with pytest.raises(RefusedError):
        other.certify(Subject(new_name(), "client"), new_key())
    victim = ca.certify(Subject(new_name(), "client"), new_key())
    with pytest.raises(RefusedError):
        other.revoke(victim, tmp_path / "crl.pem")
    assert not (tmp_path / "crl.pem").exists()


def test_a_request_for_another_name_is_refused(ca):
    subject = Subject(new_name(), "client")
    with pytest.raises(RefusedError):
        ca.client.enroll(subject.common_name, ca._register(subject), csr("somebody-else"))


def test_an_attribute_that_was_not_registered_is_refused(ca):
    subject = Subject(new_name(), "client")
    secret = ca._register(subject)
    with pytest.raises(RefusedError, match=r"fl\.role"):
        ca.client.enroll(subject.common_name, secret, csr(subject.common_name), "", [{"name": "fl.role"}])


def test_a_token_is_of_no_use_for_another_request(url, ca):
    asker, body = ca._asker, b"{}"
    good = token("POST", "/api/v1/gencrl", body, asker.cert, asker.private_key)
    for path, content in (("gencrl", b'{"a":1}'), ("revoke", body)):
        answer = requests.post(f"{url}/api/v1/{path}", data=content, headers={"Authorization": good}, timeout=60)
        assert (answer.status_code, answer.json()["success"]) == (401, False)
    assert requests.post(f"{url}/api/v1/gencrl", data=body, headers={"Authorization": good}, timeout=60).ok


@pytest.mark.parametrize("path", ["enroll", "register", "reenroll", "revoke", "gencrl"])
@pytest.mark.parametrize("header", [None, "Basic !", "Basic " + base64.b64encode(b"boot:guess").decode(), "a.b", "."])
def test_nothing_is_answered_to_who_does_not_say_who_it_is(url, path, header):
    body = {"id": "x", "certificate_request": csr("boot")}
    answer = requests.post(f"{url}/api/v1/{path}", json=body, headers={"Authorization": header}, timeout=60)
    assert (answer.status_code, answer.json()["success"]) == (401, False)


def test_the_official_client_enrols_registers_renews_revokes_and_fetches_the_list(official, tmp_path, url):
    name = new_name()
    attributes = ["--id.attrs", "fl.role=node:ecert"]
    official("register", "--id.name", name, "--id.secret", "one", "--id.type", "client", *attributes)
    official("enroll", "-u", f"http://{name}:one@{url.removeprefix('http://')}", home="member")
    first = certificate_of(tmp_path / "member")
    assert (units_of(first), attributes_of(first)["fl.role"]) == (["client"], "node")
    official("reenroll", home="member")
    assert certificate_of(tmp_path / "member").serial_number != first.serial_number
    official("revoke", "-e", name, "--gencrl")
    official("gencrl")
    (listed,) = (tmp_path / "official/msp/crls").iterdir()
    assert {first.serial_number, certificate_of(tmp_path / "member").serial_number} <= serials(listed.read_bytes())


def certificate_of(home: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((home / "msp/signcerts/cert.pem").read_bytes())


def test_an_authority_that_does_not_answer_is_named_and_no_key_is_left(tmp_path):
    (tmp_path / "secret").write_text("secret")
    gone = FabricCa(FabricCaClient("http://127.0.0.1:1"), tmp_path / "private", Registrar("boot", tmp_path / "secret"))
    with pytest.raises(NetworkError, match="FL1090"):
        issue(gone, Subject("who", "client"), tmp_path / "key.pem", tmp_path / "cert.pem")
    assert not (tmp_path / "key.pem").exists()


def test_a_secret_is_not_sent_over_a_network_without_tls():
    with pytest.raises(NetworkError, match="FL1092"):
        FabricCaClient("http://ca.hospital-a.example:7054")


@pytest.mark.parametrize(
    "answer", [b"", b"hello", b"[]", b'{"success": true}', b'{"success": true, "result": {"CAChain": 1}}']
)
def test_a_server_that_is_no_fabric_ca_is_named(tmp_path, answer):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        other = FabricCa(
            FabricCaClient(f"http://127.0.0.1:{server.server_port}"), tmp_path, Registrar("boot", tmp_path / "secret")
        )
        with pytest.raises(NetworkError, match=r"FL109[01]"):
            other.require_ready()
        server.shutdown()
        thread.join()
