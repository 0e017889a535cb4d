"""A peer more for an organisation of a running network: it joins, endorses, and stands in for the first."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway import Contract
from gateway.errors import GatewayError
from network import peering
from network.backup.contents import share_of
from network.bringup import Request, down, start_one, stop_one, up
from network.connection import consortium_of
from network.errors import NetworkError
from network.folders import definition_path, folder_of
from network.organisation import begin
from network.peering import Place, add_peer, start_on
from network.plan import chaincode_process, peer_process
from network.topology import DEFAULT_DEFINITION, Consortium, load_consortium
from network.update.changes import MovePeers
from network.update.definition import followed, with_peer
from tests.following import fedledger
from tests.unit.network.conftest import contract_of, quiet
from tests.waiting import PATIENCE_S

MEMBER, REGULATOR = "hospital-b", "regulator"
POLL_S = 0.2
ELSEWHERE = "127.0.0.2"
ENDORSERS = ["HospitalBMSP", "HospitalAMSP", "HospitalCMSP"]


@pytest.fixture(scope="module")
def widened(running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a network in which a member has been given a second peer by the command."""
    _, run = running
    file = tmp_path_factory.mktemp("update") / "peers.update"
    said = json.loads(fedledger("network", "add-peer", MEMBER, "--out", file, "--run", run, "--json"))
    assert said["started"] == [peer_process(MEMBER, 1), chaincode_process(MEMBER, 1)]
    assert (said["submitted"], file.exists()) == (True, True)
    return run


async def put(contract: Contract, key: str, endorsers: Sequence[str] = ENDORSERS) -> None:
    """Submit a transaction that the member itself endorses: the channel tells gateways of a peer in its own time."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await contract.submit("Put", key, "here", endorsing_organizations=endorsers)
            except GatewayError:
                await asyncio.sleep(POLL_S)
            else:
                return


async def test_a_peer_that_is_added_stands_in_for_the_first_when_that_is_down(widened: Path):
    first = peer_process(MEMBER)
    stop_one(widened, first, kill=True)
    try:
        async with contract_of(widened, MEMBER) as contract:
            await put(contract, "by-the-second")
            assert await contract.evaluate("Get", "by-the-second", endorsing_organizations=["HospitalBMSP"]) == b"here"
    finally:
        start_one(widened, first)


async def test_while_the_first_peers_chaincode_is_down_the_second_endorses_for_its_organisation(widened: Path):
    beside = chaincode_process(MEMBER)
    stop_one(widened, beside, kill=True)
    try:
        for asking in (MEMBER, "hospital-a"):
            async with contract_of(widened, asking) as contract:
                await put(contract, f"asked-by-{asking}")
        async with contract_of(widened, MEMBER) as contract:
            found = await contract.evaluate("Get", f"asked-by-{MEMBER}", endorsing_organizations=["HospitalBMSP"])
            assert found == b"here"
    finally:
        start_one(widened, beside)


def test_everybody_here_has_the_peer_in_its_definition_and_nobody_elses_changed(widened: Path, running):
    before, after = running[0].consortium, consortium_of(widened)
    for organisation in after.organisations:
        known = load_consortium(definition_path(folder_of(widened, organisation.name).root))
        assert known.organisation(MEMBER).peers == after.organisation(MEMBER).peers
        if organisation.name != MEMBER:
            assert organisation == before.organisation(organisation.name)
    assert after.organisation(MEMBER).peers[0] == before.organisation(MEMBER).peer


def test_what_was_interrupted_goes_on_and_adds_no_other_peer(widened: Path, monkeypatch: pytest.MonkeyPatch):
    """A regulator may not send the change itself: its file goes to a member."""

    async def interrupted(*_: object) -> None:
        raise NetworkError("FL1060", "the power failed")

    with monkeypatch.context() as patched:
        patched.setattr(peering, "_tell", interrupted)
        with pytest.raises(NetworkError, match="the power failed"):
            add_peer(widened, REGULATOR, Place(), quiet)
    added = add_peer(widened, REGULATOR, Place(), quiet)
    assert (added.started, added.submitted) == ((), False)
    assert len(consortium_of(widened).organisation(REGULATOR).peers) == 2
    assert added.file
    file = widened.parent / "regulators.update"
    file.write_bytes(added.file.dump())
    fedledger("network", "update", "submit", file, "--org", "hospital-a", "--run", widened)


async def test_a_peer_on_another_host_of_the_organisation_has_its_own_keys_there_alone(widened: Path, tmp_path: Path):
    """Another address of this machine stands for another host: it has a folder of its own and its peer's keys."""
    name, place, there = "hospital-c", Place(ELSEWHERE), tmp_path / "there"
    own = folder_of(widened, name)
    awaited = await asyncio.to_thread(add_peer, widened, name, place, quiet)
    assert (awaited.started, awaited.awaited, awaited.submitted) == ((), (peer_process(name, 1),), False)
    (tmp_path / "passphrase").write_text("six random words would do here\n")
    sealed = ("--passphrase-file", tmp_path / "passphrase")
    fedledger("org", "backup", tmp_path / "share", "--host", ELSEWHERE, *sealed, "--run", own.root)
    fedledger("org", "restore", tmp_path / "share", *sealed, "--run", there)
    assert keys(there) == {path for path in keys(own.root) if {"peer1", "chaincode1"} & set(path.parts)}
    try:
        said = json.loads(fedledger("org", "start", "--host", ELSEWHERE, "--run", there, "--json"))
        assert said["started"] == [peer_process(name, 1), chaincode_process(name, 1)]
        added = await asyncio.to_thread(add_peer, widened, name, place, quiet)
        assert (added.awaited, added.submitted) == ((), True)
        await asyncio.to_thread(stop_one, widened, peer_process(name), kill=True)
        async with contract_of(widened, name) as contract:
            await put(contract, "from-another-host", ("HospitalCMSP", "HospitalAMSP", "HospitalBMSP"))
        again = await asyncio.to_thread(up, Request(widened, own.kind), quiet)
        assert again.started == (peer_process(name),), "what is on the other host is not started here"
    finally:
        down(there)


