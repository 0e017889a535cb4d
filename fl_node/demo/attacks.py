"""What a faulty participant of the demonstration sends: its own update, changed on its way out.

Sign flip and scaling are as in Karimireddy, He and Jaggi 2022; a free-rider trains nothing; who flips labels trains as
agreed, on rows whose labels were turned round.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fl_node.secagg.layout import Layout, Vector

FACTOR: Final = 10
LABEL_FLIP: Final = "label-flip"
Moved = NDArray[np.int64]
"""How far each slot lies from what stands for zero in it."""

CHANGES: Final[dict[str, Callable[[Moved], Moved]]] = {
    "sign-flip": lambda moved: -FACTOR * moved,
    "scaling": lambda moved: FACTOR * moved,
    "free-rider": np.zeros_like,
    LABEL_FLIP: lambda moved: moved,
}
ATTACKS: Final = tuple(CHANGES)


def changed(layout: Layout, vector: Vector, attack: str) -> bytes:
    """Returns what the faulty participant sends in the place of its honest vector.

    Args:
        layout: The plan's; a value slot holds zero at half of its largest number.
        vector: What honest work gave, unmasked.
        attack: One of `ATTACKS`. What would lie beyond a slot becomes its smallest or largest number.
    """
    sent = bytearray(vector)
    for segment in layout.segments:
        if segment.kind == "value":
            zero = segment.maximum // 2
            moved: Any = CHANGES[attack](segment.view(vector).astype(np.int64) - zero)
            segment.view(sent)[:] = np.clip(moved + zero, 0, segment.maximum).astype(segment.dtype)
    return bytes(sent)


def with_labels_flipped(path: Path, folder: Path) -> Path:
    """Writes rows anew with their labels, the last column, turned round: the first of them in the place of the last.

    Args:
        path: A CSV file.
        folder: Where to write; made if need be. In a folder of rows its name begins with an underscore.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream)
    labels = sorted({row[-1] for row in rows})
    other = dict(zip(labels, reversed(labels), strict=True))
    folder.mkdir(exist_ok=True)
    written = folder / path.name
    with written.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *([*row[:-1], other[row[-1]]] for row in rows)])
    return written
