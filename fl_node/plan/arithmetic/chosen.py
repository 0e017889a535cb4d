"""Which numbers of an update travel in a round, where a plan sends a part of them: a public set, drawn anew each time.

Konečný et al. 2016 (arXiv 1610.05492) call it a random mask. The set follows from the base state, which the round's
record fixes. That state holds the sum of the round before, so that nobody knows the set before that sum is open; then
everybody does. All attempts of a round have one set: their sums tell of the same numbers.

The numbers are laid on a ring, cut into as many stretches of nearly one length as travel, and one of each stretch is
drawn; where the ring is cut is drawn too, so that each number comes equally often. It is integers alone.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node.canonical import prefixed
from fl_node.plan.arithmetic.averaging import Averaging
from fl_node.plan.arithmetic.state import Arrays, ModelState

LABEL: Final = "fedledger/v1/chosen"
WORD: Final = 8
Places = NDArray[np.int64]
Inner = Places | None
"""Places within one tensor; None: all of them."""


def chosen(averaging: Averaging, base: ModelState) -> Places | None:
    """The numbers that travel in the round that begins with a state, in ascending order; None: all do.

    A number's place is counted over all trained weights, one tensor after the other, each in row order.
    """
    if averaging.compression is None:
        return None
    total = sum(weights.size for weights in base.trained)
    return drawn(total, averaging.compression.count(total), seed_of(base))


def seed_of(base: ModelState) -> bytes:
    """SHA-256 over a label and all tensors of a state, each with its name, its numbers little-endian."""
    digest = hashlib.sha256(prefixed(LABEL.encode()))
    for leaf in base.leaves():
        array = np.ascontiguousarray(leaf.array, leaf.array.dtype.newbyteorder("<"))
        digest.update(prefixed(leaf.path.encode()) + prefixed(leaf.dtype.encode()))
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.digest()


def drawn(total: int, count: int, seed: bytes) -> Places:
    """Draws `count` of `total` places without repetition.

    Word 0 of SHAKE-256 (FIPS 202) of the seed, 64 bits little-endian, says where the ring is cut, word j + 1 which
    place of stretch j is taken: both as remainders, whose bias is below 2⁻³³.

    Args:
        total: At least 1, at most 2³¹.
        count: From 1 to `total`.
        seed: 32 bytes.
    """
    words = np.frombuffer(hashlib.shake_256(seed).digest(WORD * (count + 1)), "<u8")
    edges = np.arange(count + 1, dtype=np.int64) * total // count
    inner = (words[1:] % np.diff(edges).astype(np.uint64)).astype(np.int64)
    return np.sort((edges[:-1] + inner + int(words[0]) % total) % total)


def split(sizes: Sequence[int], places: Places) -> list[tuple[slice, Places]]:
    """Cuts ascending places into those of each tensor: which of them they are, and where they lie in the tensor."""
    edges = np.cumsum([0, *sizes])
    ends = np.searchsorted(places, edges).tolist()
    of_tensors = zip(ends, ends[1:], edges.tolist(), strict=False)
    return [(slice(low, high), places[low:high] - edge) for low, high, edge in of_tensors]


def gathered(parts: Arrays, places: Places) -> NDArray[np.float64]:
    """The numbers that lie at places of some tensors, as doubles."""
    inner = split([part.size for part in parts], places)
    return np.concatenate([at_places(part, at).astype(np.float64) for part, (_, at) in zip(parts, inner, strict=True)])


def at_places(part: NDArray[Any], inner: Inner) -> NDArray[Any]:
    """A tensor's numbers at places; the tensor itself for all of them."""
    return part if inner is None else part.reshape(-1)[inner]


def placed(part: NDArray[Any], inner: Inner, numbers: NDArray[Any]) -> NDArray[Any]:
    """A tensor with other numbers, of its own type, at places; those elsewhere stay."""
    if inner is None:
        return numbers.astype(part.dtype)
    found = part.copy()
    found.reshape(-1)[inner] = numbers
    return found
