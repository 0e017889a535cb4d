"""Both networks, up and down, killed and started again; what they do with transactions is in tests/contract."""

import asyncio
import http.client
import socket
import ssl
import time
from pathlib import Path

import pytest
import yaml

from network import processes, runfolder
from network.bringup import Request, down, join, start_one, stop_one, up
from network.errors import NetworkError
from network.folders import folder_of, public_parts
from network.plan import Plan
from network.revocation import revoke
from network.roster import add
from network.topology import DEFAULT_DEFINITION, load_consortium
from tests.ports import free_ports
from tests.unit.network.conftest import FABRIC, contract_of, quiet

MEGABYTE = 1 << 20


def states(run: Path) -> dict[str, str]:
    return {s.name: s.state for s in processes.status(run, Plan.read(run))}


async def test_every_member_submits_and_reads_through_its_own_gateway(running):
    _, run = running
    for letter in "abcd":
        async with contract_of(run, f"hospital-{letter}") as contract:
            await contract.submit("Put", f"from-{letter}", "x" * 64)
    async with contract_of(run, "regulator") as contract:
        assert await contract.evaluate("Get", "from-d") == b"x" * 64


def test_everything_is_up_within_the_memory_that_was_promised(running):
    outcome, run = running
    found = processes.status(run, outcome.plan)
    assert {s.state for s in found} == {"up"}
    if outcome.plan.kind == "fabric":
        assert sum(s.memory for s in found) < 1000 * MEGABYTE
    else:
        assert max(s.memory for s in found) < 75 * MEGABYTE


def test_up_again_is_refused_and_changes_nothing(running):
    outcome, run = running
    before = {p.name: processes.pid(run, p.name) for p in outcome.plan.processes}
    with pytest.raises(NetworkError, match="FL1030: this network is up already"):
        up(Request(run, outcome.plan.kind), quiet)
    assert {p.name: processes.pid(run, p.name) for p in outcome.plan.processes} == before


@pytest.mark.parametrize("name", ["peer-hospital-b", "chaincode-hospital-c"])
async def test_a_killed_process_starts_again_and_knows_everything(running, name):
    _, run = running
    stop_one(run, name, kill=True)
    assert states(run)[name] == "stopped"
    async with contract_of(run, "hospital-a") as contract:
        await contract.submit("Put", f"without-{name}", "here")
    start_one(run, name)
    organisation = name.partition("-")[2]
    deadline = time.monotonic() + 30
    async with contract_of(run, organisation) as contract:
        while await contract.evaluate("Get", f"without-{name}") != b"here":
            assert time.monotonic() < deadline


async def test_a_network_goes_on_from_its_ledgers(running):
    outcome, run = running
    async with contract_of(run, "hospital-a") as contract:
        await contract.submit("Put", "kept", "over night")
    assert sorted(down(run)) == sorted(p.name for p in outcome.plan.processes)
    assert set(states(run).values()) == {"stopped"}
    assert len(up(Request(run, outcome.plan.kind), quiet).started) == len(outcome.plan.processes)
    async with contract_of(run, "hospital-c") as contract:
        assert await contract.evaluate("Get", "kept") == b"over night"
        await contract.submit("Put", "next", "day")


def test_up_starts_what_does_not_run(running):
    outcome, run = running
    stop_one(run, "peer-regulator")
    assert up(Request(run, outcome.plan.kind), quiet).started == ("peer-regulator",)


def test_revoking_twice_changes_the_channel_once(running):
    outcome, run = running
    add(outcome.consortium, run, "hospital-d", "temporary", "client")
    assert revoke(outcome.consortium, run, "hospital-d", "temporary").changed
    assert not revoke(outcome.consortium, run, "hospital-d", "temporary").changed


@pytest.mark.parametrize("running", [FABRIC], indirect=True)
async def test_the_leader_of_the_orderers_may_die(running):
    _, run = running
    stop_one(run, "orderer1", kill=True)
    began = time.monotonic()
    async with contract_of(run, "hospital-a") as contract:
        await contract.submit("Increment", "leader")
        assert time.monotonic() - began < 15
        start_one(run, "orderer1")
        await contract.submit("Increment", "leader")
        assert await contract.evaluate("Get", "leader") == b"2"


@pytest.mark.parametrize("running", [FABRIC], indirect=True)
def test_nobody_but_its_own_organisation_reads_or_changes_what_a_peer_logs(running):
    outcome, run = running
    port = outcome.consortium.organisation("hospital-a").peer.operations_port

    def ask(method: str, path: str, user: str | None, body: str | None = None) -> int:
        context = ssl.create_default_context(cafile=str(public_parts(run, "hospital-a").tls_root))
        if user is not None:
            folder = folder_of(run, user).user("client") / "tls"
            context.load_cert_chain(folder / "client.crt", folder / "client.key")
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        try:
            connection.request(method, path, body)
            return connection.getresponse().status
        except (ssl.SSLError, ConnectionError):
            return 0
        finally:
            connection.close()

    assert ask("GET", "/healthz", None) == http.HTTPStatus.OK
    assert ask("GET", "/logspec", "hospital-a") == http.HTTPStatus.OK
    for stranger in (None, "hospital-b"):
        for method, path, body in (("GET", "/logspec", None), ("PUT", "/logspec", '{"spec":"debug"}')):
            assert ask(method, path, stranger, body) in {0, http.HTTPStatus.UNAUTHORIZED}


