"""Every block of a channel, from genesis on, taken from one's own peer into plain files.

A block file holds the bytes of a common.Block as the peer gave it. A fetch goes on where the last one ended, and a
file appears whole or not at all.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from fabric_protos.common import common_pb2

from audit.wire import WireError, decode
from gateway import Endpoint, Identity, Signer, connect
from network.connection import Profile
from network.errors import FedledgerError

SUFFIX = ".block"
QUIET_SECONDS = 2.0
"""How long a peer may send nothing before its chain counts as read to the end."""


class FetchError(FedledgerError):
    """Blocks could not be fetched or read."""


def block_path(folder: Path, number: int) -> Path:
    """Return where a block's file lies, in folders of a thousand."""
    return folder / "blocks" / f"{number // 1000:06d}" / f"{number:09d}{SUFFIX}"


def fetched_height(folder: Path) -> int:
    """Return how many blocks from genesis on are there without a gap."""
    numbers = {int(path.stem) for path in (folder / "blocks").glob(f"*/*{SUFFIX}")}
    height = 0
    while height in numbers:
        height += 1
    return height


def read_blocks(folder: Path, start: int = 0) -> Iterator[common_pb2.Block]:
    """Yield the blocks on disk in the order of their names, from `start` on; raises FetchError for a broken file."""
    for path in sorted((folder / "blocks").glob(f"*/*{SUFFIX}")):
        if int(path.stem) < start:
            continue
        try:
            yield decode(common_pb2.Block, path.read_bytes(), "block file")
        except WireError as error:
            raise FetchError(
                "FL5101", "the file does not hold a block", where=str(path), hint="fetch it again"
            ) from error


def store_block(folder: Path, block: common_pb2.Block) -> None:
    """Write one block's file, synced and then renamed into place."""
    path = block_path(folder, block.header.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        out.write(block.SerializeToString())
        out.flush()
        os.fsync(out.fileno())
    partial.rename(path)


async def fetch(profile: Profile, folder: Path, progress: Callable[[int], None] = lambda _: None) -> int:
    """Fetch the blocks that are not yet in `folder` from the profile's own peer; returns the height reached."""
    height = fetched_height(folder)
    endpoints = [Endpoint(address, root_certificates=ca) for address, ca in profile.peers]
    identity, signer = Identity(profile.msp_id, profile.cert_pem), Signer.from_pem(profile.key_pem)
    async with connect(endpoints, identity, signer) as gateway:
        stream = gateway.network(profile.channel).block_events(start_block=height)
        try:
            while True:
                try:
                    block = await asyncio.wait_for(anext(stream), QUIET_SECONDS)
                except (TimeoutError, StopAsyncIteration):
                    return height
                store_block(folder, block)
                height = block.header.number + 1
                progress(height)
        finally:
            await stream.aclose()
