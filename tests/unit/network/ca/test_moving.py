"""The built-in authorities' keys in a folder of their own: in reach all works, out of reach nothing changes."""

import json
import stat
from pathlib import Path

import pytest

from network.ca.choice import Choice, Choices
from network.ca.moving import move
from network.connection import consortium_of
from network.errors import NetworkError
from network.folders import OrganisationFolder, folder_of
from network.organisation import begin
from network.roster import add
from network.topology import load_consortium
from tests.following import fedledger

NAME = "hospital-a"


@pytest.fixture
def own(tmp_path: Path) -> OrganisationFolder:
    return begin(tmp_path / "own", load_consortium(), NAME, "devnet")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def issue(own: OrganisationFolder, name: str) -> Path:
    return add(consortium_of(own.root), own.root, NAME, name, "client")


def test_moved_keys_are_used_where_they_are_and_nothing_of_them_stays(own: OrganisationFolder, tmp_path: Path):
    before = {(own.secrets / part / "key.pem").read_bytes() for part in ("ca", "tlsca")}
    said = json.loads(fedledger("ca", "move", NAME, tmp_path / "medium", "--run", own.root, "--json"))
    keys = [Path(key) for key in said["keys"]]
    assert {key.read_bytes() for key in keys} == before
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert not before & set(contents(own.root).values())
    assert (issue(own, "laptop") / "tls" / "client.crt").exists()


def test_out_of_reach_what_needs_a_key_says_where_it_is_and_changes_nothing(own: OrganisationFolder, tmp_path: Path):
    move(own, tmp_path / "medium")
    (tmp_path / "medium").rename(tmp_path / "locked away")
    before = contents(own.root)
    with pytest.raises(NetworkError, match="FL1016") as caught:
        issue(own, "laptop")
    assert caught.value.where.startswith(str(tmp_path / "medium"))
    assert "bring that folder back" in caught.value.hint
    assert contents(own.root) == before
    begin(own.root, load_consortium(), NAME, "devnet")  # all is issued: no key is needed
    (tmp_path / "locked away").rename(tmp_path / "medium")
    assert issue(own, "laptop").exists()


def test_a_move_that_was_interrupted_goes_on_and_a_second_one_takes_the_keys_further(
    own: OrganisationFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    key = (own.secrets / "ca" / "key.pem").read_bytes()

    def power_failure(*_: object, **__: object) -> None:
        raise RuntimeError("the power failed")

    with monkeypatch.context() as patched:
        patched.setattr("network.ca.moving.write_atomically", power_failure)
        with pytest.raises(RuntimeError):
            move(own, tmp_path / "medium")
    assert (own.secrets / "ca" / "key.pem").read_bytes() == key
    assert issue(own, "between").exists()
    for place in ("medium", "other", "other"):
        moved = move(own, tmp_path / place)
        assert moved[0].read_bytes() == key
    assert not (tmp_path / "medium" / NAME / "ca" / "key.pem").exists()
    assert issue(own, "after").exists()


def test_a_folder_in_the_organisations_own_another_authoritys_key_and_no_key_at_all_are_refused(
    own: OrganisationFolder, tmp_path: Path
):
    with pytest.raises(NetworkError, match="FL1015"):
        move(own, own.root / "data")
    other = begin(tmp_path / "other", load_consortium(), NAME, "devnet")
    move(other, tmp_path / "medium")
    before = contents(tmp_path)
    with pytest.raises(NetworkError, match="FL1016: another key lies there"):
        move(own, tmp_path / "medium")
    assert contents(tmp_path) == before
    by_files = folder_of(tmp_path / "csr", NAME)
    by_files.secrets.mkdir(parents=True)
    Choices(Choice("csr"), Choice("csr")).write(by_files.secrets)
    with pytest.raises(NetworkError, match="FL1015"):
        move(by_files, tmp_path / "medium2")
