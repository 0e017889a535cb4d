"""Masks: AES-256-CTR keystreams added to a vector word by word, each word modulo its size."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from fl_node.secagg.layout import Layout

CHUNK: Final = 512 << 10
"""Bytes worked on at a time: chunk and keystream stay in a core's own cache, and Python's overhead stays small."""

BATCH: Final = 256
"""Keystreams open at a time."""


@dataclass(frozen=True)
class Mask:
    """One keystream and its sign."""

    key: bytes = field(repr=False)
    add: bool


def keystream(key: bytes) -> CipherContext:
    """Returns AES-256-CTR (NIST SP 800-38A); the counter block starts at zero, as one 128-bit big-endian integer."""
    return Cipher(AES(key), CTR(bytes(16))).encryptor()


def apply_masks(vector: bytearray, layout: Layout, masks: Iterable[Mask]) -> None:
    """Adds (or takes away) masks over a whole vector, in place.

    Keystream byte k lies over byte k of the vector. Padding stays zero, and modular words are reduced to their ring.
    Work memory is two chunks.

    Args:
        vector: `layout.length` bytes.
        layout: How the bytes are words.
        masks: Keystreams with signs; made on demand, so that half a million need no memory.
    """
    size = min(CHUNK, layout.length)
    zeros, stream = bytes(size), bytearray(size)
    remaining = iter(masks)
    while batch := list(islice(remaining, BATCH)):
        open_streams = [(keystream(mask.key).update_into, np.add if mask.add else np.subtract) for mask in batch]
        for start, end, dtype in chunks(layout):
            words = np.frombuffer(vector, dtype, (end - start) // dtype.itemsize, start)
            length = end - start
            data, out = memoryview(zeros)[:length], memoryview(stream)[:length]
            pad = np.frombuffer(out, dtype)
            for write, combine in open_streams:
                write(data, out)
                combine(words, pad, words)
    layout.reduce(vector)


def chunks(layout: Layout) -> Iterator[tuple[int, int, np.dtype[np.unsignedinteger[Any]]]]:
    """Yields start, end and word type of every chunk, none across the boundary between word sizes."""
    for first, last, dtype in ((0, layout.boundary, "<u8"), (layout.boundary, layout.data_bytes, "<u4")):
        for start in range(first, last, CHUNK):
            yield start, min(start + CHUNK, last), np.dtype(dtype)
