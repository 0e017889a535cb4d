"""devnet against real Fabric: each judges the other's blocks. Runs where Fabric's programs are found."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from gateway import Endpoint, Identity, Signer, connect, errors
from network.bringup import Request, down, up
from network.connection import consortium_of, profile
from network.devnet import protos as p
from network.devnet.committer import Committer
from network.devnet.envelopes import COMMIT_HASH, TRANSACTIONS_FILTER
from network.devnet.store import Store
from network.errors import NetworkError
from network.fabric.binaries import find_binaries
from network.fabric.configuration import peer_configuration
from network.folders import channel_block, folder_of
from network.policy_text import parse_policy
from network.processes import stop
from network.revocation import revoke
from network.topology import DEFAULT_DEFINITION
from tests.contract.harness.collections import BRIEF, COLLECTIONS, EVERY
from tests.ports import free_ports
from tests.unit.devnet.harness import QuietLog

pytestmark = [pytest.mark.fabric, pytest.mark.slow]
CONTRACT = "./cmd/conformance"
IDLE_S = 3.0


@pytest.fixture(scope="module")
def binaries():
    try:
        return find_binaries("bft")
    except NetworkError as error:
        pytest.skip(str(error))


@contextlib.asynccontextmanager
async def client(run, organisation, name="client"):
    user = profile(run, organisation, name)
    endpoints = [Endpoint(address, root_certificates=root) for address, root in user.peers]
    identity = Identity(user.msp_id, user.cert_pem)
    async with connect(endpoints, identity, Signer.from_pem(user.key_pem)) as gateway:
        yield gateway.network(user.channel), user


async def make_history(run):
    """Commit transactions of every outcome that an honest client can bring about, and return when all are there."""
    async with client(run, "hospital-a") as (network, user):
        contract = network.contract(user.chaincode)
        await contract.submit("PutMany", "k", "60")
        await contract.submit("CountInto", "k", "l", "sum")
        await contract.submit("PutWithEvent", "with", "event", "Changed", "payload")
        await asyncio.gather(*(attempt(contract, "Increment", "counter") for _ in range(6)))
        await asyncio.gather(*(attempt(contract, "CountInto", "k", "l", f"k-sum-{n}") for n in range(3)))
        few = contract.proposal("Put", "few", "1", endorsing_organizations=["HospitalAMSP", "HospitalBMSP"])
        commit = await (await few.endorse()).submit()
        assert (await commit.status()).code == p.transaction.ENDORSEMENT_POLICY_FAILURE
        await contract.submit("Delete", "with")
        await make_private_history(contract)


async def make_private_history(contract):
    """Write privately, under keys' own policies, and what expires; some of it anew, some of it refused."""
    policy = parse_policy("OR('HospitalAMSP.peer')").SerializeToString().hex()
    one, two = {"endorsing_organizations": ["HospitalAMSP"]}, {"endorsing_organizations": ["HospitalBMSP"]}
    await contract.submit("PutPrivateMany", EVERY, "p", "3")
    await contract.submit("PutPrivateMany", BRIEF, "p", "2")
    await contract.submit("Put", "guarded", "1")
    await contract.submit("SetPolicy", "guarded", policy)
    await contract.submit("SetPrivatePolicy", EVERY, "p0001", policy)
    await contract.submit("Put", "guarded", "2", **one)
    await asyncio.gather(*(attempt(contract, "Put", "guarded", "3", **each) for each in (one, two)))
    await asyncio.gather(*(attempt(contract, "IncrementPrivate", EVERY, "p0000") for _ in range(3)))
    await contract.submit("PurgePrivate", EVERY, "p0002")
    await contract.submit("SetPolicy", "guarded", "")
    three = [f"Hospital{letter}MSP" for letter in "ABC"]
    await contract.submit("Delete", "guarded", endorsing_organizations=three)


async def attempt(contract, *call, **options):
    """Conflict with whoever else does the same in the same block."""
    with contextlib.suppress(errors.CommitError, errors.EndorseError):
        await contract.submit(*call, retry=False, **options)


