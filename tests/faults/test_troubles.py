"""What can be wrong with one node: its doctor says it, the node itself says it, the others' round ends Final."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.store import BlobStore
from fl_node.demo.federation import Federation, opened
from fl_node.doctor import doctor
from fl_node.ledger.records import Round
from fl_node.node import readiness
from fl_node.node.config import NodeConfig
from fl_node.round.consent import Consent
from network import processes
from network.connection import consortium_of, profile
from network.folders import folder_of
from network.revocation import revoke
from network.topology import dump_consortium
from tests.believing import channel_of
from tests.faults import synthetic
from tests.faults.stage import NAMES, Nodes, ended, start, until
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
VICTIM = "hospital-c"
OTHERS = tuple(name for name in NAMES if name != VICTIM)


@contextlib.asynccontextmanager
async def trouble(nodes: Nodes, run: Path | None = None, **wrong: object) -> AsyncIterator[Federation]:
    """Stop the victim, start it with something wrong; in the end it runs as it should."""
    await nodes.ready()
    nodes.stop(VICTIM)
    nodes.start(VICTIM, run, **wrong)
    try:
        await nodes.ready(VICTIM)
        async with opened(nodes.run) as federation:
            yield federation
    finally:
        await well_again(nodes)


async def well_again(nodes: Nodes) -> None:
    nodes.kill(VICTIM)
    nodes.start(VICTIM)
    await nodes.ready(VICTIM)


async def diagnosis(nodes: Nodes, **changes: object) -> dict[str, str]:
    """Return the codes of the doctor's findings that ask for something to be mended, by check."""
    config = replace(NodeConfig(nodes.run, VICTIM, nodes.data(VICTIM)), **changes)
    wrong = {finding.check: finding async for finding in doctor.examine(config) if finding.status == "error"}
    assert all(finding.mend for finding in wrong.values()), "every finding says what to do"
    return {check: finding.code for check, finding in wrong.items()}


def plan_file(nodes: Nodes, training: str) -> Path:
    """Return where the victim keeps the plan of a training."""
    config = NodeConfig(nodes.run, VICTIM, nodes.data(VICTIM))
    return BlobStore(config.blobs).path(synthetic.registration(training)["plan"])


async def pulled(nodes: Nodes, training: str) -> None:
    """Wait until the running victim has the plan of a training: before, its doctor cannot read the data with it."""
    async with asyncio.timeout(PATIENCE_S):
        while not plan_file(nodes, training).exists():  # noqa: ASYNC110  # a file sets no event
            await asyncio.sleep(0.1)


async def complaint(nodes: Nodes, code: str, training: str = "", by: tuple[str, ...] = (VICTIM,)) -> str:
    """Wait until one of these nodes logs a code, or other words, of a training where one is given; return the line."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for line in (line for name in by for line in nodes.log(name).splitlines()):
                if code in line and training in line:
                    return line
            await asyncio.sleep(0.2)


async def refusal(nodes: Nodes, **wrong: object) -> str:
    """Return what a node says that does not start."""
    nodes.start(VICTIM, **wrong)
    code = await asyncio.to_thread(nodes.processes[VICTIM].wait, PATIENCE_S)
    assert code == 1
    return nodes.log(VICTIM).splitlines()[-1]


async def others_end_final(federation: Federation, training: str) -> None:
    view = await ended(federation.first, training, 1)
    assert (view.phase, set(view.survivors)) == ("Final", set(OTHERS)), view.void_reason


async def test_wrong_data(run: Path, nodes: Nodes):
    async with trouble(nodes, rows=[3, 3, "three", 3]) as federation:
        await start(federation, "wrong-data", 1)
        await pulled(nodes, "wrong-data")
        assert await diagnosis(nodes) == {"data and plan": "FL3104"}
        said = await complaint(nodes, "FL3104")
        assert "hospital-c.csv" in said
        assert "row 3" in said
        await others_end_final(federation, "wrong-data")
        assert await diagnosis(nodes) == {"data and plan": "FL3104"}, "no training runs: the vetted plans tell"


async def test_a_plan_that_the_organisation_does_not_consent_to(run: Path, nodes: Nodes):
    other = "ab" * 32
    async with trouble(nodes, ACCEPTED=other) as federation:
        await start(federation, "wrong-plan", 1)
        wrong = await diagnosis(nodes, consent=Consent(frozenset({other})))
        assert wrong == {"data and plan": "FL4301"}
        await complaint(nodes, "FL4301", "wrong-plan/1/1")
        await others_end_final(federation, "wrong-plan")


async def test_a_clock_that_goes_ten_minutes_off(
    run: Path, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock = tmp_path / "clock"
    clock.write_text("0")
    async with trouble(nodes, CLOCK=str(clock)) as federation:
        clock.write_text("600")
        await start(federation, "clock", 1)
        await complaint(nodes, "FL4004")
        await others_end_final(federation, "clock")
        nodes.kill(VICTIM)
        assert "FL4004" in await refusal(nodes, CLOCK=str(clock))
        plan_file(nodes, "clock").unlink(missing_ok=True)  # no training uses it any longer: that is no finding
        right = readiness.wall_clock
        monkeypatch.setattr(readiness, "wall_clock", lambda: right() + 600)
        assert await diagnosis(nodes) == {"clock": "FL4004"}


@pytest.fixture
def small_disk(nodes: Nodes) -> Iterator[Path]:
    """A disk of its own for the victim's own folder: journal, log of what leaves, plans."""
    folder = folder_of(nodes.run, VICTIM).node(VICTIM)
    nodes.stop(VICTIM)
    kept = shutil.copytree(folder, nodes.run / "kept")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        shutil.rmtree(kept)
        nodes.start(VICTIM)
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    try:
        yield folder
    finally:
        nodes.kill(VICTIM)
        subprocess.run(["umount", "-l", folder], check=True)
        shutil.rmtree(kept)
        nodes.start(VICTIM)


