"""One organisation in two federations: a folder, a node and keys for each, nothing shared but the machine."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.demo.federation import opened
from fl_node.ledger.client import LedgerError, open_ledger
from network.connection import consortium_of, profile
from tests.believing import channel_of
from tests.faults.conftest import network
from tests.faults.stage import NAMES, Nodes, ended, founded, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
CHANNELS = ("cardiology", "oncology")
SHARED = "hospital-a"


@pytest.fixture
def federations(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Nodes, ...]]:
    """Two networks of the same four organisations."""
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(network(tmp_path / name, request, channel=name)) for name in CHANNELS]
        yield tuple(stack.enter_context(founded(run)) for run in runs)


async def train(nodes: Nodes, channel: str) -> None:
    assert consortium_of(nodes.run).channel == channel
    async with opened(nodes.run) as federation:
        await start(federation, "same-name", 2)
        for number in (1, 2):
            view = await ended(federation.first, "same-name", number)
            assert (view.phase, set(view.survivors)) == ("Final", set(NAMES)), view.void_reason


async def test_rounds_of_the_same_name_go_on_in_both(federations: tuple[Nodes, ...]):
    await asyncio.gather(*(train(nodes, channel) for nodes, channel in zip(federations, CHANNELS, strict=True)))
    one, two = (nodes.run for nodes in federations)
    keys = [{path.read_bytes() for path in run.rglob("key.pem")} for run in (one, two)]
    assert keys[0]
    assert not keys[0] & keys[1]
    await refused(one, two)


async def refused(one: Path, two: Path) -> None:
    """What an organisation holds for one federation opens nothing in the other."""
    async with BlobClient(profile(two, SHARED).blobs, tls.calling(one, SHARED, "client", channel_of(one))) as client:
        assert [await client.healthy(name) for name in NAMES] == [False] * len(NAMES)
    mixed = profile(two, SHARED, "node")
    mine = profile(one, SHARED, "node")
    stranger = type(mixed)(**{**vars(mixed), "cert_pem": mine.cert_pem, "key_pem": mine.key_pem})
    async with open_ledger(stranger) as ledger:
        with pytest.raises(LedgerError) as caught:
            await ledger.trainings()
    assert caught.value.code == "FL4003"
