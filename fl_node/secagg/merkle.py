"""The Merkle tree of RFC 6962 over leaf values, and its audit paths."""

import hashlib
from collections.abc import Sequence

from fl_node import codes
from fl_node.secagg.errors import SecaggError


def leaf_hash(leaf: bytes) -> bytes:
    """Returns SHA-256(0x00 ‖ leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Returns SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree over at least one leaf value."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        level = [leaf_hash(leaf) for leaf in leaves]
        self.levels = [level]
        while len(level) > 1:
            pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
            # A last node without a sibling moves up as it is, which gives the tree of the recursive definition.
            level = pairs + level[len(level) & ~1 :]
            self.levels.append(level)

    @property
    def root(self) -> bytes:
        """The hash over all leaves."""
        return self.levels[-1][0]

    def path(self, index: int) -> tuple[bytes, ...]:
        """Returns the audit path of a leaf, leaf to root."""
        path = []
        for level in self.levels[:-1]:
            if index ^ 1 < len(level):
                path.append(level[index ^ 1])
            index //= 2
        return tuple(path)


def path_length(index: int, size: int) -> int:
    """Returns how many hashes the audit path of a leaf has."""
    length, last = 0, size - 1
    while last:
        length += index & 1 or index != last
        index, last = index >> 1, last >> 1
    return length


def verify_path(root: bytes, index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> None:
    """Checks an audit path (RFC 9162 §2.1.3.2).

    Raises:
        SecaggError: The leaf is not at that index of a tree of that size with that root (FL4114).
    """
    node, last, current = index, size - 1, leaf_hash(leaf)
    fits = 0 <= index < size
    for sibling in path:
        fits = fits and last > 0
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    if not fits or last or current != root:
        raise SecaggError(codes.BAD_PROOF, "a share is not under its dealer's root")
