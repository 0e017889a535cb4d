"""An identity's certificates are renewed by whichever authority the organisation uses; the old ones serve meanwhile."""

from pathlib import Path

import pytest
from cryptography import x509

from network import rotation
from network.ca.answers import bring
from network.ca.choice import Choice, Choices
from network.ca.keys import load_key
from network.ca.subject import attributes_of, units_of
from network.errors import NetworkError
from network.files import put_in_place
from network.identities import OrganisationIdentities, identities_of
from network.renewal import renew
from network.roster import add
from network.rotation import RENEWED, certificates_of, rotate
from network.topology import Consortium, dump_consortium, load_consortium
from network.units.keys import foreign_keys
from tests.corporate import Company, enrol

NAMES = ("peer0", "node", "admin", "chaincode", "blobs")


@pytest.fixture(scope="module")
def consortium() -> Consortium:
    return load_consortium()


@pytest.fixture
def hospital(consortium: Consortium, tmp_path: Path) -> OrganisationIdentities:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "consortium.yaml").write_text(dump_consortium(consortium))
    made = identities_of(consortium, tmp_path / "run", "hospital-a")
    made.create()
    return made


def shown(hospital: OrganisationIdentities, name: str) -> list[x509.Certificate]:
    """The certificates in place, each checked to be its key's."""
    found = []
    for each in certificates_of(hospital, name):
        found.append(x509.load_pem_x509_certificate(each.certificate.read_bytes()))
        assert found[-1].public_key() == load_key(each.key).public_key()
    return found


def check(hospital: OrganisationIdentities, name: str, before: list[x509.Certificate], new_key: bool) -> None:
    after = shown(hospital, name)
    for old, new in zip(before, after, strict=True):
        assert old.serial_number != new.serial_number
        assert (old.public_key() != new.public_key()) is new_key
        assert (units_of(new), attributes_of(new)) == (units_of(old), attributes_of(old))
        (hospital.signing if units_of(new) else hospital.tls).pool().chain(new)
    assert not any((hospital.folder / RENEWED).iterdir())


def code(hospital: OrganisationIdentities, name: str, *, new_key: bool = False) -> tuple[str, str]:
    with pytest.raises(NetworkError) as caught:
        rotate(hospital, name, new_key=new_key)
    return caught.value.code, caught.value.hint


