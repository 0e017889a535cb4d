"""Masks: AES-256-CTR keystreams added to a vector word by word, each word modulo its size."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from fl_node.secagg.layout import ALIGN, Layout

CHUNK: Final = 128 << 10
"""Bytes worked on at a time: chunk and keystream stay in a core's own cache, and Python's overhead stays small."""

BATCH: Final = 256
"""Keystreams open at a time."""

STRIPE: Final = 1 << 20
"""Fewest bytes that are worth a thread of their own."""

MOST_THREADS: Final = 4

Range = tuple[int, int]
"""First byte and the byte after the last."""


@dataclass(frozen=True)
class Mask:
    """One keystream and its sign."""

    key: bytes = field(repr=False)
    add: bool


def keystream(key: bytes, start: int = 0) -> CipherContext:
    """Returns AES-256-CTR (NIST SP 800-38A) from a byte offset, a multiple of 16.

    The counter block starts at zero and counts as one 128-bit big-endian integer.
    """
    return Cipher(AES(key), CTR((start // ALIGN).to_bytes(ALIGN, "big"))).encryptor()


def apply_masks(vector: bytearray, layout: Layout, masks: Iterable[Mask], threads: int | None = None) -> None:
    """Adds (or takes away) masks over a whole vector, in place.

    Keystream byte k lies over byte k of the vector. Padding stays zero, and modular words are reduced to their ring.
    Work memory is two chunks a thread.

    Args:
        vector: `layout.length` bytes.
        layout: How the bytes are words.
        masks: Keystreams with signs; made on demand, so that half a million need no memory.
        threads: How many stripes are worked on at a time; by default as many as there are cores and work for.
    """
    stripes = _stripes(layout, threads or min(os.cpu_count() or 1, MOST_THREADS))
    remaining = iter(masks)
    with ThreadPoolExecutor(len(stripes)) as pool:  # starts threads only when it is given work
        while batch := list(islice(remaining, BATCH)):
            # Both the cipher and numpy let go of the interpreter's lock while they work.
            others = [pool.submit(_mask_stripe, vector, layout, batch, stripe) for stripe in stripes[1:]]
            _mask_stripe(vector, layout, batch, stripes[0])
            for other in others:
                other.result()
    layout.reduce(vector)


def _stripes(layout: Layout, threads: int) -> list[Range]:
    count = max(1, min(threads, layout.data_bytes // STRIPE))
    inner = [layout.data_bytes * number // count // ALIGN * ALIGN for number in range(1, count)]
    return list(pairwise([0, *inner, layout.data_bytes]))


def _mask_stripe(vector: bytearray, layout: Layout, masks: Sequence[Mask], stripe: Range) -> None:
    size = min(CHUNK, stripe[1] - stripe[0])
    zeros, stream = bytes(size), bytearray(size)
    streams = [(keystream(mask.key, stripe[0]).update_into, np.add if mask.add else np.subtract) for mask in masks]
    for start, end, dtype in chunks(layout, *stripe):
        words = np.frombuffer(vector, dtype, (end - start) // dtype.itemsize, start)
        data, out = memoryview(zeros)[: end - start], memoryview(stream)[: end - start]
        pad = np.frombuffer(out, dtype)
        for write, combine in streams:
            write(data, out)
            combine(words, pad, words)


def chunks(
    layout: Layout, first: int = 0, last: int | None = None
) -> Iterator[tuple[int, int, np.dtype[np.unsignedinteger[Any]]]]:
    """Yields start, end and word type of every chunk of a part of the vector, none across word sizes."""
    last = layout.data_bytes if last is None else last
    middle = min(max(layout.boundary, first), last)
    for low, high, dtype in ((first, middle, "<u8"), (middle, last, "<u4")):
        for start in range(low, high, CHUNK):
            yield start, min(start + CHUNK, high), np.dtype(dtype)