def keys(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.suffix == ".key" or path.name == "key.pem"}


def test_a_host_that_is_not_the_organisations_is_refused_with_those_that_are(tmp_path: Path):
    own = begin(tmp_path / "own", load_consortium(DEFAULT_DEFINITION), MEMBER, "devnet")
    for refused in (
        lambda: share_of(own, load_consortium(DEFAULT_DEFINITION), ELSEWHERE),
        lambda: start_on(own.root, ELSEWHERE, quiet),
    ):
        with pytest.raises(NetworkError, match=r"FL1022: hospital-b has no process on 127\.0\.0\.2.*127\.0\.0\.1"):
            refused()


@pytest.fixture
def consortium() -> Consortium:
    return load_consortium(DEFAULT_DEFINITION)


def test_a_peers_place_is_the_organisations_host_and_a_block_of_ports_that_nobody_has(consortium: Consortium):
    wider = with_peer(consortium, MEMBER)
    one, two = wider.organisation(MEMBER).peers
    assert (one, two.name, two.host) == (consortium.organisation(MEMBER).peer, "peer1.hospital-b", one.host)
    assert two.port > max(port for _, _, port in consortium.ports())
    placed = with_peer(consortium, MEMBER, "b2.example.test", "0.0.0.0", 7051).organisation(MEMBER).peers[1]
    assert (placed.address, placed.bound, placed.chaincode_port) == ("b2.example.test:7051", "0.0.0.0", 7052)


@pytest.mark.parametrize(("name", "port"), [("orderer", 0), (MEMBER, 17001), (MEMBER, 65535), (MEMBER, 80)])
def test_an_orderers_organisation_gets_no_peer_and_a_place_that_cannot_be_is_refused(
    consortium: Consortium, name: str, port: int
):
    with pytest.raises(NetworkError, match="FL1002"):
        with_peer(consortium, name, port=port)


def test_who_adopts_the_change_has_the_peer_where_its_organisation_has_it(consortium: Consortium):
    wider = with_peer(consortium, MEMBER, "b2.example.test")
    own = wider.organisation(MEMBER)
    change = MovePeers(organisation=own.msp_id, addresses=[peer.address for peer in own.peers])
    assert followed(consortium, change) == wider
    assert followed(wider, change) == wider