@pytest.mark.parametrize("new_key", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_built_in_authority_renews_every_identity(hospital: OrganisationIdentities, name: str, new_key: bool):
    before = shown(hospital, name)
    done = rotate(hospital, name, new_key=new_key)
    check(hospital, name, before, new_key)
    assert done.serials == tuple(f"{each.serial_number:x}" for each in shown(hospital, name))
    assert list(foreign_keys(hospital.folder.parents[2], "hospital-a")) == []


@pytest.mark.parametrize("new_key", [False, True])
def test_a_fabric_ca_renews_by_the_present_certificate(url: str, consortium: Consortium, tmp_path: Path, new_key: bool):
    (tmp_path / "secret").write_text("boot-secret")
    by_server = Choice("fabric-ca", url=url, registrar="boot", secret=str(tmp_path / "secret"))
    hospital = identities_of(consortium, tmp_path / f"run-{new_key}", "hospital-b" if new_key else "hospital-c")
    Choices(by_server, by_server).write(hospital.folder)
    hospital.create()
    before = shown(hospital, "node")
    rotate(hospital, "node", new_key=new_key)
    check(hospital, "node", before, new_key)


@pytest.mark.parametrize("new_key", [False, True])
def test_an_authority_by_files_is_asked_and_the_old_certificates_serve_until_it_answers(
    consortium: Consortium, tmp_path: Path, new_key: bool
):
    hospital = identities_of(consortium, tmp_path / "run", "hospital-a")
    company, tls = Company.named("Clinic"), Company.named("Network department")
    Choices(Choice("csr"), Choice("csr")).write(hospital.folder)
    enrol(hospital, company, tls)
    before = shown(hospital, "peer0")
    for authority in (hospital.signing, hospital.tls):
        for path in authority.requests.glob("*.csr"):  # type: ignore[attr-defined]  # by files
            path.unlink()
    for _ in range(2):  # asked for twice, it is one request
        assert code(hospital, "peer0", new_key=new_key)[0] == "FL1093"
        assert shown(hospital, "peer0") == before
    for number, (authority, issuer) in enumerate(((hospital.signing, company), (hospital.tls, tls))):
        (request,) = authority.requests.glob("*.csr")  # type: ignore[attr-defined]  # by files
        (tmp_path / f"answer{number}").write_bytes(issuer.answer([request.read_bytes()]))
    bring(hospital, [tmp_path / "answer0"])
    assert code(hospital, "peer0", new_key=new_key)[0] == "FL1093"
    assert shown(hospital, "peer0") == before
    bring(hospital, [tmp_path / "answer1"])
    rotate(hospital, "peer0", new_key=new_key)
    check(hospital, "peer0", before, new_key)


@pytest.mark.parametrize("done", range(4))
def test_a_rotation_that_was_interrupted_while_files_took_their_places_goes_on(
    hospital: OrganisationIdentities, monkeypatch: pytest.MonkeyPatch, done: int
):
    before = shown(hospital, "node")
    left = iter(range(done))

    def dies(source: Path, target: Path) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        put_in_place(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "put_in_place", dies)
        with pytest.raises(KeyboardInterrupt):
            rotate(hospital, "node", new_key=True)
    rotate(hospital, "node", new_key=False)  # it goes on with what it had begun, whatever is asked now
    check(hospital, "node", before, new_key=True)


def test_certificates_of_the_same_key_that_wait_are_not_those_of_a_new_one(hospital: OrganisationIdentities):
    before = shown(hospital, "node")
    rotation.stage(hospital, "node", new_key=False)
    rotate(hospital, "node", new_key=True)
    check(hospital, "node", before, new_key=True)


@pytest.mark.parametrize("lost", ["removed", "damaged"])
def test_who_lost_a_key_gets_a_new_one_and_never_a_certificate_without(hospital: OrganisationIdentities, lost: str):
    key = certificates_of(hospital, "peer0")[0].key
    key.write_text("no key") if lost == "damaged" else key.unlink()
    assert code(hospital, "peer0") == (
        "FL1013",
        "Restore it from a backup, or give the identity a new one with --new-key.",
    )
    rotate(hospital, "peer0", new_key=True)
    shown(hospital, "peer0")


def test_a_revoked_key_gets_no_other_certificate(hospital: OrganisationIdentities):
    signing = certificates_of(hospital, "node")[0].certificate
    present = x509.load_pem_x509_certificate(signing.read_bytes())
    hospital.signing.revoke(present, hospital.public.revocations)
    assert code(hospital, "node") == ("FL1140", "Give it a new one with --new-key.")
    rotate(hospital, "node", new_key=True)
    assert shown(hospital, "node")[0].public_key() != present.public_key()


def test_an_identity_that_was_added_keeps_its_unit_and_attributes(consortium: Consortium, tmp_path: Path):
    (tmp_path / "consortium.yaml").write_text(dump_consortium(consortium))
    hospital = identities_of(consortium, tmp_path, "hospital-a")
    hospital.create()
    add(consortium, tmp_path, "hospital-a", "second", "node")
    before = shown(hospital, "second")
    rotate(hospital, "second", new_key=False)
    check(hospital, "second", before, new_key=False)


def test_a_certificate_is_renewed_for_the_names_that_the_definition_has_now(tmp_path: Path, consortium: Consortium):
    identities_of(consortium, tmp_path, "hospital-a").create()
    value = consortium.model_dump(mode="json", exclude_none=True)
    next(o for o in value["organisations"] if o["name"] == "hospital-a")["host"] = "blobs.example.test"
    moved = identities_of(Consortium.model_validate(value), tmp_path, "hospital-a")
    rotate(moved, "blobs", new_key=False)
    names = shown(moved, "blobs")[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "blobs.example.test" in names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("name", ["nobody", "../users/node", ""])
def test_who_is_not_there_is_not_renewed(hospital: OrganisationIdentities, name: str):
    assert code(hospital, name)[0] == "FL1011"


def test_a_node_gets_a_new_key_only_where_the_ledger_learns_of_it_first(
    hospital: OrganisationIdentities, consortium: Consortium, tmp_path: Path
):
    with pytest.raises(NetworkError) as caught:
        renew(consortium, tmp_path / "run", "hospital-a", "node", new_key=True)
    assert (caught.value.code, "fedledger node rotate-key" in caught.value.hint) == ("FL1140", True)
    assert renew(consortium, tmp_path / "run", "hospital-a", "node", new_key=False).left
