"""Organisations on hosts of their own, set up by the commands of docs/deploy.md alone.

One federation lives through all of these in this order, and trains all the while.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from network.connection import consortium_of
from network.topology import dump_consortium, load_consortium
from network.update.changes import RemoveOrderer
from network.update.definition import followed
from tests.contract.harness.ledger import FABRIC_PROGRAMS, fabric_program
from tests.hosts import page
from tests.hosts.federation import (
    LATER,
    LATER_SECTION,
    SECTIONS,
    Federation,
    add_member,
    again,
    definition,
    federation,
    until,
)
from tests.hosts.hosts import Host, problem
from tests.hosts.keys import foreign
from tests.hosts.page import MEMBERS
from tests.hosts.upkeep import lose_and_restore, replace_orderer, rotate_orderer, serials, upgrade

MOST_COMMANDS = {"A founding member": 12, "A regulator": 6}
LATENCY_S = 0.05
LOSS = 0.01
CONNECT = """
import socket, time
began = time.monotonic()
socket.create_connection(({!r}, {}))
print(time.monotonic() - began)
"""
GET = "import urllib.request; print(urllib.request.urlopen({!r}).read().decode())"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def founded(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """A federation that trains; everything was done on the organisations' own hosts."""
    reason = problem()
    if reason:
        pytest.skip(reason)
    fabric = pytestconfig.getoption("--network", "devnet") == "fabric"
    if fabric and not all(map(fabric_program, FABRIC_PROGRAMS)):
        pytest.skip("no Fabric binaries in FABRIC_BIN or PATH")
    ordering = pytestconfig.getoption("--ordering", "bft")
    with federation(tmp_path_factory.mktemp("hosts"), fabric=fabric, ordering=ordering) as made:
        yield made


@pytest.fixture
def at_length(founded: Federation, pytestconfig: pytest.Config) -> Federation:
    """The federation, for what takes minutes."""
    if not founded.fabric and "lengthy" not in pytestconfig.option.markexpr:
        pytest.skip("takes minutes: run it with --network fabric or -m 'slow or lengthy'")
    return founded


@pytest.mark.timeout(30)
def test_the_page_needs_as_many_commands_as_it_says_and_no_more_than_a_person_has_patience_for():
    for section, said in page.counted().items():
        blocks = page.blocks(section)
        if section == SECTIONS["hospital-a"]:
            *others, proposing, voting = blocks
            assert len(proposing) == len(voting)  # a member proposes or votes
            blocks = [*others, voting]
        assert sum(map(len, blocks)) == said
        assert said <= MOST_COMMANDS.get(section, said)
    assert set(page.counted()) == {*SECTIONS.values(), LATER_SECTION}


@pytest.mark.timeout(30)
def test_a_successors_orderer_as_the_runbook_writes_it_fits_the_definition_that_is_left(tmp_path: Path):
    path = tmp_path / "consortium.yaml"
    path.write_text(definition("bft"))
    (gone,) = load_consortium(path).organisation("hospital-b").orderers
    left = dump_consortium(followed(load_consortium(path), RemoveOrderer(address=gone.address)))
    before, entry, after = left.partition("- name: hospital-d\n")
    path.write_text(before + entry + after.replace("orderers: []", page.successor(), 1))
    assert [each.name for each in load_consortium(path).organisation("hospital-d").orderers] == ["orderer1.hospital-d"]


def test_each_organisation_gave_the_pages_commands_and_no_others(founded: Federation):
    for name in MEMBERS:
        written = [page.of_member(c, name) for block in page.blocks(SECTIONS[name]) for c in block]
        assert set(founded.given[name]) <= set(written)


def test_all_render_the_same_first_block_and_verify_one_anothers(founded: Federation):
    blocks = {(founded[name].run / "consortium" / "channel.block").read_bytes() for name in SECTIONS}
    assert len(blocks) == 1
    regulator = founded["regulator"]
    (regulator.disk / "theirs.block").write_bytes(blocks.pop())
    regulator.do("fedledger network verify-genesis theirs.block")


def test_as_many_organisations_order_as_the_definition_says(founded: Federation):
    """Four of four under BFT, three of three with Raft; the embedded network has one orderer."""
    wanted = {"bft": 4, "raft": 3}[_ordering(founded)] if founded.fabric else 1
    running = [path.name for host in founded.hosts.values() for path in (host.run / "pids").glob("orderer*")]
    assert len(running) == wanted


def test_a_host_sees_no_other_organisations_folder(founded: Federation):
    host = founded["hospital-a"]
    assert host.do(f"ls {host.base}").split() == ["hospital-a"]


def test_a_blob_goes_from_one_host_to_another(founded: Federation):
    """The service shows a certificate with its host's name: without it every transfer between hosts fails."""
    source, target = founded["hospital-a"], founded["hospital-b"]
    content = b"to every member"
    (source.disk / "letter").write_bytes(content)
    answer = json.loads(again(lambda: source.do("fedledger blobs put letter --json")))
    assert answer["digest"] == hashlib.sha256(content).hexdigest()
    target.do(f"fedledger blobs get {answer['digest']} --out got")
    assert (target.disk / "got").read_bytes() == content


def test_three_rounds_end_final(founded: Federation):
    founded.wait_for_rounds(3)


def test_the_regulators_dashboard_shows_rounds_and_a_verdict_that_holds(founded: Federation):
    (command,) = page.blocks(SECTIONS["regulator"])[3]
    founded.give("regulator", command.replace("$GENESIS", _genesis(founded)))

    def shown() -> dict[str, Any]:
        said = again(lambda: _python(founded["regulator"], GET.format("http://127.0.0.1:8440/live.json")))
        return dict(json.loads(said))

    until(lambda: (live := shown())["verdict"].startswith("OK") and live["rounds"] != [], shown)
    founded.stop("regulator", "dashboard")