def fill(folder: Path) -> Path:
    """Fill the disk that a folder is on and return the file that does."""
    path = folder / "filling"
    for block in (1 << 20, 512):
        with path.open("ab", buffering=0) as stream, contextlib.suppress(OSError):
            while stream.write(bytes(block)):
                pass
    return path


async def test_a_disk_that_fills_up(run: Path, nodes: Nodes, small_disk: Path):
    nodes.start(VICTIM)
    await nodes.ready()
    async with opened(run) as federation:
        await start(federation, "full-disk", 6)
        await until(federation.first, "full-disk", lambda view: VICTIM in view.keys)
        filling = fill(small_disk)
        assert "No space left on device" in await complaint(nodes, "FL4007", "full-disk/")
        assert (await diagnosis(nodes))["disk"] == "FL4007"
        without = await next_ended(federation, "full-disk")
        assert (without.phase, set(OTHERS) <= set(without.survivors)) == ("Final", True), without.void_reason
        nodes.kill(VICTIM)
        fill(small_disk)  # a journal that was forgotten has made some room
        assert "FL4007" in await refusal(nodes)
        filling.unlink()
        nodes.start(VICTIM)
        assert (await next_ended(federation, "full-disk")).phase == "Final"


async def next_ended(federation: Federation, training: str) -> Round:
    """Wait for the end of the round under way."""
    newest = await federation.first.round(training)
    assert newest
    return await ended(federation.first, training, newest.round, newest.attempt)


@pytest.fixture
def elsewhere(run: Path, tmp_path: Path) -> Path:
    """A run folder that has wrong addresses of the others' blob services; they have the victim's right one."""
    for path in run.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "consortium.yaml").unlink()
    consortium = consortium_of(run)
    moved = [
        o.model_copy(update={"blob_port": o.blob_port + 400}) if o.name in OTHERS and o.blob_port else o
        for o in consortium.organisations
    ]
    changed = consortium.model_copy(update={"organisations": tuple(moved)})
    (tmp_path / "consortium.yaml").write_text(dump_consortium(changed))
    return tmp_path


async def test_no_blob_service_within_reach(nodes: Nodes, elsewhere: Path):
    async with trouble(nodes, elsewhere) as federation:
        await start(federation, "no-blobs", 1, holders=len(NAMES))  # the victim has them, for it can fetch nothing
        assert "FL4008" in (await diagnosis(nodes, run=elsewhere)).values()
        await complaint(nodes, "FL4707", "no-blobs/1/1")
        await others_end_final(federation, "no-blobs")


async def test_t25_a_transaction_that_no_block_holds_in_time_raises_an_alarm(run: Path, nodes: Nodes):
    """The orderers are held still, as by censorship: who waits for a block says so, and goes on when they do.

    The orderers may have stopped just after a block with some of the keys: those nodes wait for nothing.
    """
    await nodes.ready()
    names = [path.name for path in (run / "pids").glob("orderer*")]
    assert names
    async with opened(run) as federation:
        await start(federation, "censored", 1)
        await until(federation.first, "censored", lambda view: view.phase == "Keys")
        held = [pid for name in names if (pid := processes.pid(run, name))]
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        try:
            said = await complaint(nodes, "FL4401", "censored/1/1", by=tuple(NAMES))
        finally:
            for pid in held:
                os.kill(pid, signal.SIGCONT)
        assert "not committed after 45 s" in said
        assert (await until(federation.first, "censored", lambda view: view.phase == "Final")).over
    # A peer may take a while to ask orderers again that were silent; what follows is not to begin before.
    for name in NAMES:
        await complaint(nodes, '"phase": "Final"', "censored/1/1", by=(name,))


async def test_a_revoked_certificate(run: Path, nodes: Nodes):
    """Last, for what is revoked stays so: the running node, its doctor and its restart say it, the others train on."""
    await nodes.ready()
    await asyncio.to_thread(revoke, consortium_of(run), run, VICTIM, "node")
    async with opened(run) as federation:
        await start(federation, "revoked", 1)
        said = await complaint(nodes, "FL4003")
        assert "node rotate-key" in said
        assert (await diagnosis(nodes))["participant"] == "FL4003"
        await others_end_final(federation, "revoked")
    async with BlobClient(
        profile(run, VICTIM, "node").blobs, tls.calling(run, VICTIM, "node", channel_of(run))
    ) as client:
        assert [await client.healthy(name) for name in OTHERS] == [False] * len(OTHERS)
    nodes.stop(VICTIM)
    assert "FL4003" in await refusal(nodes)
