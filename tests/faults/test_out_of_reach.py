"""A member that cannot open a port: it fetches and brings blobs by connections that it opens itself."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fl_node.blobs.store import BlobStore
from fl_node.demo.federation import opened
from fl_node.doctor import doctor
from fl_node.node.config import NodeConfig
from network.connection import consortium_of
from tests.faults.conftest import network
from tests.faults.stage import NAMES, Nodes, ended, founded, start
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
CLOSED = "hospital-d"
ROUNDS = 2


@pytest.fixture
def three_and_one(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """Four nodes, of which one has no blob service that others could call."""
    with network(tmp_path, request, out_of_reach=CLOSED) as run, founded(run) as nodes:
        yield nodes


async def test_a_member_that_opens_no_port_takes_part_in_whole_rounds(three_and_one: Nodes):
    run = three_and_one.run
    closed = consortium_of(run).organisation(CLOSED)
    with socket.socket() as probe:
        assert probe.connect_ex((closed.host, closed.blob_port)), "nothing listens there"
    async with opened(run) as federation:
        await start(federation, "closed", ROUNDS)
        for number in range(1, ROUNDS + 1):
            view = await ended(federation.first, "closed", number)
            assert (view.phase, set(view.survivors)) == ("Final", set(NAMES)), view.void_reason
            assert view.proposal
            await fetched(three_and_one, view.proposal.state, *(update.digest for update in view.updates.values()))
    findings = [each async for each in doctor.examine(NodeConfig(run, CLOSED, three_and_one.data(CLOSED)))]
    assert [f.check for f in findings if f.status == "error"] == []
    assert any(f.check == "blob services" and f.message == "3 of 3 other members answer" for f in findings)


async def fetched(nodes: Nodes, *digests: str) -> None:
    """Wait until the closed member has blobs that others made."""
    store = BlobStore(NodeConfig(nodes.run, CLOSED, None).blobs)
    async with asyncio.timeout(PATIENCE_S):
        while not all(store.size(digest) for digest in digests):  # noqa: ASYNC110  # a file sets no event
            await asyncio.sleep(0.2)