def requested(run, kind):
    """What a network of the conformance contract with its collections is brought up from."""
    definition = run.with_name("consortium.yaml")
    value = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    value["chaincode"] |= {"package": CONTRACT, "collections": COLLECTIONS}
    definition.write_text(yaml.safe_dump(value))
    return Request(run, kind, definition, free_ports())


async def blocks_of(run, organisation, height=None):
    """Return the serialized blocks that a peer delivers, up to a height or until none comes."""
    found = []
    async with client(run, organisation) as (network, _):
        events = network.block_events(start_block=0)
        with contextlib.suppress(TimeoutError):
            while height is None or len(found) < height:
                async with asyncio.timeout(IDLE_S if height is None else 60):
                    found.append((await anext(events)).SerializeToString())
    return found


async def test_a_real_peer_joins_devnets_channel_and_ends_with_the_same_bytes(binaries, tmp_path):
    run = tmp_path / "run"
    try:
        up(requested(run, "devnet"), lambda _: None)
        consortium = consortium_of(run)
        await make_history(run)
        await asyncio.to_thread(revoke, consortium, run, "hospital-b", "client")
        await make_history(run)
        stop(run, "peer-regulator")
        ours = await blocks_of(run, "hospital-a")
        with real_peer(binaries, consortium, run, "regulator"):
            theirs = await blocks_of(run, "regulator", len(ours))
    finally:
        down(run)
    assert len(ours) > 8
    assert ours == theirs


@contextlib.contextmanager
def real_peer(binaries, consortium, run, name):
    """Start Fabric's own peer in the place of an organisation's devnet peer, and let it join the channel."""
    organisation = consortium.organisation(name)
    folder = run / "real-peer"
    folder.mkdir()
    configuration = peer_configuration(consortium, folder_of(run, name), organisation)
    (folder / "core.yaml").write_text(yaml.safe_dump(configuration, sort_keys=False))
    folder_of(run, name).data(f"peer-{name}").rename(folder_of(run, name).data("devnet-peer"))
    environment = {"FABRIC_CFG_PATH": str(folder), "PATH": os.environ["PATH"], "HOME": str(run)}
    with (folder / "log").open("w") as log:
        command = [binaries.path("peer"), "node", "start"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            join(binaries, environment, run, name)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def join(binaries, environment, run, name):
    admin = {"CORE_PEER_MSPCONFIGPATH": str(folder_of(run, name).user("admin") / "msp")}
    command = [binaries.path("peer"), "channel", "join", "-b", str(channel_block(folder_of(run, name).root))]
    deadline = time.monotonic() + 30
    while True:
        result = subprocess.run(
            command, env=environment | admin, capture_output=True, text=True, timeout=30, check=False
        )
        if result.returncode == 0:
            return
        assert time.monotonic() < deadline, result.stderr
        time.sleep(0.3)


async def test_devnets_ledger_judges_real_blocks_as_real_peers_did(binaries, tmp_path):
    run = tmp_path / "run"
    try:
        up(requested(run, "fabric"), lambda _: None)
        consortium = consortium_of(run)
        await make_history(run)
        await asyncio.to_thread(revoke, consortium, run, "hospital-b", "client")
        await make_history(run)
        blocks = [p.common.Block.FromString(raw) for raw in await blocks_of(run, "hospital-a")]
    finally:
        down(run)
    await judge(blocks, consortium.channel, tmp_path)


async def judge(blocks, channel, folder: Path):
    store = Store(folder / "ledger.db")
    committer = Committer(store, channel, time_window_s=60.0, log=QuietLog())
    committer.join(blocks[0])
    seen = set()
    for block in blocks[1:]:
        copy = p.common.Block.FromString(block.SerializeToString())
        copy.metadata.metadata[TRANSACTIONS_FILTER] = copy.metadata.metadata[COMMIT_HASH] = b""
        await committer.commit(copy)
        assert block.metadata == store.block(block.header.number).metadata
        seen |= set(block.metadata.metadata[TRANSACTIONS_FILTER])
    codes = p.transaction
    assert seen >= {codes.VALID, codes.ENDORSEMENT_POLICY_FAILURE, codes.MVCC_READ_CONFLICT}
    store.close()