def test_rounds_go_on_over_slow_lines_that_lose_packets(founded: Federation):
    founded.wire.latency_s, founded.wire.loss = LATENCY_S, LOSS
    assert _connecting_s(founded["hospital-a"], founded["hospital-b"]) >= 2 * LATENCY_S
    founded.wait_for_rounds(2)
    assert founded.wire.lost
    founded.wire.latency_s = founded.wire.loss = 0.0


def test_rounds_go_on_without_a_host_that_is_cut_off_and_with_it_afterwards(founded: Federation):
    founded.wire.part(["hospital-b"])
    until(lambda: "hospital-b" not in founded.survivors(), founded.attempts)
    assert founded.wire.kept_apart
    founded.wire.heal()
    until(lambda: founded.survivors() == sorted(MEMBERS), founded.attempts)


def test_a_member_is_added_by_files_and_trains_with_the_others(at_length: Federation):
    add_member(at_length)
    until(lambda: LATER in at_length.survivors(), at_length.attempts)


def test_a_deleted_host_comes_back_from_its_backup(at_length: Federation):
    lose_and_restore(at_length, "hospital-d")
    since = at_length.finals()
    until(lambda: at_length.finals() > since and "hospital-d" in at_length.survivors(), at_length.attempts)


def test_rounds_go_on_while_a_peer_gets_a_new_key_and_certificate(at_length: Federation):
    before = serials(at_length, "hospital-c")
    at_length["hospital-c"].do("fedledger identity rotate hospital-c peer0 --new-key")
    after = serials(at_length, "hospital-c")
    assert [name for name in after if after[name] != before[name]] == ["peer0"]
    at_length.wait_for_rounds(1)
    until(lambda: "hospital-c" in at_length.survivors(), at_length.attempts)


def test_rounds_go_on_while_a_certificate_is_revoked_and_its_holder_is_locked_out(at_length: Federation):
    host, ask = at_length["hospital-c"], "fedledger train status first --user visitor"
    host.do("fedledger identity add hospital-c visitor")
    host.do(ask)
    host.do("fedledger identity revoke hospital-c visitor")
    until(lambda: refused(host, ask), lambda: "a revoked certificate is still taken")
    at_length.wait_for_rounds(1)


def test_rounds_go_on_while_an_orderer_gets_new_certificates_in_its_place(at_length: Federation):
    before = serials(at_length, "orderer")
    rotate_orderer(at_length)
    after = serials(at_length, "orderer")
    assert [name for name in after if after[name] != before[name]] == ["orderer1"]
    at_length.wait_for_rounds(1)


def test_rounds_go_on_while_an_orderer_that_is_gone_is_replaced(at_length: Federation):
    """In the end one more orderer is stopped: without the newcomer no block would come about."""
    if not at_length.fabric:
        pytest.skip("the embedded network orders in one process")
    replace_orderer(at_length, "hospital-b", "hospital-d")
    at_length.wait_for_rounds(1)
    at_length["orderer"].do("fedledger network stop orderer1")
    at_length.wait_for_rounds(2)
    at_length["orderer"].do("fedledger network start orderer1")


def test_a_member_that_lost_its_ledger_is_told_and_rounds_go_on(at_length: Federation):
    """On Fabric its approval of the chaincode went with it; the upgrade that follows is what it is told to ask for."""
    host = at_length["hospital-c"]
    host.do("fedledger network down")
    shutil.rmtree(host.run / "data" / "peer-hospital-c")
    if at_length.fabric:
        with pytest.raises(AssertionError, match=r"(?s)FL1065.*fedledger org upgrade package\.lock"):
            host.do("fedledger org join")
    else:
        host.do("fedledger org join")
    at_length.wait_for_rounds(1)


def test_rounds_go_on_while_the_chaincode_is_upgraded(at_length: Federation):
    upgrade(at_length)
    at_length.wait_for_rounds(2)


def test_the_regulator_finds_nothing(founded: Federation):
    regulator = founded["regulator"]
    regulator.do("fedledger audit fetch --out blocks")
    said = regulator.do(f"fedledger audit verify --blocks blocks --genesis {_genesis(founded)} --json")
    assert json.loads(said)["verdict"].startswith("OK")


def test_no_host_ever_held_a_private_key_that_is_not_its_own_organisations(founded: Federation):
    founded.keys.search()
    assert founded.keys.searches > 1
    assert founded.keys.found == set()
    for host in (founded[name] for name in SECTIONS):
        copied = host.disk / "copied.txt"
        copied.write_bytes((host.run / "secrets/users/admin/msp/keystore/key.pem").read_bytes())
        assert foreign(host) == {str(copied)}  # the search finds what it looks for
        copied.unlink()


def refused(host: Host, command: str) -> bool:
    try:
        host.do(command)
    except AssertionError:
        return True
    return False


def _python(host: Host, script: str) -> str:
    return host.do(f'{sys.executable} -c "{script}"')


def _connecting_s(source: Host, target: Host) -> float:
    """Return what a TCP connection takes: a message there and one back."""
    port = consortium_of(target.run).organisation(target.organisation).peer.port
    return float(_python(source, CONNECT.format(target.name, port)))


def _genesis(founded: Federation) -> str:
    """Return what two members' own peers name."""
    (found,) = {founded[name].do("fedledger audit genesis").strip() for name in ("hospital-b", "hospital-c")}
    return found


def _ordering(founded: Federation) -> str:
    return "raft" if "ordering: raft" in (founded["hospital-a"].disk / "consortium.yaml").read_text() else "bft"
