"""Fetching a chain: it ends, whatever the channel does meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2

from audit.evidence import fetch
from audit.fabric.wire import header_hash

PACE_S = 0.001
HAD = 20


def following(block: common_pb2.Block) -> common_pb2.Block:
    header = common_pb2.BlockHeader(number=block.header.number + 1, previous_hash=header_hash(block.header))
    return common_pb2.Block(header=header)


async def chain(first: common_pb2.Block, blocks: int | None, pace_s: float) -> AsyncIterator[common_pb2.Block]:
    """A peer's blocks after the first; it falls silent after so many, or never."""
    block = first
    while blocks is None or block.header.number + 1 < blocks:
        await asyncio.sleep(pace_s)
        block = following(block)
        yield block
    await asyncio.Event().wait()


@pytest.mark.timeout(60)
async def test_a_fetch_from_a_channel_that_is_never_quiet_ends_with_what_the_peer_had_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetch, "QUIET_SECONDS", 2.0)
    first = common_pb2.Block()
    fetch.store_block(tmp_path, first)
    height = await fetch._store_rest(chain(first, None, PACE_S), first, HAD, tmp_path, lambda _: None)
    assert height >= HAD
    assert fetch.fetched_height(tmp_path) == height


@pytest.mark.timeout(60)
async def test_a_fetch_takes_what_comes_late_before_the_peer_is_quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetch, "QUIET_SECONDS", 2.0)
    first = common_pb2.Block()
    fetch.store_block(tmp_path, first)
    assert await fetch._store_rest(chain(first, HAD + 3, 0), first, HAD, tmp_path, lambda _: None) == HAD + 3
