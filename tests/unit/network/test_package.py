import dataclasses
import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from network.bringup import plan_of
from network.build import PLATFORM
from network.errors import NetworkError
from network.fabric.admin import Admin
from network.folders import coming_lock_path, lock_path, package_path
from network.package import (
    Lock,
    coming_lock,
    dump_lock,
    keep_lock,
    lock_at,
    locked,
    read_lock,
    write_lock,
)
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
        "program_sha256": {PLATFORM: hashlib.sha256(program.read_bytes()).hexdigest()},
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
    programs = {"linux/arm64": "c" * 64, "linux/amd64": "b" * 64}
    package = Lock("fedledger", "1.0", 1, source="a" * 64, programs=programs, package_id="").package()
    assert hashlib.sha256(package).hexdigest() == "47604afce2f10046c455eef11a81a430877da4cd29899f80608717656d5b0359"


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


def test_a_lock_that_names_more_platforms_holds_for_who_builds_one_of_them(tmp_path, program, lock):
    other = tmp_path / "other" / program.name
    other.parent.mkdir()
    other.write_bytes(b"the program of another kind of machine")
    wider = locked(CONSORTIUM, program, {"plan9/mips": other})
    assert wider.package_id != lock.package_id
    write_lock(tmp_path, wider)
    keep_lock(tmp_path, lock)
    assert read_lock(tmp_path) == wider
    plan = plan_of("devnet", CONSORTIUM, tmp_path, program)
    assert {p.environment["CHAINCODE_ID"] for p in plan.processes if p.service == "chaincode"} == {lock.package_id}
    elsewhere = dataclasses.replace(wider, programs={"plan9/mips": wider.programs["plan9/mips"]})
    with pytest.raises(
        NetworkError, match=f"FL1043: the lock names the programs of plan9/mips, and this is {PLATFORM}"
    ):
        elsewhere.require_same(lock, tmp_path)


def test_during_an_upgrade_the_coming_lock_is_that_of_the_next_definition_alone(tmp_path, program, lock):
    write_lock(tmp_path, lock)
    assert (coming_lock(tmp_path, 1), lock_at(tmp_path, 1)) == (None, lock)
    coming = locked(dataclasses.replace(lock, version="1.1", sequence=2).upgraded(CONSORTIUM), program)
    coming_lock_path(tmp_path).write_text(dump_lock(coming))
    assert (coming_lock(tmp_path, 1), lock_at(tmp_path, 1), lock_at(tmp_path, 2)) == (coming, lock, coming)
    assert coming_lock(tmp_path, 2) is None


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"chaincode": 1}', "\xff"])
def test_what_is_no_lock_is_refused(tmp_path, content):
    if content is not None:
        lock_path(tmp_path).write_text(content)
    with pytest.raises(NetworkError, match="FL1044"):
        read_lock(tmp_path)


@pytest.mark.parametrize("field", ["programs", "source", "version", "chaincode", "package_id"])
def test_a_lock_whose_package_id_is_not_that_of_its_digests_is_refused(tmp_path, lock, field):
    other = {PLATFORM: "7" * 64} if field == "programs" else "7" * 64
    write_lock(tmp_path, dataclasses.replace(lock, **{field: other}))
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
    assert [asked[2] for asked in peer_asked] == ["queryapproved", "approveformyorg"]
    assert peer_asked[1][3:5] == ("--package-id", lock.package_id)


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


class Answering:
    """Stands for `peer` with what it said on real networks; notes what it was asked."""

    def __init__(self, **said: list[str]) -> None:
        self.said, self.asked = said, []

    def __call__(self, _: Admin, *arguments: str, done: tuple[str, ...] = (), **_options: object) -> str:
        self.asked.append(arguments[2])
        left = self.said.get(arguments[2], [])
        text = left.pop(0) if left else ""
        if text.startswith("Error") and not any(known in text for known in done):
            raise NetworkError("FL1053", text)
        return text


