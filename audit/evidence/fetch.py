"""Every block of a channel, from genesis on, taken from one's own peer into plain files.

A block file holds the bytes of a common.Block as the peer gave it. A fetch goes on where the last one ended, and a
file appears whole or not at all.
"""

import asyncio
import contextlib
import math
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from fabric_protos.common import common_pb2

from audit import codes
from audit.fabric.wire import WireError, decode, header_hash
from audit.text import visible
from gateway import EventStream
from gateway.errors import GatewayError
from network.connection import Profile
from network.errors import FedledgerError
from network.files import replace_file
from network.heights import height as height_of

SUFFIX = ".block"
MOST_BYTES = 128 << 20
"""Above what Fabric's peers and orderers send one another (100 MB)."""
RESERVE_BYTES = 256 << 20
"""What a fetch leaves free on the disk, whatever a peer sends."""
FIRST_SECONDS = 15.0
"""How long a peer may take for the first block asked for, which it must have."""
QUIET_SECONDS = 2.0
"""How long a peer may send nothing before its chain counts as read to the end; a channel with rounds is never quiet, so
that long after all that the peer had at first is there, what it has counts as read too."""


class FetchError(FedledgerError):
    """Blocks could not be fetched or read."""


def block_path(folder: Path, number: int) -> Path:
    """Return where a block's file lies, in folders of a thousand."""
    return folder / "blocks" / f"{number // 1000:06d}" / f"{number:09d}{SUFFIX}"


def stored_blocks(folder: Path) -> list[int]:
    """Return the numbers of the blocks in a folder, ascending; files of other names are none of them."""
    paths = (folder / "blocks").glob(f"*/*{SUFFIX}")
    numbered = [(path, int(path.stem)) for path in paths if path.stem.isascii() and path.stem.isdecimal()]
    return sorted(number for path, number in numbered if path == block_path(folder, number))


def fetched_height(folder: Path) -> int:
    """Return how many blocks from genesis on are there without a gap."""
    return next((place for place, number in enumerate([*stored_blocks(folder), -1]) if place != number), 0)


def read_raw(folder: Path, number: int) -> bytes:
    """Read the bytes of one block's file; raises FetchError (FL5101) where there is no such file."""
    path = block_path(folder, number)
    try:
        # Anything but a plain file could keep its reader waiting for ever.
        return path.read_bytes() if path.is_file() and path.stat().st_size <= MOST_BYTES else b"\xff"
    except OSError as error:
        raise _no_block(path, error) from error


def parse_block(folder: Path, number: int, raw: bytes) -> common_pb2.Block:
    """Return the block that the bytes of its file hold; raises FetchError (FL5101) where they hold none."""
    try:
        return decode(common_pb2.Block, raw, "block file")
    except WireError as error:
        raise _no_block(block_path(folder, number), error) from error


def _no_block(path: Path, error: Exception) -> FetchError:
    return FetchError(
        codes.NOT_A_BLOCK, f"the file does not hold a block: {error}", where=str(path), hint="fetch it again"
    )


def read_block(folder: Path, number: int) -> common_pb2.Block:
    """Read one block's file; raises FetchError (FL5101) where it holds none."""
    return parse_block(folder, number, read_raw(folder, number))


def read_blocks(folder: Path, start: int = 0) -> Iterator[common_pb2.Block]:
    """Yield the blocks on disk in the order of their names, from `start` on; raises FetchError for a broken file."""
    for number in stored_blocks(folder):
        if number >= start:
            yield read_block(folder, number)


