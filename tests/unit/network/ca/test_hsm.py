"""Signing keys in a PKCS#11 token, on SoftHSM."""

import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from fl_node.doctor.organisation import check_certificates
from fl_node.errors import NodeError
from fl_node.node.config import NodeConfig
from fl_node.node.readiness import check_identity
from gateway import signatures
from network import runfolder
from network.ca import hsm
from network.ca.builtin import Authority
from network.ca.cli import ca as commands
from network.ca.hsm import TokenKey, TokenReference, keep_in_token
from network.ca.interface import issue
from network.ca.keys import load_key, signer_of
from network.ca.subject import Subject
from network.connection import profile
from network.errors import NetworkError
from network.export import export
from network.folders import folder_of, public_parts
from network.roster import add
from network.topology import load_consortium
from network.units.model import Wishes, units_of
from network.units.output import plan_at
from network.units.places import Places
from tests.softhsm import LIBRARY, PIN, tokens

pytestmark = pytest.mark.hsm


@pytest.fixture(scope="module")
def pin_file() -> Path:
    return tokens().pin_file


@pytest.fixture
def reference(pin_file: Path, tmp_path: Path) -> TokenReference:
    return TokenReference(LIBRARY, "fedledger", f"key-{tmp_path.name}", pin_file=str(pin_file))


def test_a_key_in_a_token_signs_as_fabric_wants(reference):
    key = TokenKey(reference, create=True)
    signer = signer_of(reference.content().encode())
    for number in range(32):  # about half of the raw signatures have the higher s
        message = f"message {number}".encode()
        for signature in (signatures.sign(key, message), signer.sign(signer.digest(message))):
            signatures.verify(key.public_key(), signature, message)
            assert signatures.has_low_s(signature, "secp256r1")


def test_the_key_is_made_once_and_found_again(reference):
    made = TokenKey(reference, create=True)
    assert TokenKey(reference, create=True).public_key() == TokenKey(reference).public_key() == made.public_key()


def test_the_key_does_not_leave_its_token(reference):
    key = TokenKey(reference, create=True)
    for leave in (lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), key.private_numbers):
        with pytest.raises(TypeError, match="does not leave its token"):
            leave()


def test_an_authority_certifies_a_key_in_a_token(reference, tmp_path):
    authority = Authority.create(tmp_path / "ca", "hospital-a", "ca.hospital-a")
    keep_in_token(tmp_path / "key.pem", reference)
    issue(authority, Subject("node.hospital-a", unit="client"), tmp_path / "key.pem", tmp_path / "cert.pem")
    certificate = x509.load_pem_x509_certificate((tmp_path / "cert.pem").read_bytes())
    assert certificate.public_key() == load_key(tmp_path / "key.pem").public_key()
    assert b"PRIVATE KEY" not in (tmp_path / "key.pem").read_bytes()


def test_a_fabric_ca_enrols_and_renews_a_key_in_a_token(ca, reference):
    key, subject = TokenKey(reference, create=True), Subject(f"hsm-{reference.key[-30:]}", unit="client")
    certificate = ca.certify(subject, key)
    assert ca.renew(certificate, key, subject, key).public_key() == key.public_key()


@pytest.fixture
def run(pin_file, tmp_path) -> Path:
    """A run folder in which hospital-a's node signs with a key in the token."""
    run = tmp_path / "run"
    arguments = ["token", "hospital-a", "node", "--library", LIBRARY, "--label", "fedledger"]
    done = CliRunner().invoke(commands, [*arguments, "--pin-file", str(pin_file), "--run", str(run)])
    assert done.exit_code == 0, done.output
    consortium = load_consortium()
    runfolder.prepare(run, consortium)
    return run


