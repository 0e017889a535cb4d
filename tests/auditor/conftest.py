"""An honest ledger for the auditor, made by the conformance contract on a real network."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from audit.evidence.fetch import fetch, read_blocks
from gateway import Contract, Endpoint, Identity, Signer, connect
from gateway.errors import CommitError, EndorseError, SubmitError
from network.bringup import Request, down, up
from network.connection import consortium_of, profile
from network.folders import folder_of
from network.identities import identities_of
from network.revocation import revoke
from tests.auditor.corpus import Ledger
from tests.auditor.forge import Key
from tests.ports import free_ports
from tests.scenarios.conftest import CONSORTIUM, PARAMETERS
from tests.scenarios.federation import Federation
from tests.scenarios.rounds import Attempt

NOTHING = {"proposal": "", "signature": ""}
QUICK = PARAMETERS | {"epoch_rounds": 2}


@pytest.fixture(autouse=True)
def _state_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What an audit remembers of a folder lies outside of it; each test starts without memories."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


async def _traffic(run: Path) -> None:
    """Make blocks with several transactions, conflicts of reads and of ranges, raw and summarised."""
    user = profile(run, "hospital-a", "client")
    endpoints = [Endpoint(address, root_certificates=ca) for address, ca in user.peers]
    identity, signer = Identity(user.msp_id, user.cert_pem), Signer.from_pem(user.key_pem)
    async with connect(endpoints, identity, signer) as gateway:
        contract = gateway.network(user.channel).contract(user.chaincode)
        for part in range(4):
            await asyncio.gather(*(contract.submit("Put", f"key-{part}-{i:02d}", "value") for i in range(20)))
            await _compete(contract, part)


async def _compete(contract: Contract, part: int) -> None:
    calls = [contract.submit("Increment", "counter", retry=False) for _ in range(4)]
    calls += [contract.submit("CountInto", "key-", "key-~", f"count-{part}-{i}", retry=False) for i in range(2)]
    calls += [contract.submit("Put", f"key-{part}-late", "value", retry=False)]
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        # Nothing here is tried again: on a busy machine an acknowledgement may be lost, the transaction stands anyway.
        if isinstance(outcome, BaseException) and not isinstance(outcome, CommitError | EndorseError | SubmitError):
            raise outcome


@pytest.fixture(scope="package")
def honest(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    run, blocks = tmp_path_factory.mktemp("audit") / "run", tmp_path_factory.mktemp("blocks")
    definition = blocks.parent / "consortium.yaml"
    chosen = {"ordering": pytestconfig.getoption("--ordering")}
    definition.write_text(yaml.safe_dump({**yaml.safe_load(CONSORTIUM.read_text()), **chosen}))
    kind = pytestconfig.getoption("--network")
    outcome = up(Request(run, kind, definition, free_ports(), "./cmd/conformance"), lambda _: None)
    assert outcome.started
    try:
        asyncio.run(_traffic(run))
        consortium = consortium_of(run)
        identities_of(consortium, run, "hospital-c").user("old-peer", "peer")
        revoke(consortium, run, "hospital-b", "client")
        revoke(consortium, run, "hospital-c", "old-peer")
        asyncio.run(_traffic(run))
        asyncio.run(fetch(profile(run, "regulator", "client"), blocks))
        yield open_ledger(run, blocks)
    finally:
        down(run, wipe=False)


@pytest.fixture(scope="package")
def federation_ledger(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A federation from its founding over a vote on everything to a settled round; its network is still up."""
    with running(pytestconfig, tmp_path_factory.mktemp("federation")) as run:
        asyncio.run(_live(run))
        asyncio.run(fetch(profile(run, "regulator", "client"), run.parent / "blocks"))
        yield open_ledger(run, run.parent / "blocks")


@contextmanager
def running(pytestconfig: pytest.Config, folder: Path, *more: str) -> Iterator[Path]:
    """Run a network of a federation that is not founded yet, perhaps with more members; return its run folder."""
    definition = yaml.safe_load(CONSORTIUM.read_text())
    if more:
        definition["organisations"] += [{"name": name, "role": "member"} for name in more]
        definition.pop("base_port")
    definition["ordering"] = pytestconfig.getoption("--ordering")
    definition["federation"]["parameters"] |= QUICK
    (folder / "consortium.yaml").write_text(json.dumps(definition))
    kind = pytestconfig.getoption("--network")
    try:
        up(Request(folder / "run", kind, folder / "consortium.yaml", free_ports()), lambda _: None)
        yield folder / "run"
    finally:
        down(folder / "run", wipe=False)


async def _live(run: Path) -> None:
    async with Federation.connect(run) as federation:
        await federation.found()
        for member in federation.members:
            await federation.admit(member)
        await federation.start("tumour", rounds=2)
        attempt = await Attempt.open(federation, "tumour")
        await attempt.keys_and_shares()
        await attempt.updates()
        await attempt.unmask()
        await attempt.report_lie(await attempt.aggregator(), attempt.lie())
        await attempt.finish()
        await federation.submit("Settle", training="tumour", round=1)
        await _garbage(federation)


async def _garbage(federation: Federation) -> None:
    """Let an attempt end void, by a report that its sum is out of range."""
    attempt = await Attempt.open(federation, "tumour")
    await attempt.keys_and_shares()
    await attempt.updates(spoil=True)
    await attempt.unmask()
    await attempt.by_node("ReportFault", federation.members[0], kind="garbage", accused="", evidence=NOTHING)


def open_ledger(run: Path, blocks: Path) -> Ledger:
    """Read an honest chain with the keys of everybody who made it."""
    consortium = consortium_of(run)
    orderers = {}
    for number, (organisation, orderer) in enumerate(consortium.orderers, start=1):
        folder = folder_of(run, organisation.name).orderer(orderer.name) / "msp"
        key = Key.read(organisation.msp_id, folder)
        orderers[str(number).encode()] = orderers[key.identity] = key
    members = {o.msp_id: o.name for o in consortium.peer_organisations}
    return Ledger(run, list(read_blocks(blocks)), consortium.chaincode.name, orderers, members)
