"""Organisations set themselves up from files alone: folders, exports, the channel's first block."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from fabric_protos.common import common_pb2
from typer.testing import CliRunner

from gateway import Signer
from network import genesis
from network.ceremony_cli import org
from network.cli import network
from network.errors import NetworkError
from network.export import Export, export, is_public
from network.folders import channel_block, folder_of, public_parts
from network.identities import identities_of
from network.importing import checked, keep
from network.organisation import begin
from network.topology import Consortium, load_consortium

app = typer.Typer()
app.add_typer(org, name="org")
app.add_typer(network, name="network")


@pytest.fixture(scope="module")
def consortium() -> Consortium:
    return load_consortium()


@pytest.fixture(scope="module")
def made(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each organisation, begun by itself."""
    base = tmp_path_factory.mktemp("organisations")
    for organisation in consortium.organisations:
        begin(base / organisation.name, consortium, organisation.name, "devnet")
    return base


@pytest.fixture
def folders(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "organisations")


def exported(folders: Path, consortium: Consortium, name: str = "hospital-b") -> Export:
    return export(folder_of(folders / name, name), consortium.organisation(name))


def exchange(folders: Path, consortium: Consortium) -> None:
    for organisation in consortium.organisations:
        for other in consortium.organisations:
            keep(folders / organisation.name, checked(consortium, exported(folders, consortium, other.name).dump()))


def changed(found: Export, **parts: object) -> bytes:
    value = json.loads(found.dump())
    value["content"].update(parts)
    return json.dumps(value).encode()


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout


def public_key(path: Path) -> bytes:
    key = load_pem_private_key(path.read_bytes(), None).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_an_organisation_that_begins_touches_no_other_and_makes_no_key_of_another(consortium, made):
    keys = {path: public_key(path) for path in made.rglob("*") if path.name.endswith(("key.pem", ".key"))}
    assert len(set(keys.values())) == len(keys)
    for path in keys:
        assert path.relative_to(made).parts[1] == "secrets"
    assert not list((made / "hospital-a" / "consortium").rglob("*key*"))


def test_a_folder_is_one_organisations_alone(consortium, folders):
    with pytest.raises(NetworkError, match="FL1100: this folder is hospital-a's"):
        folder_of(folders / "hospital-a", "hospital-b")
    with pytest.raises(NetworkError, match="FL1100"):
        begin(folders / "hospital-a", consortium, "hospital-b", "devnet")
    with pytest.raises(NetworkError, match="FL1010"):
        begin(folders / "new", consortium, "hospital-z", "devnet")
    assert not (folders / "new").exists()


def test_a_folder_with_other_files_is_not_begun_in(consortium, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(NetworkError, match="FL1033"):
        begin(tmp_path, consortium, "hospital-a", "devnet")


def test_an_export_is_the_same_until_something_changes(consortium, folders):
    first = exported(folders, consortium)
    keep(folders / "hospital-b", first)
    assert exported(folders, consortium).dump() == first.dump()
    identities = identities_of(consortium, folders / "hospital-b", "hospital-b")
    other = exported(folders, consortium, "hospital-c")
    assert other.fingerprint != first.fingerprint
    identities.public.tls_revocations.unlink()
    identities.tls.begin_list(identities.public.tls_revocations)
    assert exported(folders, consortium).fingerprint != first.fingerprint


def test_an_export_holds_public_files_alone(consortium, folders):
    text = exported(folders, consortium).dump()
    assert b"PRIVATE KEY" not in text
    assert not is_public("users/admin/msp/keystore/key.pem")
    for path in (
        "msp/keystore/key.pem",
        "../msp/config.yaml",
        "/msp/config.yaml",
        "msp/cacerts/../ca.pem",
        "msp//x.pem",
    ):
        assert not is_public(path)
        with pytest.raises(NetworkError, match="FL1101"):
            checked(consortium, changed(exported(folders, consortium), files={path: "x"}))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"content": 3}', b"\xff", b"[" * 100_000, b"x" * (2 << 20)])
def test_what_is_no_export_is_refused(consortium, raw):
    with pytest.raises(NetworkError, match="FL1101"):
        checked(consortium, raw)


def test_an_export_that_was_changed_on_its_way_is_refused(consortium, folders):
    found = exported(folders, consortium)
    files = dict(found.files) | {"msp/config.yaml": "NodeOUs:\n  Enable: false\n"}
    with pytest.raises(NetworkError, match=r"FL1102: .*the signature is not of this content"):
        checked(consortium, changed(found, files=files))


def test_certificates_of_other_roots_are_refused(consortium, folders):
    found, theirs = exported(folders, consortium, "orderer"), exported(folders, consortium, "hospital-c")
    files = dict(found.files) | {"msp/crls/tls.pem": theirs.files["msp/crls/tls.pem"]}
    with pytest.raises(NetworkError, match="FL1102"):
        checked(consortium, changed(found, files=files))
    value = json.loads(theirs.dump()) | {"content": json.loads(found.dump())["content"]}
    with pytest.raises(NetworkError, match=r"FL1102: .*does not come from the organisation's roots"):
        checked(consortium, json.dumps(value).encode())


def test_an_export_lacks_nothing_that_the_definition_names(consortium, folders):
    shutil.rmtree(folders / "orderer" / "secrets" / "orderers" / "orderer2")
    with pytest.raises(NetworkError, match=r"FL1102: .*it lacks orderers/orderer2/"):
        checked(consortium, exported(folders, consortium, "orderer").dump())