def test_a_taken_port_stops_up_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        definition = yaml.safe_load(DEFAULT_DEFINITION.read_text())
        definition["base_port"] = free_ports()
        definition["organisations"][3]["peers"] = [{"port": port}]
        path = tmp_path / "consortium.yaml"
        path.write_text(yaml.safe_dump(definition))
        with pytest.raises(NetworkError, match=rf"FL1023: port {port} is taken \(peer-hospital-c\)"):
            up(Request(tmp_path / "run", definition=path, chaincode="./cmd/conformance"), quiet)
    assert not (tmp_path / "run" / "pids").exists()


def test_a_failed_up_leaves_no_process(tmp_path):
    run = tmp_path / "run"
    request = Request(run, base_port=free_ports(), chaincode="./cmd/conformance")
    certificate = folder_of(run, "hospital-b").peer() / "tls" / "server.crt"
    certificate.parent.mkdir(parents=True)
    certificate.write_text("not a certificate")
    with pytest.raises(NetworkError, match=r"FL102[45]: peer-hospital-b"):
        up(request, quiet)
    assert set(states(run).values()) == {"stopped"}


def test_a_failed_join_leaves_the_organisations_orderer_to_the_others(tmp_path):
    definition = yaml.safe_load(DEFAULT_DEFINITION.read_text()) | {"base_port": free_ports()}
    definition["chaincode"] = {"package": "./cmd/conformance"}
    definition["organisations"] = [o for o in definition["organisations"] if o["role"] != "orderer"]
    definition["organisations"][0]["orderers"] = 1
    (tmp_path / "consortium.yaml").write_text(yaml.safe_dump(definition))
    consortium, run = load_consortium(tmp_path / "consortium.yaml"), tmp_path / "run"
    runfolder.prepare(run, consortium)
    runfolder.give_genesis(run, consortium, "devnet")
    own = folder_of(run, consortium.organisations[0].name)
    (own.peer() / "tls" / "server.crt").write_text("not a certificate")
    try:
        with pytest.raises(NetworkError, match=rf"FL102[45]: peer-{own.name}"):
            join(own.root, quiet)
        (orderer,) = consortium.organisations[0].orderers
        assert [name for name, state in states(own.root).items() if state == "up"] == [orderer.name]
    finally:
        down(own.root)


@pytest.mark.parametrize("running", ["devnet"], indirect=True)
async def test_two_networks_live_side_by_side(running, tmp_path):
    _, run = running
    other = tmp_path / "other"
    try:
        up(Request(other, base_port=free_ports(), chaincode="./cmd/conformance"), quiet)
        async with contract_of(other, "hospital-a") as there, contract_of(run, "hospital-a") as here:
            await there.submit("Put", "side", "other")
            assert await here.evaluate("Get", "side") == b""
            assert await there.evaluate("Get", "side") == b"other"
    finally:
        down(other)


@pytest.mark.lengthy
@pytest.mark.parametrize("running", ["devnet"], indirect=True)
async def test_memory_falls_back_after_large_blocks(running):
    outcome, run = running

    def resident() -> dict[str, int]:
        found = processes.status(run, outcome.plan)
        return {s.name: s.memory // MEGABYTE for s in found if not s.name.startswith("chaincode")}

    async with contract_of(run, "hospital-a") as contract:
        await contract.submit("Put", "before", "1")
        before = most = resident()
        for turn in range(8):
            value = bytes([97 + turn]) * 3 * MEGABYTE  # a transaction has it three times, and may have 10 MB
            await asyncio.gather(*(contract.submit("Put", f"large-{turn}-{one}", value) for one in range(4)))
            most = {name: max(most[name], now) for name, now in resident().items()}
        deadline = time.monotonic() + 60
        while over := {name: now for name, now in resident().items() if now > before[name] + 40}:
            assert time.monotonic() < deadline, (before, most, over)
            await asyncio.sleep(0.5)
    print(f"\nMB before {before}, at most {most}, after {resident()}")  # noqa: T201
    assert max(most.values()) > 100  # else they were not large


@pytest.mark.lengthy
async def test_fifty_members_come_up_and_commit(tmp_path):
    run, path = tmp_path / "run", tmp_path / "consortium.yaml"
    definition = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    members = [{"name": f"member-{number:02}", "role": "member"} for number in range(50)]
    definition["organisations"] = [{"name": "orderer", "role": "orderer", "orderers": 1}, *members]
    path.write_text(yaml.safe_dump(definition))
    try:
        up(Request(run, definition=path, base_port=free_ports(600), chaincode="./cmd/conformance"), quiet)
        async with contract_of(run, "member-49") as contract:
            await contract.submit("Put", "from", "the last")
        async with contract_of(run, "member-00") as contract:
            await contract.submit("Put", "from", "the first")
            assert await contract.evaluate("Get", "from") == b"the first"
    finally:
        down(run)
