"""A backup brings everything back or nothing: keys, configuration, ledgers; never journals or blobs."""

import json
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from network.backup import sealing
from network.backup.contents import ALWAYS
from network.backup.making import Backup, back_up
from network.backup.restoring import AT_WORK, Restored, restore
from network.backup.sealing import CHUNK_V1, MAGIC_V1, TAG_BYTES, Holder, Passphrase, Recipient
from network.ceremony_cli import org
from network.errors import NetworkError
from network.folders import OrganisationFolder, folder_of
from network.organisation import begin
from network.topology import DEFAULT_DEFINITION, Consortium, parse_consortium
from network.yaml_lines import PlacedYaml
from tests.ports import free_ports

PASSPHRASE = Passphrase("six random words would do here")
HOLDER = Holder(X25519PrivateKey.generate())
"""Opens what most tests make: a guess of a passphrase costs a second."""
LEDGER = b"blocks" * CHUNK_V1


@pytest.fixture(scope="module")
def consortium() -> Consortium:
    return parse_consortium(PlacedYaml.read(DEFAULT_DEFINITION), base_port=free_ports())


@pytest.fixture(scope="module")
def begun(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an organisation that has run: secrets, ledger, and what is in no backup."""
    root = tmp_path_factory.mktemp("begun") / "hospital-a"
    folder = begin(root, consortium, "hospital-a", "devnet")
    for path, content in {
        "data/peer-hospital-a/blocks.db": LEDGER,
        "data/peer-hospital-a/empty": b"",
        "journal-keys/hospital-a.key": b"key",
        "nodes/hospital-a/journal/t.1.1.log": b"journal",
        "blobs/ab/cd": b"blob",
        "logs/peer.log": b"log",
        "pids/peer": b"1 2",
        "rendered/peer/core.yaml": b"a",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    assert folder.root == root
    return root


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> OrganisationFolder:
    return folder_of(shutil.copytree(begun, tmp_path / "hospital-a"), "hospital-a")


@pytest.fixture(scope="module")
def made(begun: Path, consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Backup:
    to = tmp_path_factory.mktemp("other-disk") / "a.backup"
    return back_up(folder_of(begun, "hospital-a"), consortium, to, Recipient(HOLDER.key.public_key()), ledger=True)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def code(action: Callable[[], object]) -> str:
    with pytest.raises(NetworkError) as caught:
        action()
    return caught.value.code


def test_a_restored_folder_has_every_key_and_ledger_and_says_that_it_was_restored(
    made: Backup, begun: Path, tmp_path: Path
):
    done = restore(made.file, tmp_path / "new", HOLDER)
    found = tree(tmp_path / "new")
    marker = json.loads(found.pop("restored.json"))
    assert found == {path: content for path, content in tree(begun).items() if path.split("/")[0] in (*ALWAYS, "data")}
    assert (done.organisation, done.files) == ("hospital-a", made.files)
    assert marker["made"] == done.made
    assert marker["restored"] > marker["made"]


def test_journals_and_blobs_are_in_no_backup(made: Backup, tmp_path: Path):
    restore(made.file, tmp_path / "new", HOLDER)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {*ALWAYS, "data", "restored.json"}


def test_nothing_of_the_content_can_be_read_in_the_file_and_only_its_owner_reads_it(made: Backup):
    content = made.file.read_bytes()
    assert b"PRIVATE KEY" not in content
    assert b"blocks" * 8 not in content
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600


def test_restored_keys_are_their_owners_alone(made: Backup, tmp_path: Path):
    restore(made.file, tmp_path / "new", HOLDER)
    keys = [path for path in (tmp_path / "new").rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]
    assert len(keys) > 8
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path / "new", *keys)} == {0}


def test_another_passphrase_opens_nothing_and_leaves_nothing(
    folder: OrganisationFolder, consortium: Consortium, tmp_path: Path
):
    back_up(folder, consortium, tmp_path / "a.backup", PASSPHRASE, ledger=True)
    other = Passphrase("six other random words")
    assert code(lambda: restore(tmp_path / "a.backup", tmp_path / "new", other)) == "FL1132"
    assert not (tmp_path / "new").exists()
    restore(tmp_path / "a.backup", tmp_path / "new", PASSPHRASE)


def test_a_passphrase_costs_as_much_as_version_1_says():
    assert sealing.SCRYPT_V1 == {"n": 131072, "r": 8, "p": 1}


@pytest.mark.parametrize("short", ["", "eleven chars"[:11]])
def test_a_short_passphrase_is_refused(short: str):
    assert code(lambda: Passphrase(short)) == "FL1136"


CUTS = {
    "the first line": lambda _: 5,
    "the header": lambda _: len(MAGIC_V1) + 20,
    "every chunk": lambda size: size - size % (CHUNK_V1 + TAG_BYTES),
    "the last byte": lambda size: size - 1,
}


@pytest.mark.parametrize("where", CUTS)
def test_a_backup_that_was_cut_off_restores_nothing(made: Backup, tmp_path: Path, where: str):
    content = made.file.read_bytes()
    short = tmp_path / "short.backup"
    short.write_bytes(content[: CUTS[where](len(content))])
    assert code(lambda: restore(short, tmp_path / "new", HOLDER)) in {"FL1131", "FL1133"}
    assert not tree(tmp_path).keys() - {"short.backup"}


def test_a_backup_that_ends_between_two_chunks_restores_nothing(made: Backup, tmp_path: Path):
    content = made.file.read_bytes()
    header = len(MAGIC_V1) + 4 + int.from_bytes(content[len(MAGIC_V1) : len(MAGIC_V1) + 4], "big")
    short = tmp_path / "short.backup"
    short.write_bytes(content[: header + 3 * (CHUNK_V1 + TAG_BYTES)])
    assert code(lambda: restore(short, tmp_path / "new", HOLDER)) == "FL1133"
    assert not tree(tmp_path / "new")


@pytest.mark.parametrize("place", [0.0, 0.001, 0.5, 0.9999])
def test_a_changed_byte_is_noticed_wherever_it_is(made: Backup, tmp_path: Path, place: float):
    content = bytearray(made.file.read_bytes())
    content[int(place * len(content))] ^= 1
    changed = tmp_path / "changed.backup"
    changed.write_bytes(content)
    assert code(lambda: restore(changed, tmp_path / "new", HOLDER)) in {"FL1131", "FL1132", "FL1133"}
    assert not tree(tmp_path / "new")


def test_what_follows_the_end_is_noticed(made: Backup, tmp_path: Path):
    longer = tmp_path / "longer.backup"
    longer.write_bytes(made.file.read_bytes() + b"more")
    assert code(lambda: restore(longer, tmp_path / "new", HOLDER)) == "FL1133"


def test_another_organisations_backup_is_refused_by_its_name(made: Backup, tmp_path: Path):
    assert code(lambda: restore(made.file, tmp_path / "new", HOLDER, organisation="hospital-b")) == "FL1134"
    assert not (tmp_path / "new").exists()


def test_a_header_cannot_say_that_the_backup_is_another_organisations(made: Backup, tmp_path: Path):
    content = made.file.read_bytes()
    forged = tmp_path / "forged.backup"
    forged.write_bytes(content.replace(b'"organisation":"hospital-a"', b'"organisation":"hospital-b"'))
    assert code(lambda: restore(forged, tmp_path / "new", HOLDER, organisation="hospital-b")) == "FL1132"


def test_a_file_that_is_no_backup_is_refused(tmp_path: Path):
    (tmp_path / "notes").write_text("fedledger backup 2\n" + "x" * 200)
    assert code(lambda: restore(tmp_path / "notes", tmp_path / "new", HOLDER)) == "FL1131"


def test_a_folder_that_holds_something_is_never_restored_into(made: Backup, folder: OrganisationFolder):
    before = tree(folder.root)
    assert code(lambda: restore(made.file, folder.root, HOLDER)) == "FL1135"
    assert tree(folder.root) == before


def test_an_interrupted_restore_is_begun_anew(made: Backup, begun: Path, tmp_path: Path):
    root = tmp_path / "new"
    for part in (AT_WORK, "secrets", "data"):
        (root / part).mkdir(parents=True)
        (root / part / "half").write_bytes(b"x")
    restore(made.file, root, HOLDER)
    assert (root / "data" / "peer-hospital-a" / "blocks.db").read_bytes() == LEDGER
    assert not list(root.rglob("half"))


def test_a_restore_that_the_disk_refuses_leaves_nothing(made: Backup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("network.backup.restoring.sync_folder", full)  # the very last step
    assert code(lambda: restore(made.file, tmp_path / "new", HOLDER)) == "FL1012"
    assert not tree(tmp_path / "new")


def test_a_backup_is_never_written_over_a_file(folder: OrganisationFolder, consortium: Consortium, made: Backup):
    before = made.file.read_bytes()
    assert code(lambda: back_up(folder, consortium, made.file, PASSPHRASE, ledger=True)) == "FL1012"
    assert made.file.read_bytes() == before


def test_a_backup_does_not_lie_in_the_folder_it_is_of(folder: OrganisationFolder, consortium: Consortium):
    to = folder.root / "a.backup"
    assert code(lambda: back_up(folder, consortium, to, PASSPHRASE, ledger=True)) == "FL1012"


def test_a_ledger_that_changes_meanwhile_leaves_no_backup(
    folder: OrganisationFolder, consortium: Consortium, tmp_path: Path
):
    class Busy:
        def close(self) -> tuple[dict[str, str], bytes]:
            (folder.data("peer-hospital-a") / "blocks.db").write_bytes(LEDGER + b"one more block")
            return Recipient(HOLDER.key.public_key()).close()

    to = tmp_path / "disk" / "a.backup"
    to.parent.mkdir()
    assert code(lambda: back_up(folder, consortium, to, Busy(), ledger=True)) == "FL1130"
    assert not list(to.parent.iterdir())


def test_a_backup_without_ledgers_holds_none(folder: OrganisationFolder, consortium: Consortium, tmp_path: Path):
    back_up(folder, consortium, tmp_path / "a.backup", Recipient(HOLDER.key.public_key()), ledger=False)
    done = restore(tmp_path / "a.backup", tmp_path / "new", HOLDER)
    assert done.ledger is False
    assert not (tmp_path / "new" / "data").exists()


def test_what_is_sealed_to_a_public_key_opens_with_its_private_key_alone(
    folder: OrganisationFolder, consortium: Consortium, tmp_path: Path
):
    private, public = (tmp_path / name for name in ("backup.key", "backup.pub"))
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    back_up(folder, consortium, tmp_path / "a.backup", Recipient.read(public), ledger=True)
    for other in (HOLDER, PASSPHRASE):
        assert code(lambda other=other: restore(tmp_path / "a.backup", tmp_path / "new", other)) == "FL1132"
    done: Restored = restore(tmp_path / "a.backup", tmp_path / "new", Holder.read(private))
    assert done.organisation == "hospital-a"


def test_a_key_of_another_kind_is_no_key_for_backups(folder: OrganisationFolder):
    key = folder.user("admin") / "msp" / "keystore" / "key.pem"
    certificate = folder.user("admin") / "msp" / "signcerts" / "cert.pem"
    assert code(lambda: Holder.read(key)) == "FL1136"
    assert code(lambda: Recipient.read(certificate)) == "FL1136"


def test_the_commands_say_what_they_did_and_take_the_passphrase_from_a_file(folder: OrganisationFolder, tmp_path: Path):
    app = typer.Typer()
    app.add_typer(org, name="org")
    (tmp_path / "words").write_text("six random words would do\nnot this line\n")
    common = ["--passphrase-file", str(tmp_path / "words"), "--json"]
    file = str(tmp_path / "a.backup")
    made = CliRunner().invoke(app, ["org", "backup", file, "--run", str(folder.root), *common])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["ledger"] is True
    done = CliRunner().invoke(app, ["org", "restore", file, "--run", str(tmp_path / "new"), *common])
    assert json.loads(done.stdout)["organisation"] == "hospital-a"
    again = CliRunner().invoke(app, ["org", "restore", file, "--run", str(tmp_path / "new"), *common])
    assert again.exit_code == 1
    assert json.loads(again.stdout)["error"]["code"] == "FL1135"


def test_a_backup_to_a_public_key_is_restored_by_its_digest_alone(
    made: Backup, folder: OrganisationFolder, consortium: Consortium, tmp_path: Path
):
    """Whoever has the public key can write another backup that the private key opens."""
    (tmp_path / "key").write_bytes(HOLDER.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    forged = back_up(folder, consortium, tmp_path / "forged", Recipient(HOLDER.key.public_key()), ledger=False)
    assert code(lambda: restore(forged.file, tmp_path / "new", HOLDER, sha256=made.sha256)) == "FL1137"
    app = typer.Typer()
    app.add_typer(org, name="org")
    words = ["org", "restore", str(made.file), "--run", str(tmp_path / "new"), "--key", str(tmp_path / "key"), "--json"]
    refused = CliRunner().invoke(app, words)
    assert json.loads(refused.stdout)["error"]["code"] == "FL1137"
    assert not (tmp_path / "new").exists()
    done = CliRunner().invoke(app, [*words, "--sha256", made.sha256.upper()])
    assert json.loads(done.stdout)["organisation"] == "hospital-a"


def test_no_secret_shows_in_what_holds_one(tmp_path: Path):
    raw = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key").write_bytes(raw)
    assert repr(PASSPHRASE) == "Passphrase()"
    assert repr(Holder.read(tmp_path / "key")) == "Holder()"