def test_only_an_administrator_hands_out_an_export(consortium, folders):
    users = folders / "hospital-b" / "secrets" / "users"
    found, client = exported(folders, consortium), users / "client" / "msp"
    signer = Signer.from_pem((client / "keystore" / "key.pem").read_bytes())
    certificate = (client / "signcerts" / "cert.pem").read_text()
    by_client = replace(found, certificate=certificate, signature=signer.sign(signer.digest(found.content)))
    with pytest.raises(NetworkError, match=r"FL1102: .*not signed by an administrator"):
        checked(consortium, by_client.dump())
    shutil.rmtree(users / "admin")
    shutil.copytree(users / "client", users / "admin")
    with pytest.raises(NetworkError, match=r"FL1011: no administrator's identity is here"):
        exported(folders, consortium)


def test_an_administrator_who_is_revoked_hands_out_no_export(consortium, folders):
    identities = identities_of(consortium, folders / "hospital-b", "hospital-b")
    second = identities.user("second", "admin") / "msp" / "signcerts" / "cert.pem"
    first = identities.folder / "users" / "admin" / "msp" / "signcerts" / "cert.pem"
    assert exported(folders, consortium).certificate == first.read_text()
    identities.signing.revoke(load_pem_x509_certificate(first.read_bytes()), identities.public.revocations)
    found = exported(folders, consortium)
    assert (found.certificate, checked(consortium, found.dump())) == (second.read_text(), found)


def test_another_name_msp_id_or_role_than_the_definition_has_is_refused(consortium, folders):
    found = exported(folders, consortium)
    for parts in ({"organisation": "hospital-z"}, {"msp_id": "HospitalZMSP"}, {"role": "regulator"}):
        with pytest.raises(NetworkError, match="FL1103"):
            checked(consortium, changed(found, **parts))


def test_the_fingerprint_that_was_read_out_is_compared(consortium, folders):
    found = exported(folders, consortium)
    assert checked(consortium, found.dump(), fingerprint=found.fingerprint.upper().replace(" ", "")) == found
    with pytest.raises(NetworkError, match="FL1105"):
        checked(consortium, found.dump(), fingerprint=exported(folders, consortium, "hospital-c").fingerprint)


def test_an_imported_organisation_changes_only_when_told(consortium, folders, made):
    mine = folders / "hospital-a"
    keep(mine, exported(folders, consortium))
    before = public_parts(mine, "hospital-b").tls_revocations.read_bytes()
    identities = identities_of(consortium, folders / "hospital-b", "hospital-b")
    identities.public.tls_revocations.unlink()
    identities.tls.begin_list(identities.public.tls_revocations)
    with pytest.raises(NetworkError, match="FL1104"):
        keep(mine, exported(folders, consortium))
    assert public_parts(mine, "hospital-b").tls_revocations.read_bytes() == before
    keep(mine, exported(folders, consortium), replace=True)
    assert public_parts(mine, "hospital-b").tls_revocations.read_bytes() != before


def test_everybody_renders_the_same_first_block(consortium, folders):
    exchange(folders, consortium)
    names = [o.name for o in consortium.organisations]
    assert all(genesis.write(folders / name, consortium, "devnet") for name in names)
    assert len({channel_block(folders / name).read_bytes() for name in names}) == 1
    assert not genesis.write(folders / names[0], consortium, "devnet")
    genesis.verify(folders / names[1], consortium, "devnet", channel_block(folders / names[2]))


def test_a_first_block_without_an_organisations_parts_is_not_rendered(consortium, folders):
    keep(folders / "hospital-a", exported(folders, consortium, "hospital-a"))
    with pytest.raises(NetworkError, match=r"FL1106: the public parts of orderer, hospital-b, .*are not here"):
        genesis.write(folders / "hospital-a", consortium, "devnet")


def test_a_first_block_that_differs_is_refused_and_says_where(consortium, folders, tmp_path):
    exchange(folders, consortium)
    genesis.write(folders / "hospital-a", consortium, "devnet")
    wider = consortium.model_copy(update={"batch_interval_ms": 999})
    with pytest.raises(NetworkError, match=r"FL1107: .*/Channel/Orderer/BatchTimeout differs"):
        genesis.verify(folders / "hospital-b", wider, "devnet", channel_block(folders / "hospital-a"))
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    with pytest.raises(NetworkError, match="FL1107"):
        genesis.verify(folders / "hospital-b", consortium, "devnet", tmp_path / "rubbish")


def test_nothing_in_the_first_block_is_left_to_chance(consortium, folders):
    exchange(folders, consortium)
    block = genesis.render(folders / "hospital-a", consortium, "devnet")
    again = genesis.settled(common_pb2.Block.FromString(block.SerializeToString()))
    assert again.SerializeToString() == block.SerializeToString()


def test_the_commands_say_what_they_did_and_why_they_refuse(tmp_path):
    mine = tmp_path / "hospital-a"
    assert run("org", "init", "hospital-a", "--run", mine)[0] == 0
    code, said = run("org", "export", "--run", mine, "--out", tmp_path / "a.export")
    assert (code, len(json.loads(said)["fingerprint"].split())) == (0, 10)
    assert run("network", "import", tmp_path / "a.export", "--run", mine)[0] == 0
    code, said = run("network", "genesis", "--run", mine)
    assert (code, json.loads(said)["error"]["code"]) == (1, "FL1106")
    code, said = run("org", "join", "--run", mine)
    assert (code, json.loads(said)["error"]["code"]) == (1, "FL1108")
    code, said = run("org", "export", "--run", tmp_path / "nowhere")
    assert (code, json.loads(said)["error"]["code"]) == (1, "FL1033")
