"""Every block of a channel, from genesis on, taken from one's own peer into plain files.

A block file holds the bytes of a common.Block as the peer gave it. A fetch goes on where the last one ended, and a
file appears whole or not at all.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from fabric_protos.common import common_pb2

from audit.wire import WireError, decode, header_hash
from gateway import Endpoint, EventStream, Identity, Signer, connect
from gateway.errors import GatewayError
from network.connection import Profile
from network.errors import FedledgerError

SUFFIX = ".block"
FIRST_SECONDS = 15.0
"""How long a peer may take for the first block asked for, which it must have."""
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
    """Fetch the blocks that are not yet in `folder` from the profile's own peer; returns the height reached.

    Raises:
        FetchError: FL5105 where the peer does not answer, FL5106 where it holds another chain than the folder.
    """
    height = fetched_height(folder)
    endpoints = [Endpoint(address, root_certificates=ca) for address, ca in profile.peers]
    identity, signer = Identity(profile.msp_id, profile.cert_pem), Signer.from_pem(profile.key_pem)
    where = ", ".join(address for address, _ in profile.peers)
    try:
        async with connect(endpoints, identity, signer) as gateway:
            # The last block at hand is asked for again: silence after it means that nothing new exists.
            stream = gateway.network(profile.channel).block_events(start_block=max(height - 1, 0))
            try:
                async with asyncio.timeout(FIRST_SECONDS):
                    first = await anext(stream)
                _continues(folder, first, height, where)
                if first.header.number >= height:
                    store_block(folder, first)
                return await _store_rest(stream, int(first.header.number) + 1, folder, progress)
            finally:
                await stream.aclose()
    except (GatewayError, TimeoutError, StopAsyncIteration) as error:
        text = f"the peer gave no block within {FIRST_SECONDS:g} s" if not str(error) else str(error)
        raise FetchError("FL5105", text, where=where, hint="Is the network up?") from error


def _continues(folder: Path, first: common_pb2.Block, height: int, where: str) -> None:
    """Check that the peer's block is the folder's own last one; raises FetchError (FL5106)."""
    if not height:
        return
    last = next(read_blocks(folder, start=height - 1))
    if header_hash(last.header) != header_hash(first.header):
        text = f"the peer holds another block {height - 1} than the one fetched before"
        raise FetchError(
            "FL5106", text, where=where, hint="Verify what was fetched; another network needs another folder."
        )


async def _store_rest(
    stream: EventStream[common_pb2.Block], height: int, folder: Path, progress: Callable[[int], None]
) -> int:
    """Store every block from `height` on until the stream falls silent; returns the height reached."""
    while True:
        progress(height)
        try:
            block = await asyncio.wait_for(anext(stream), QUIET_SECONDS)
        except (TimeoutError, StopAsyncIteration):
            return height
        store_block(folder, block)
        height = int(block.header.number) + 1
