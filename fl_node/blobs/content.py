"""A blob on its way to others: bytes in memory, or a file of which one chunk is in memory at a time."""

import asyncio
from pathlib import Path

Content = bytes | bytearray | Path


def length_of(content: Content) -> int:
    """Return a blob's length in bytes; OSError where its file is gone."""
    return content.stat().st_size if isinstance(content, Path) else len(content)


async def chunk_of(content: Content, offset: int, size: int) -> bytes:
    """Return at most so many bytes from an offset; OSError where the file is gone."""
    if isinstance(content, Path):
        return await asyncio.to_thread(_read, content, offset, size)
    return bytes(memoryview(content)[offset : offset + size])


def whole(content: Content) -> bytes:
    """Return all bytes; OSError where the file is gone."""
    return content.read_bytes() if isinstance(content, Path) else bytes(content)


def _read(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)