def answering(monkeypatch, **said: list[str]) -> Answering:
    peer = Answering(**said)

    def ask(*arguments: Any, **options: Any) -> str:  # a function, so that it is bound like a method
        return peer(*arguments, **options)

    monkeypatch.setattr(Admin, "_peer", ask)
    monkeypatch.setattr("network.fabric.admin.POLL_S", 0)
    return peer


LOST = "Error: timed out waiting for txid on all peers"


def ready(tmp_path, lock) -> Admin:
    write_lock(tmp_path, lock)
    package_path(tmp_path).parent.mkdir()
    package_path(tmp_path).write_bytes(lock.package())
    return Admin(CONSORTIUM, tmp_path, CONSORTIUM.members[0])


def test_an_approval_that_orderers_lost_is_sent_again(tmp_path, lock, monkeypatch):
    peer = answering(monkeypatch, approveformyorg=[LOST])
    ready(tmp_path, lock).approve()
    assert peer.asked == ["queryapproved", "approveformyorg"] * 2


def test_each_time_another_orderer_is_asked(tmp_path, lock, monkeypatch):
    addresses = []
    monkeypatch.setattr("network.fabric.admin.answers", lambda *_: True)
    admin = ready(tmp_path, lock)

    def ask(_, *arguments: str, **__: Any) -> str:
        if "-o" not in arguments:
            return ""
        addresses.append(arguments[arguments.index("-o") + 1])
        raise NetworkError("FL1053", LOST)

    monkeypatch.setattr(Admin, "_peer", ask)
    with pytest.raises(NetworkError, match="timed out waiting"):
        admin.approve()
    assert len(addresses) == 3
    assert addresses == [orderer.address for _, orderer in CONSORTIUM.orderers[:3]]


def test_an_approval_that_came_late_is_not_sent_again(tmp_path, lock, monkeypatch):
    peer = answering(monkeypatch, approveformyorg=[LOST], queryapproved=["", f"package-id: {lock.package_id}"])
    ready(tmp_path, lock).approve()
    assert peer.asked == ["queryapproved", "approveformyorg", "queryapproved"]


LEADERLESS = "Error: proposal failed: got unexpected status: SERVICE_UNAVAILABLE -- no Raft leader"


def test_orderers_that_elect_a_leader_are_waited_for(tmp_path, lock, monkeypatch):
    peer = answering(monkeypatch, approveformyorg=[LEADERLESS] * 9)
    ready(tmp_path, lock).approve()
    assert peer.asked.count("approveformyorg") == 10
    monkeypatch.setattr("network.fabric.admin.COMMAND_TIMEOUT_S", 0)
    answering(monkeypatch, approveformyorg=[LEADERLESS] * 9)
    with pytest.raises(NetworkError, match="no Raft leader"):
        Admin(CONSORTIUM, tmp_path, CONSORTIUM.members[0]).approve()


def test_an_approval_that_is_lost_every_time_or_refused_ends(tmp_path, lock, monkeypatch):
    admin = ready(tmp_path, lock)
    peer = answering(monkeypatch, approveformyorg=[LOST] * 9)
    with pytest.raises(NetworkError, match="timed out waiting"):
        admin.approve()
    assert peer.asked.count("approveformyorg") == 3
    peer = answering(monkeypatch, approveformyorg=["Error: access denied"])
    with pytest.raises(NetworkError, match="access denied"):
        admin.approve()
    assert peer.asked.count("approveformyorg") == 1


def test_a_newcomers_peer_is_asked_until_it_has_the_block_that_let_it_in(tmp_path, monkeypatch):
    stranger = "Error: access denied: channel [c] creator org unknown, creator is malformed"
    admin = Admin(CONSORTIUM, tmp_path, CONSORTIUM.members[0])
    peer = answering(monkeypatch, querycommitted=[stranger, stranger, "Version: 1.0, Sequence: 1, Endorsement"])
    assert admin.committed()
    assert peer.asked == ["querycommitted"] * 3
    monkeypatch.setattr("network.fabric.admin.COMMAND_TIMEOUT_S", 0)
    answering(monkeypatch, querycommitted=[stranger] * 9)
    with pytest.raises(NetworkError, match="creator org unknown"):
        admin.committed()
