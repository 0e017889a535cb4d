import json
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_node.errors import NodeError
from fl_node.ledger.client import gateway_of
from gateway.signatures import ORDERS
from network import identities, runfolder
from network.ca.builtin import Authority
from network.ca.interface import issue
from network.ca.subject import ATTRIBUTES_OID, Subject
from network.connection import profile
from network.errors import NetworkError
from network.folders import folder_of
from network.revocation import revoke
from network.roster import add, roster
from network.topology import Consortium, load_consortium


@pytest.fixture(scope="module")
def consortium() -> Consortium:
    return load_consortium()


@pytest.fixture(scope="module")
def made(consortium, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("run")
    runfolder.prepare(run, consortium)
    return run


@pytest.fixture
def run(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path / "run")
    return tmp_path / "run"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_creating_twice_changes_no_byte(consortium, run):
    before = contents(run)
    identities.create(consortium, run)
    assert contents(run) == before


def test_a_new_organisation_touches_nothing_else(consortium, run):
    before = contents(run)
    value = consortium.model_dump()
    value["organisations"] = [*value["organisations"], {"name": "hospital-e", "role": "member"}]
    identities.create(Consortium.model_validate(value), run)
    after = contents(run)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[1] for name in after.keys() - before.keys()} == {"hospital-e"}


