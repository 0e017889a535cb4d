"""Requests for a company's authority, and what of its answers is taken."""

import datetime as dt
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID
from fabric_protos.msp import msp_config_pb2

from audit.fabric.msp import Msp as AuditedMsp
from gateway.signatures import has_low_s
from network.ca.by_files import AuthorityByFiles, AwaitedError
from network.ca.choice import Choice, Choices
from network.ca.importing import Material, import_into
from network.ca.interface import issue
from network.ca.keys import load_key, pem
from network.ca.subject import Subject, attributes_of, units_of
from network.devnet.genesis import msp_value
from network.devnet.msp import Msp
from network.errors import NetworkError
from network.identities import NODE_ATTRIBUTES, identities_of
from network.revocation import revoke
from network.topology import Consortium, dump_consortium, load_consortium
from tests.corporate import Company, enrol

CLIENT = Subject("client.hospital-a", unit="client")
TLS = Subject("peer0.hospital-a", hosts=("peer0.hospital-a", "10.0.0.1"))
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def company() -> Company:
    return Company.named("Clinic")


@pytest.fixture
def authority(tmp_path: Path) -> AuthorityByFiles:
    return AuthorityByFiles(tmp_path / "ca")


def asked(authority: AuthorityByFiles, folder: Path, *subjects: Subject) -> list[bytes]:
    """Ask for certificates, and return the requests in the order of the subjects."""
    for subject in subjects:
        with pytest.raises(AwaitedError):
            issue(authority, subject, folder / f"{subject.common_name}.key", folder / f"{subject.common_name}.pem")
    return [(authority.requests / f"{each.common_name}-{each.unit or 'tls'}.csr").read_bytes() for each in subjects]


