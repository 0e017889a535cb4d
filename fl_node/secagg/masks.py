"""Masks: AES-256-CTR keystreams added to a vector word by word, each word modulo its size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR, GCM

from fl_node.secagg.layout import ALIGN, Layout

CHUNK: Final = 128 << 10
"""Bytes worked on at a time: chunk and keystream stay in a core's own cache, and Python's overhead stays small."""

BATCH: Final = 256
"""Keystreams open at a time."""

HEAD: Final = 2 * ALIGN
"""Bytes of a keystream that `beyond_head` leaves out."""

_ZEROS: Final = memoryview(bytes(CHUNK))

Chunk = tuple[int, int, np.dtype[np.unsignedinteger[Any]]]
"""First byte, the byte after the last, and the type of its words."""


@dataclass(frozen=True)
class Mask:
    """One keystream and its sign."""

    key: bytes = field(repr=False)
    add: bool


def keystream(key: bytes) -> CipherContext:
    """Returns AES-256-CTR (NIST SP 800-38A); the counter block starts at zero, as one 128-bit big-endian integer."""
    return Cipher(AES(key), CTR(bytes(ALIGN))).encryptor()


def beyond_head(key: bytes) -> CipherContext:
    """Returns the same keystream from byte `HEAD` on, by a mode for which OpenSSL uses wider instructions than for CTR.

    GCM (NIST SP 800-38D) encrypts in counter mode: a counter block is a nonce of 96 bits and a counter of 32, which is
    2 at first. With a nonce of zeros that is `keystream` from block 2 to block 2^32 - 1, far behind the end of the
    longest layout. Nobody asks for the tag, and a key has no other nonce.
    """
    return Cipher(AES(key), GCM(bytes(12))).encryptor()


def apply_masks(vector: bytearray, layout: Layout, masks: Iterable[Mask]) -> None:
    """Adds (or takes away) masks over a whole vector, in place.

    Keystream byte k lies over byte k of the vector. Padding stays zero, and modular words are reduced to their ring.
    Work memory is two chunks. One thread: steps are so short that two would mostly wait for the interpreter's lock.

    Args:
        vector: `layout.length` bytes.
        layout: How the bytes are words.
        masks: Keystreams with signs; made on demand, so that half a million need no memory.
    """
    remaining = iter(masks)
    while batch := list(islice(remaining, BATCH)):
        _add_masks(vector, chunks(layout, 0, min(HEAD, layout.data_bytes)), batch, keystream)
        _add_masks(vector, chunks(layout, HEAD), batch, beyond_head)
    layout.reduce(vector)


def _add_masks(
    vector: bytearray, parts: Iterable[Chunk], masks: Sequence[Mask], opener: Callable[[bytes], CipherContext]
) -> None:
    """Adds masks to parts of a vector that follow one another, from where the opener's keystreams begin."""
    stream = memoryview(bytearray(min(CHUNK, len(vector))))
    streams = [(opener(mask.key).update_into, np.add if mask.add else np.subtract) for mask in masks]
    for start, end, dtype in parts:
        words = np.frombuffer(vector, dtype, (end - start) // dtype.itemsize, start)
        data, out = _ZEROS[: end - start], stream[: end - start]
        pad = np.frombuffer(out, dtype)
        for write, combine in streams:
            write(data, out)
            combine(words, pad, words)


def chunks(layout: Layout, first: int = 0, last: int | None = None) -> Iterator[Chunk]:
    """Yields start, end and word type of every chunk of a part of the vector, none across word sizes."""
    last = layout.data_bytes if last is None else last
    middle = min(max(layout.boundary, first), last)
    for low, high, dtype in ((first, middle, "<u8"), (middle, last, "<u4")):
        for start in range(low, high, CHUNK):
            yield start, min(start + CHUNK, high), np.dtype(dtype)