def test_a_lost_certificate_is_issued_again_for_the_same_key(consortium, run):
    tls = folder_of(run, "hospital-a").peer() / "tls"
    key = (tls / "server.key").read_bytes()
    (tls / "server.crt").unlink()
    identities.create(consortium, run)
    assert (tls / "server.key").read_bytes() == key
    names = certificate(tls / "server.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["peer0.hospital-a", "peer-hospital-a", "localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_keys_are_readable_by_their_owner_alone(made):
    keys = [p for p in made.rglob("*") if p.name.endswith(("key", "key.pem"))]
    assert len(keys) == 69
    assert {stat.S_IMODE(p.stat().st_mode) for p in keys} == {0o600}


@pytest.mark.parametrize(
    ("organisation", "path", "unit"),
    [
        ("hospital-a", "peers/peer0", "peer"),
        ("hospital-a", "users/admin", "admin"),
        ("hospital-a", "users/client", "client"),
        ("hospital-a", "users/node", "client"),
        ("regulator", "users/admin", "admin"),
        ("orderer", "orderers/orderer4", "orderer"),
    ],
)
def test_a_signing_certificate_names_its_unit_and_verifies(made, organisation, path, unit):
    msp = folder_of(made, organisation).secrets / path / "msp"
    found = certificate(msp / "signcerts/cert.pem")
    authority = certificate(msp / "cacerts/ca.pem")
    found.verify_directly_issued_by(authority)
    units = found.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    assert [u.value for u in units] == [unit]
    assert authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign


def test_openssl_verifies_what_was_issued(made):
    for organisation, name in (("hospital-b", "peers/peer0"), ("orderer", "orderers/orderer1")):
        folder = folder_of(made, organisation).secrets
        leaf = folder / name / "tls" / "server.crt"
        command = ["openssl", "verify", "-x509_strict", "-CAfile", folder / "tlsca/cert.pem", leaf]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == f"{leaf}: OK\n"


def test_only_the_node_carries_the_role_attribute(made):
    users = folder_of(made, "hospital-a").secrets / "users"
    extension = certificate(users / "node/msp/signcerts/cert.pem").extensions.get_extension_for_oid(ATTRIBUTES_OID)
    assert json.loads(extension.value.value) == {"attrs": {"fl.role": "node"}}
    with pytest.raises(x509.ExtensionNotFound):
        certificate(users / "client/msp/signcerts/cert.pem").extensions.get_extension_for_oid(ATTRIBUTES_OID)


def test_tls_certificates_serve_both_sides(made):
    found = certificate(folder_of(made, "hospital-a").chaincode() / "server.crt")
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


def test_no_certificate_has_a_high_s(made):
    secrets = made.glob("orgs/*/secrets/**/*")
    found = [certificate(p) for p in secrets if p.suffix == ".crt" or p.name == "cert.pem"]
    assert len(found) == 102
    assert all(decode_dss_signature(c.signature)[1] <= ORDERS["secp256r1"] // 2 for c in found)


def test_a_damaged_key_is_named_and_not_replaced(consortium, run):
    key = folder_of(run, "hospital-a").secrets / "ca/key.pem"
    key.write_text("rubbish")
    with pytest.raises(NetworkError) as caught:
        identities.create(consortium, run)
    assert (caught.value.code, caught.value.where) == ("FL1013", str(key))
    assert key.read_text() == "rubbish"


def test_an_added_identity_is_listed_and_stays(consortium, run):
    folder = add(consortium, run, "hospital-a", "laptop", "client")
    before = contents(folder)
    assert add(consortium, run, "hospital-a", "laptop", "client") == folder
    assert contents(folder) == before
    assert [e.unit for e in roster(consortium, run) if e.name == "laptop"] == ["client"]


@pytest.mark.parametrize(
    ("organisation", "name", "role", "code"),
    [
        ("hospital-x", "laptop", "client", "FL1010"),
        ("hospital-a", "../laptop", "client", "FL1015"),
        ("hospital-a", "laptop", "king", "FL1015"),
        ("regulator", "laptop", "node", "FL1015"),
    ],
)
def test_an_impossible_identity_is_refused(consortium, run, organisation, name, role, code):
    with pytest.raises(NetworkError) as caught:
        add(consortium, run, organisation, name, role)
    assert caught.value.code == code


def test_a_profile_names_the_organisations_own_peer_and_hides_keys(made):
    user = profile(made, "hospital-b", "node")
    assert [address for address, _ in user.peers] == ["127.0.0.1:17051"]
    assert user.blobs["hospital-d"] == "https://127.0.0.1:17074"
    assert "PRIVATE KEY" not in repr(user)


def test_a_profile_of_nobody_is_refused(made):
    with pytest.raises(NetworkError) as caught:
        profile(made, "hospital-b", "nobody")
    assert caught.value.code == "FL1011"


@settings(deadline=None, max_examples=15)  # five keys and eight signatures each
@given(st.lists(st.integers(0, 4), min_size=1, max_size=8))
def test_a_revocation_list_holds_every_revoked_certificate_once(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("authority")
    authority = Authority.create(folder, "hospital-a", "ca.hospital-a")
    issued = []
    for number in range(5):
        issue(authority, Subject(f"user{number}", unit="client"), folder / f"{number}.key", folder / f"{number}.pem")
        issued.append(certificate(folder / f"{number}.pem"))
    for number in order:
        content = authority.revoke(issued[number], folder / "crl.pem")
    revocations = x509.load_pem_x509_crl(content)
    assert sorted(r.serial_number for r in revocations) == sorted({issued[n].serial_number for n in order})
    assert revocations.is_signature_valid(authority.certificate.public_key())
    assert revocations.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == len(set(order))


def without_authorities(run: Path, *names: str) -> None:
    """Take the keys of some organisations' authorities away, as where they are kept offline."""
    for name in names:
        for authority in ("ca", "tlsca"):
            (folder_of(run, name).secrets / authority / "key.pem").unlink()


def test_nobodys_keys_are_made_where_only_the_public_parts_are(consortium, run):
    for other in ("hospital-b", "hospital-c", "orderer"):
        folder = folder_of(run, other).secrets
        for kept in list(folder.iterdir()):
            if kept.name not in {"msp", "tlsca"}:
                shutil.rmtree(kept)
        (folder / "tlsca" / "key.pem").unlink()
    before = contents(run)
    identities.create(consortium, run)
    assert contents(run) == before


def test_an_authority_without_its_key_gets_no_other_one(consortium, run):
    without_authorities(run, "hospital-a")
    before = contents(run)
    identities.create(consortium, run)
    assert contents(run) == before
    with pytest.raises(NetworkError, match="FL1016"):
        add(consortium, run, "hospital-a", "late", "client")
    assert contents(run) == before


def test_an_authoritys_key_that_is_anothers_signs_nothing(consortium, run):
    shutil.copy(
        folder_of(run, "hospital-b").secrets / "ca/key.pem", folder_of(run, "hospital-a").secrets / "ca/key.pem"
    )
    with pytest.raises(NetworkError, match=r"FL1016: this key is not that of the authority's certificate"):
        add(consortium, run, "hospital-a", "late", "client")


@pytest.mark.parametrize("missing", ["ca", "tlsca"])
def test_a_revocation_that_cannot_work_says_so_and_changes_nothing(consortium, run, missing):
    (folder_of(run, "hospital-a").secrets / missing / "key.pem").unlink()
    before = contents(run)
    with pytest.raises(NetworkError, match="FL1016"):
        revoke(consortium, run, "hospital-a", "client")
    assert contents(run) == before


def test_another_authoritys_certificate_is_not_revoked(consortium, run):
    shutil.copy(
        folder_of(run, "hospital-b").user("client") / "msp/signcerts/cert.pem",
        folder_of(run, "hospital-a").user("client") / "msp/signcerts/cert.pem",
    )
    before = contents(run)
    with pytest.raises(NetworkError, match=r"FL1011: another authority issued this certificate"):
        revoke(consortium, run, "hospital-a", "client")
    assert contents(run) == before


def test_an_identity_that_does_not_fit_is_refused_with_what_to_do_before_any_call(run):
    own, other = profile(run, "hospital-a", "client"), profile(run, "hospital-a", "admin")
    own.gateway()
    mixed = replace(own, key_pem=other.key_pem)
    with pytest.raises(NetworkError, match=r"FL1013: the key does not belong to .* \(hospital-a\)\..*identity rotate"):
        mixed.gateway()
    with pytest.raises(NodeError, match="FL4002: the identity is not usable: the key does not belong to"):
        gateway_of(mixed)