def brought(authority: AuthorityByFiles, folder: Path, *contents: bytes):
    paths = [folder / f"answer{number}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return import_into(authority, Material.read(paths))


def test_a_request_asks_for_everything_that_the_certificate_must_say(authority, tmp_path):
    node = Subject("node.hospital-a", unit="client", attributes=NODE_ATTRIBUTES)
    first, second = (x509.load_pem_x509_csr(each) for each in asked(authority, tmp_path, node, TLS))
    assert first.is_signature_valid
    assert first.subject == node.name
    assert [each.value for each in first.extensions] == node.wanted
    assert [each.value for each in second.extensions] == TLS.wanted
    assert first.public_key() == load_key(tmp_path / "node.hospital-a.key").public_key()
    listed = json.loads((authority.requests / "list.json").read_bytes())
    assert listed["node.hospital-a-client.csr"]["attributes"] == {"fl.role": "node"}
    assert listed["peer0.hospital-a-tls.csr"]["hosts"] == ["peer0.hospital-a", "10.0.0.1"]


def test_what_comes_back_is_put_in_place_with_its_chain(authority, company, tmp_path):
    requests = asked(authority, tmp_path, TLS)
    done = brought(authority, tmp_path, company.answer(requests))
    assert (done.answered, done.awaited) == (("peer0.hospital-a-tls.csr",), ())
    issue(authority, TLS, tmp_path / "peer0.hospital-a.key", tmp_path / "peer0.hospital-a.pem")
    found = x509.load_pem_x509_certificates((tmp_path / "peer0.hospital-a.pem").read_bytes())
    assert [each.subject for each in found[1:]] == [
        each.certificate.subject for each in (company.issuing, company.middle)
    ]
    assert found[0].public_key() == load_key(tmp_path / "peer0.hospital-a.key").public_key()
    assert authority.pool().roots == (company.root.certificate,)


@pytest.mark.parametrize("form", ["one file", "one by one", "DER", "PKCS#7"])
def test_an_answer_is_read_in_whichever_form_it_comes(authority, company, tmp_path, form):
    certificate = x509.load_pem_x509_certificate(company.sign(asked(authority, tmp_path, CLIENT)[0]))
    every = [certificate, *x509.load_pem_x509_certificates(company.chain)]
    contents = {
        "one file": [b"Subject: an attribute\n".join(map(pem, every))],
        "one by one": list(map(pem, every)),
        "DER": [each.public_bytes(Encoding.DER) for each in every],
        "PKCS#7": [pkcs7.serialize_certificates(every, Encoding.PEM)],
    }
    assert brought(authority, tmp_path, *contents[form]).awaited == ()


def test_answers_may_come_one_after_the_other(authority, company, tmp_path):
    other = Subject("admin.hospital-a", unit="admin")
    first, second = asked(authority, tmp_path, CLIENT, other)
    assert brought(authority, tmp_path, company.sign(first), company.chain).awaited == ("admin.hospital-a-admin.csr",)
    assert brought(authority, tmp_path, company.sign(second)).awaited == ()


@pytest.mark.parametrize("low", [True, False])
def test_a_certificate_is_kept_as_fabric_compares_it(authority, company, tmp_path, low):
    sent = company.sign(asked(authority, tmp_path, CLIENT)[0], low_s=low)
    brought(authority, tmp_path, sent, company.chain)
    found = authority.certify(CLIENT, load_key(tmp_path / "client.hospital-a.key"))
    assert has_low_s(found.signature, "secp256r1")
    found.verify_directly_issued_by(company.issuing.certificate)
    assert (pem(found) == sent) is low


def unit(name: str, also: str = ""):
    """Return what writes other units into a subject."""

    def renamed(subject: x509.Name) -> x509.Name:
        others = [each for each in subject if each.oid != NameOID.ORGANIZATIONAL_UNIT_NAME]
        units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, each) for each in (name, also) if each]
        return x509.Name([*units, *others])

    return renamed


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"names": unit("")}, "must have the organisational unit client and has none"),
        ({"names": unit("admin")}, "must have the organisational unit client and has admin"),
        ({"names": unit("client", "admin")}, "must have the organisational unit client and has client, admin"),
        ({"validity": (-2 * DAY, -DAY)}, "is not valid now"),
        ({"validity": (DAY, 2 * DAY)}, "is not valid now"),
    ],
)
def test_a_certificate_that_peers_would_not_take_is_refused(authority, company, tmp_path, how, problem):
    request = asked(authority, tmp_path, CLIENT)[0]
    with pytest.raises(NetworkError, match=f"FL1094: .*{problem}"):
        brought(authority, tmp_path, company.sign(request, **how), company.chain)
    assert not authority.issued.exists()
    assert not (authority.folder / "roots.pem").exists()


def test_further_units_of_the_company_do_no_harm(authority, company, tmp_path):
    request = asked(authority, tmp_path, CLIENT)[0]
    assert brought(authority, tmp_path, company.sign(request, names=unit("client", "Cardiology")), company.chain)
    found = authority.certify(CLIENT, load_key(tmp_path / "client.hospital-a.key"))
    assert units_of(found) == ["client", "Cardiology"]


def test_a_tls_certificate_that_does_not_name_its_hosts_is_refused(authority, company, tmp_path):
    request = asked(authority, tmp_path, TLS)[0]
    with pytest.raises(NetworkError, match=r"FL1094: the certificate does not name peer0.hospital-a, 10.0.0.1"):
        brought(authority, tmp_path, company.sign(request, extensions=False), company.chain)


@pytest.mark.parametrize("missing", ["root", "middle", "issuing"])
def test_a_chain_with_a_gap_is_refused(authority, company, tmp_path, missing):
    certificate = company.sign(asked(authority, tmp_path, CLIENT)[0])
    present = [pem(getattr(company, each).certificate) for each in ("root", "middle", "issuing") if each != missing]
    with pytest.raises(NetworkError, match="FL1094: the certificate's chain does not hold"):
        brought(authority, tmp_path, certificate, *present)


def test_a_certificate_of_another_companys_authority_is_refused(authority, company, tmp_path):
    certificate = company.sign(asked(authority, tmp_path, CLIENT)[0])
    with pytest.raises(NetworkError, match="FL1094: the certificate's chain does not hold"):
        brought(authority, tmp_path, certificate, Company.named("Clinic").chain)


