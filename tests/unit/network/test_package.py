import dataclasses
import hashlib
import io
import json
import tarfile

import pytest

from network.bringup import plan_of
from network.errors import NetworkError
from network.fabric.admin import Admin
from network.folders import lock_path, package_path
from network.package import Lock, keep_lock, locked, read_lock, write_lock
from network.topology import Chaincode, load_consortium

CONSORTIUM = load_consortium()
SOURCES = "5" * 64


@pytest.fixture
def program(tmp_path):
    built = tmp_path / f"chaincode-{SOURCES}"
    built.write_bytes(b"the program")
    return built


@pytest.fixture
def lock(program) -> Lock:
    return locked(CONSORTIUM, program)


def inside(package: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}


def test_a_package_names_its_program_and_holds_no_address_and_no_key(lock, program):
    outer = inside(lock.package())
    assert json.loads(outer["metadata.json"]) == {"type": "fedledger-service", "label": "fedledger"}
    assert json.loads(inside(outer["code.tar.gz"])["service.json"]) == {
        "chaincode": "fedledger",
        "version": "1.0",
        "source_sha256": SOURCES,
        "program_sha256": hashlib.sha256(program.read_bytes()).hexdigest(),
    }
    assert lock.package_id == f"fedledger:{hashlib.sha256(lock.package()).hexdigest()}"


def test_another_program_source_version_or_name_has_another_package_id(lock, program):
    ids = {lock.package_id}
    program.write_bytes(b"the program with one bit changed")
    ids.add(locked(CONSORTIUM, program).package_id)
    program.write_bytes(b"the program")
    ids.add(locked(CONSORTIUM, program.rename(program.with_name(f"chaincode-{'6' * 64}"))).package_id)
    program.write_bytes(b"the program")
    for chaincode in (Chaincode(version="1.1"), Chaincode(name="other")):
        ids.add(locked(CONSORTIUM.model_copy(update={"chaincode": chaincode}), program).package_id)
    assert len(ids) == 5
    assert locked(CONSORTIUM, program) == lock


def test_the_id_of_a_package_is_the_same_on_every_machine():
    """Were it to change with a release of Python or zlib, organisations could not approve one package."""
    fields = {"chaincode": "fedledger", "version": "1.0", "source": "a" * 64, "program": "b" * 64}
    package = Lock(**fields, package_id="").package()
    assert hashlib.sha256(package).hexdigest() == "9cd024be9532dc54e5de1db1157c794528fa0f5863c0675f8a1b5cbb7e06d9a1"


def test_devnet_runs_its_chaincode_under_the_package_id_of_the_program(tmp_path, program, lock):
    plan = plan_of("devnet", CONSORTIUM, tmp_path, program)
    ids = {p.environment["CHAINCODE_ID"] for p in plan.processes if p.name.startswith("chaincode-")}
    assert ids == {lock.package_id}


def test_a_lock_is_written_once_and_holds_from_then_on(tmp_path, program, lock):
    keep_lock(tmp_path, lock)
    keep_lock(tmp_path, lock)
    assert read_lock(tmp_path) == lock
    program.write_bytes(b"another program")
    with pytest.raises(NetworkError, match=r"FL1043: .* its program is .*, the lock says") as caught:
        keep_lock(tmp_path, locked(CONSORTIUM, program))
    assert caught.value.where == str(lock_path(tmp_path))
    assert read_lock(tmp_path) == lock


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"chaincode": 1}', "\xff"])
def test_what_is_no_lock_is_refused(tmp_path, content):
    if content is not None:
        lock_path(tmp_path).write_text(content)
    with pytest.raises(NetworkError, match="FL1044"):
        read_lock(tmp_path)


@pytest.mark.parametrize("field", ["program", "source", "version", "chaincode", "package_id"])
def test_a_lock_whose_package_id_is_not_that_of_its_digests_is_refused(tmp_path, lock, field):
    write_lock(tmp_path, dataclasses.replace(lock, **{field: "7" * 64}))
    with pytest.raises(NetworkError, match="FL1044: the package of its digests has the id"):
        read_lock(tmp_path)


@pytest.fixture
def peer_asked(monkeypatch):
    """What `peer` was asked to do; no peer runs here."""
    asked: list[tuple[str, ...]] = []

    def note(_: Admin, *arguments: str, **_options: object) -> str:
        asked.append(arguments)
        return ""

    monkeypatch.setattr(Admin, "_peer", note)
    return asked


def test_an_admin_approves_what_the_lock_names(tmp_path, lock, peer_asked):
    write_lock(tmp_path, lock)
    package_path(tmp_path).parent.mkdir()
    package_path(tmp_path).write_bytes(lock.package())
    Admin(CONSORTIUM, tmp_path, CONSORTIUM.members[0]).approve()
    assert peer_asked[0][2:5] == ("approveformyorg", "--package-id", lock.package_id)


def test_an_admin_approves_nothing_but_what_the_lock_names(tmp_path, lock, program, peer_asked):
    write_lock(tmp_path, lock)
    package_path(tmp_path).parent.mkdir()
    package_path(tmp_path).write_bytes(lock.package())
    newer = CONSORTIUM.model_copy(update={"chaincode": Chaincode(version="2.0", sequence=2)})
    with pytest.raises(NetworkError, match=r"FL1043: the definition names fedledger 2\.0, the lock fedledger 1\.0"):
        Admin(newer, tmp_path, newer.members[0]).approve()
    program.write_bytes(b"another program")
    package_path(tmp_path).write_bytes(locked(CONSORTIUM, program).package())
    with pytest.raises(NetworkError, match=f"FL1043: the package to install is not that of {lock.package_id}"):
        Admin(CONSORTIUM, tmp_path, CONSORTIUM.members[0]).approve()
    assert not peer_asked