def test_a_node_signs_with_the_key_that_its_configuration_names(run):
    own = profile(run, "hospital-a", "node")
    message = b"a proposal"
    signature = own.signer.sign(own.signer.digest(message))
    signatures.verify(x509.load_pem_x509_certificate(own.cert_pem).public_key(), signature, message)
    assert "valid until" in check_identity(NodeConfig(run, "hospital-a", None), own)
    kept = [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    assert not any(PIN.encode() in content for content in kept)


def test_the_doctor_finds_certificate_and_key_in_order_and_names_a_token_that_fails(run, pin_file):
    places = Places(folder_of(run, "hospital-a").root)
    consortium = load_consortium()
    plan = plan_at(consortium, "devnet", "hospital-a", places, "chaincode-0", "fedledger:id")
    node = {unit.name: unit for unit in units_of(consortium, plan, "hospital-a", places, Wishes())}["node-hospital-a"]
    assert "until" in check_certificates(folder_of(run, "hospital-a"), node)
    broken = json.loads(node.keys[0].read_bytes())
    broken["pkcs11"]["token"] = "nowhere"
    node.keys[0].write_text(json.dumps(broken))
    with pytest.raises(NodeError, match=r"FL4002: .*NoSuchToken"):
        check_certificates(folder_of(run, "hospital-a"), node)


def test_an_administrator_whose_key_is_in_a_token_signs_its_organisations_export(reference, tmp_path):
    admin = folder_of(tmp_path / "run", "hospital-a").user("admin")
    keep_in_token(admin / "msp" / "keystore" / "key.pem", reference)
    consortium = load_consortium()
    runfolder.prepare(tmp_path / "run", consortium)  # each imports what all others export
    assert load_key(admin / "msp" / "keystore" / "key.pem").public_key() == TokenKey(reference).public_key()
    assert public_parts(tmp_path / "run", "hospital-b").tls_root.exists()
    made = export(folder_of(tmp_path / "run", "hospital-a"), consortium.organisation("hospital-a"))
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    signatures.verify(certificate.public_key(), made.signature, made.content)


def test_a_certificate_of_another_key_is_noticed(run):
    own, other = profile(run, "hospital-a", "node"), profile(run, "hospital-b", "node")
    with pytest.raises(NodeError, match="FL4002"):
        check_identity(NodeConfig(run, "hospital-a", None), type(own)(**{**vars(own), "cert_pem": other.cert_pem}))


def test_an_identity_that_has_a_key_gets_none_in_a_token(run, reference):
    path = folder_of(run, "hospital-a").user("client") / "msp/keystore/key.pem"
    before = path.read_bytes()
    with pytest.raises(NetworkError, match="FL1015"):
        keep_in_token(path, reference)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"token": "nowhere"}, "NoSuchToken"),
        ({"key": "nowhere"}, "NoSuchKey"),
        ({"library": "/nowhere.so"}, ""),
        ({"token": "closed", "pin_file": "WRONG"}, "PinIncorrect"),
        ({"token": "closed", "pin_file": "/nowhere"}, "its PIN is not here"),
        ({"token": "closed", "pin_file": "", "pin_env": "FEDLEDGER_NO_PIN"}, "its PIN is not here"),
    ],
)
def test_a_token_that_cannot_be_used_is_named_without_its_pin(reference, tmp_path, change, why):
    (tmp_path / "wrong").write_text("1234-wrong")
    if change.get("pin_file") == "WRONG":
        change = {**change, "pin_file": str(tmp_path / "wrong")}
    with pytest.raises(NetworkError, match=f"FL1095: .*{why}") as caught:
        TokenKey(TokenReference(**{**vars(reference), **change}))
    assert "1234-wrong" not in str(caught.value)
    assert PIN not in str(caught.value)


def test_the_pin_may_come_from_the_environment(reference, monkeypatch):
    monkeypatch.setenv("FEDLEDGER_PIN", PIN)
    other = TokenReference(LIBRARY, "other", reference.key, pin_env="FEDLEDGER_PIN")
    assert TokenKey(other, create=True).public_key()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the package's, of the lost session
def test_a_session_that_ended_is_opened_again(reference):
    key = TokenKey(reference, create=True)
    hsm._opened(reference)._session.close()
    signatures.verify(key.public_key(), signatures.sign(key, b"message"), b"message")


def test_a_new_identity_gets_its_key_in_the_token(run, pin_file):
    arguments = ["token", "hospital-a", "laptop", "--library", LIBRARY, "--label", "fedledger"]
    CliRunner().invoke(commands, [*arguments, "--pin-file", str(pin_file), "--run", str(run)])
    add(load_consortium(), run, "hospital-a", "laptop", "client")
    own = profile(run, "hospital-a", "laptop")
    assert b"fedledger" in own.key_pem
    assert "valid until" in check_identity(NodeConfig(run, "hospital-a", None), own)