def test_a_certificate_of_another_key_answers_nothing(authority, company, tmp_path):
    request = asked(AuthorityByFiles(tmp_path / "other"), tmp_path / "elsewhere", CLIENT)[0]
    asked(authority, tmp_path, CLIENT)
    done = brought(authority, tmp_path, company.sign(request), company.chain)
    assert (done.answered, done.awaited) == ((), ("client.hospital-a-client.csr",))


def test_two_authorities_do_not_issue_for_one_purpose(authority, company, tmp_path):
    first, second = asked(authority, tmp_path, CLIENT, Subject("admin.hospital-a", unit="admin"))
    other = Company.named("Annex", company.root)
    brought(authority, tmp_path, company.sign(first), company.chain)
    with pytest.raises(NetworkError, match="FL1094: one authority must issue"):
        brought(authority, tmp_path, other.sign(second), other.chain)


def test_a_list_must_be_the_authoritys_and_carry_its_key_identifier(authority, company, tmp_path):
    certificate = company.sign(asked(authority, tmp_path, CLIENT)[0])
    with pytest.raises(NetworkError, match="FL1094: the revocation list lacks its authority's key identifier"):
        brought(authority, tmp_path, certificate, company.chain, company.issuing.list(identifier=False))
    forged = Company.named("Clinic").issuing.list()  # an authority of the same name with another key
    with pytest.raises(NetworkError, match="FL1094: the revocation list is not signed by the authority"):
        brought(authority, tmp_path, certificate, company.chain, forged)
    assert not authority.list_path.exists()


def test_an_authority_that_the_one_above_it_revoked_is_refused(authority, tmp_path):
    company = Company.named("Clinic")
    company.middle.revoked.append(company.issuing.certificate.serial_number)
    with pytest.raises(NetworkError, match="FL1094: this authority is revoked"):
        brought(authority, tmp_path, company.answer(asked(authority, tmp_path, CLIENT)))


def test_the_newest_list_of_every_authority_in_the_chain_is_kept(authority, tmp_path):
    company = Company.named("Clinic")
    old = company.root.list(when=dt.datetime.now(dt.UTC) - DAY)
    brought(authority, tmp_path, company.answer(asked(authority, tmp_path, CLIENT)))
    company.root.revoked.append(4711)
    brought(authority, tmp_path, company.root.list())
    brought(authority, tmp_path, old)
    kept = [x509.load_pem_x509_crl(content) for content in authority.lists_above().values()]
    assert {each.issuer.rfc4514_string(): [e.serial_number for e in each] for each in kept} == {
        "CN=Clinic root": [4711],
        "CN=Clinic policy": [],
    }