def store_block(folder: Path, block: common_pb2.Block) -> None:
    """Write one block's file, whole or not at all; raises FetchError (FL5108) on a disk all but full."""
    path = block_path(folder, block.header.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(path.parent).free < RESERVE_BYTES + block.ByteSize():
        hint = "Free some, then fetch again: it goes on. A peer may stream blocks without end; verify what is there."
        raise FetchError(
            codes.AUDIT_DISK_FULL, f"less than {RESERVE_BYTES >> 20} MB are left", where=str(folder), hint=hint
        )
    replace_file(path, block.SerializeToString())


async def fetch(profile: Profile, folder: Path, progress: Callable[[int], None] = lambda _: None) -> int:
    """Fetch the blocks that are not yet in `folder` from the profile's own peer; returns the height reached.

    Raises:
        FetchError: FL5105 where the peer does not answer, FL5106 where it holds another chain than the folder.
    """
    height = fetched_height(folder)
    where = ", ".join(address for address, _ in profile.peers)
    # The last block at hand is asked for again: silence after it means that nothing new exists.
    async with _reading(profile, max(height - 1, 0)) as (first, stream, had):
        _continues(folder, first, height, where)
        if not height:
            store_block(folder, first)
        return await _store_rest(stream, first, had, folder, progress)


async def genesis_hash(profile: Profile) -> str:
    """Return the hash that fixes a channel, in hex, from the block that the profile's own peer joined with.

    Raises:
        FetchError: FL5105, the peer does not answer.
    """
    async with _reading(profile, 0) as (first, _, _):
        return header_hash(first.header).hex()


@contextlib.asynccontextmanager
async def _reading(
    profile: Profile, start: int
) -> AsyncIterator[tuple[common_pb2.Block, EventStream[common_pb2.Block], int]]:
    """Read a peer's blocks: the first, which it must have, the stream of those that follow, and how many it has now."""
    where = ", ".join(address for address, _ in profile.peers)
    try:
        async with profile.gateway() as gateway:
            had = await height_of(gateway, profile.channel)
            stream = gateway.network(profile.channel).block_events(start_block=start)
            try:
                async with asyncio.timeout(FIRST_SECONDS):
                    first = await anext(stream)
                yield first, stream, had
            finally:
                await stream.aclose()
    except (GatewayError, TimeoutError, StopAsyncIteration) as error:
        text = f"the peer gave no block within {FIRST_SECONDS:g} s" if not str(error) else visible(str(error))
        raise FetchError(codes.PEER_UNREACHABLE, text, where=where, hint="Is the network up?") from error


def _continues(folder: Path, first: common_pb2.Block, height: int, where: str) -> None:
    """Check that the peer's block is the folder's own last one, or the genesis block; raises FetchError (FL5106)."""
    if height and header_hash(read_block(folder, height - 1).header) != header_hash(first.header):
        text = f"the peer holds another block {height - 1} than the one fetched before"
        hint = "Verify what was fetched; another network needs another folder."
        raise FetchError(codes.ANOTHER_CHAIN, text, where=where, hint=hint)
    if not height and first.header.number:
        raise FetchError(
            codes.ANOTHER_CHAIN, f"the peer gave block {first.header.number} for the genesis block", where=where
        )


async def _store_rest(
    stream: EventStream[common_pb2.Block],
    last: common_pb2.Block,
    had: int,
    folder: Path,
    progress: Callable[[int], None],
) -> int:
    """Store every block that follows `last`; returns the height reached.

    Ends when the stream falls silent, or a while after the `had` blocks that the peer had at first are there.
    """
    clock = asyncio.get_running_loop().time
    end = math.inf
    while True:
        height = int(last.header.number) + 1
        progress(height)
        if height >= had:
            end = min(end, clock() + QUIET_SECONDS)
        try:
            block = await asyncio.wait_for(anext(stream), max(0.0, min(QUIET_SECONDS, end - clock())))
        except (TimeoutError, StopAsyncIteration):
            return height
        if block.header.number != height or block.header.previous_hash != header_hash(last.header):
            text = f"the peer gave a block that does not follow block {height - 1}"
            raise FetchError(
                codes.ANOTHER_CHAIN, text, where=str(folder), hint="Compare with another organisation's peer."
            )
        store_block(folder, block)
        last = block