def test_an_old_list_does_not_let_the_revoked_in_again(authority, tmp_path):
    company = Company.named("Clinic")
    old = company.issuing.list(when=dt.datetime.now(dt.UTC) - DAY)
    brought(authority, tmp_path, company.answer(asked(authority, tmp_path, CLIENT)))
    company.issuing.revoked.append(1)
    brought(authority, tmp_path, company.issuing.list())
    brought(authority, tmp_path, old)
    assert [each.serial_number for each in x509.load_pem_x509_crl(authority.list_path.read_bytes())] == [1]


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_file_that_holds_nothing_is_named(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(NetworkError, match="FL1094: this file holds no certificate"):
        Material.read([tmp_path / "file"])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder in which hospital-a chose a company's authority for signatures, and another's for TLS."""
    run = tmp_path / "run"
    by_files = Choice(kind="csr")
    Choices(by_files, by_files).write(identities_of(load_consortium(), run, "hospital-a").folder)
    (run / "consortium.yaml").write_text(dump_consortium(load_consortium()))
    return run


@pytest.fixture
def consortium(run: Path) -> Consortium:
    return load_consortium(run / "consortium.yaml")


def test_everything_that_an_organisation_needs_is_asked_for_at_once(run, consortium):
    hospital = identities_of(consortium, run, "hospital-a")
    needed = list(hospital.needed())
    with pytest.raises(AwaitedError, match=f"{len(needed)} certificates were requested"):
        hospital.create()
    requests = {path.name for folder in (hospital.signing, hospital.tls) for path in folder.requests.glob("*.csr")}
    assert requests == {f"{each.subject.common_name}-{each.subject.unit or 'tls'}.csr" for each in needed}
    assert requests >= {
        "admin.hospital-a-admin.csr",
        "chaincode-hospital-a-tls.csr",
        "client.hospital-a-client.csr",
        "node.hospital-a-client.csr",
        "node.hospital-a-tls.csr",
        "peer0.hospital-a-peer.csr",
        "peer0.hospital-a-tls.csr",
    }


def test_an_organisation_of_a_companys_authorities_is_one_that_a_channel_takes(run, consortium, company):
    tls = Company.named("Network department")
    hospital = identities_of(consortium, run, "hospital-a")
    enrol(hospital, company, tls)
    config = msp_value("HospitalAMSP", hospital.public.msp).config
    published = map(x509.load_pem_x509_crl, msp_config_pb2.FabricMSPConfig.FromString(config).revocation_list)
    assert {each.issuer for each in published} == {
        each.certificate.subject for each in (company.root, company.middle, company.issuing, tls.issuing)
    }
    node = (hospital.folder / "users/node/msp/signcerts/cert.pem").read_bytes()
    assert Msp(msp_config_pb2.FabricMSPConfig.FromString(config)).identity(node, b"").roles == {"client"}
    assert AuditedMsp.from_config(config).identity(node).roles == {"client"}
    assert attributes_of(x509.load_pem_x509_certificate(node)) == {"fl.role": "node"}
    tls_intermediates = sorted((hospital.folder / "msp/tlsintermediatecerts").iterdir())
    assert len(tls_intermediates) == 2
    assert hospital.public.tls_root.read_bytes() == pem(tls.root.certificate)


def test_a_certificate_of_an_authority_above_the_issuing_one_is_no_identity(run, consortium, company):
    """With intermediates no authority is named for a unit; still only the lowest one gives identities."""
    hospital = identities_of(consortium, run, "hospital-a")
    enrol(hospital, company, Company.named("Network department"))
    config = msp_value("HospitalAMSP", hospital.public.msp).config
    higher = Company(company.root, company.root, company.middle)
    certificate = higher.sign((hospital.signing.requests / "admin.hospital-a-admin.csr").read_bytes())
    with pytest.raises(Exception, match="leaf of the certification tree"):
        Msp(msp_config_pb2.FabricMSPConfig.FromString(config)).identity(certificate, b"")
    with pytest.raises(Exception, match="gives no identities"):
        AuditedMsp.from_config(config).identity(certificate)


def test_a_revocation_waits_for_the_companys_list_and_changes_nothing_without(run, consortium):
    hospital = identities_of(consortium, run, "hospital-a")
    enrol(hospital, Company.named("Clinic"), Company.named("Network department"))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(NetworkError, match="FL1016: the authority answers by files"):
        revoke(consortium, run, "hospital-a", "client")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_choice_stays_once_there_are_certificates(run, consortium):
    folder = identities_of(consortium, run, "hospital-b").folder
    identities_of(consortium, run, "hospital-b").create()
    with pytest.raises(NetworkError, match="FL1015"):
        Choices(tls=Choice(kind="csr")).write(folder)
    assert Choices.read(folder) == Choices()


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("builtin", Choice()),
        ("csr", Choice("csr")),
        ("https://ca.hospital-a:7054", Choice("fabric-ca", "https://ca.hospital-a:7054")),
        ("https://ca:7054/?ca=tls", Choice("fabric-ca", "https://ca:7054/", "tls")),
    ],
)
def test_an_authority_is_named_by_a_word_or_its_address(text, choice):
    assert Choice.parse(text) == choice


@pytest.mark.parametrize("text", ["", "import", "ca.hospital-a:7054", "https://", "file:///ca"])
def test_what_is_no_authority_is_refused(text):
    with pytest.raises(NetworkError, match="FL1015"):
        Choice.parse(text)
