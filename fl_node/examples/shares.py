"""The examples' data, dealt to participants: unequal sizes, unequal label balance, the same on every machine.

Needs scikit-learn (and pyarrow for Parquet), not TFF. What `packaged` names is fetched when it is asked for.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from fl_node.examples.packaged import PACKAGED, packaged_rows

SPLITS: Final = 5
"""How many fixed splits there are; a split is a seed."""

TEST_PERCENT: Final = 25
"""Share of all rows that no participant gets, to compare models on."""

SKEW: Final = 0.8
"""How far a participant's label balance may lie from the whole's: 0 not at all, 1 down to nothing."""

Format = Literal["csv", "parquet"]


@dataclass(frozen=True)
class Rows:
    """Some rows of an example.

    Attributes:
        columns: Column names, the label's last.
        features: float64[rows, columns - 1].
        labels: The label's text per row.
    """

    columns: tuple[str, ...]
    features: NDArray[np.float64]
    labels: tuple[str, ...]

    def take(self, rows: NDArray[np.intp]) -> "Rows":
        """Picks rows by index."""
        return Rows(self.columns, self.features[rows], tuple(self.labels[row] for row in rows))


@cache
def load_example(example: str) -> Rows:
    """Loads all rows of an example, once in a process.

    They are `tumour` (569 rows of 30, two diagnoses), `digits` (1797 rows of 64, ten digits), `claims` (20,186 rows of
    16, counts), `credit` (10,000 rows of 3, two outcomes) or `demand` (106,139 rows of 6, logarithms of sales).

    Raises:
        PlanError: FL3047, FL3048 where a package that ships the data cannot be had.
    """
    if example in PACKAGED:
        names, numbers, labels = packaged_rows(example)
        return Rows((*names, PACKAGED[example].label), np.array(numbers), tuple(labels))
    from sklearn import datasets  # noqa: PLC0415 - a second that nobody else should pay

    data: Any = {"tumour": datasets.load_breast_cancer, "digits": datasets.load_digits}[example]()
    label = {"tumour": "diagnosis", "digits": "digit"}[example]
    texts = tuple(str(data.target_names[target]) for target in data.target)
    return Rows((*map(str, data.feature_names), label), data.data.astype(np.float64), texts)


def deal(example: str, participants: int, split: int = 0) -> tuple[list[Rows], Rows]:
    """Deals an example's rows.

    The first participant gets about twice as many rows as the last; labels go to participants in proportions that
    swing by `SKEW` around their size. Of time series whole stores are dealt so, by how much they sell.

    Args:
        example: One of `catalogue.EXAMPLES`.
        participants: How many shares, ≥ 2.
        split: Which of the fixed splits, 0 … `SPLITS` - 1.

    Returns:
        One share per participant, and the test rows that nobody got.
    """
    together = PACKAGED[example].together if example in PACKAGED else None
    return deal_rows(load_example(example), participants, split, together)


def deal_rows(rows: Rows, participants: int, split: int = 0, together: str | None = None) -> tuple[list[Rows], Rows]:
    """Deals rows as `deal` does; those with equal numbers in the column `together` go to one participant."""
    units, kind_of = _units(rows, together)
    draw = np.random.default_rng([split, participants])
    order = draw.permutation(len(units))
    tested = len(order) * TEST_PERCENT // 100
    test, rest = order[:tested], order[tested:]
    kinds = sorted(set(kind_of))
    shares: list[list[NDArray[np.intp]]] = [[] for _ in range(participants)]
    for turn, kind in enumerate(kinds):
        members = rest[[kind_of[unit] == kind for unit in rest]]
        ends = np.cumsum(_proportions(participants, turn / len(kinds)) * len(members)).round().astype(int)
        for share, part in zip(shares, np.split(members, ends[:-1]), strict=True):
            share.extend(units[unit] for unit in part)
    return [rows.take(draw.permutation(np.concatenate(share))) for share in shares], rows.take(_all(units, test))


def _units(rows: Rows, together: str | None) -> tuple[list[NDArray[np.intp]], Sequence[str]]:
    """What is dealt, the rows of each, and the kind of each: its label, or which third of the mean labels it is in."""
    if together is None:
        return list(np.arange(len(rows.labels))[:, np.newaxis]), rows.labels
    names = rows.features[:, rows.columns.index(together)]
    units = [np.flatnonzero(names == name) for name in np.unique(names)]
    labels = np.array(rows.labels, np.float64)
    ranks = np.argsort(np.argsort([labels[unit].mean() for unit in units]))
    return units, [str(3 * rank // len(units)) for rank in ranks]


def _all(units: Sequence[NDArray[np.intp]], some: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.concatenate([units[unit] for unit in some])


def _proportions(participants: int, phase: float) -> NDArray[np.float64]:
    sizes = np.linspace(2.0, 1.0, participants)
    places = np.arange(participants) / participants
    weights = sizes * (1 + SKEW * np.cos(2 * np.pi * (phase - places)))
    return np.asarray(weights / weights.sum())


def write_shares(
    example: str, folder: Path, names: Sequence[str], *, split: int = 0, formats: Sequence[Format] = ("csv", "parquet")
) -> dict[str, Path]:
    """Writes one share per participant.

    Args:
        example: One of `catalogue.EXAMPLES`.
        folder: Where to write; made if need be.
        names: The participants' names.
        split: Which of the fixed splits.
        formats: Used in turn: a CSV file, or a folder of Parquet part files as Apache Spark writes it.

    Returns:
        The path of each participant's data.
    """
    shares, _ = deal(example, len(names), split)
    paths = {}
    for turn, (name, share) in enumerate(zip(names, shares, strict=True)):
        write = _write_csv if formats[turn % len(formats)] == "csv" else _write_parquet
        paths[name] = write(folder / name, share)
    return paths


def _write_csv(stem: Path, rows: Rows) -> Path:
    path = stem.with_name(f"{stem.name}.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(rows.columns)
        for features, label in zip(rows.features.tolist(), rows.labels, strict=True):
            writer.writerow([*features, label])
    return path


def _write_parquet(folder: Path, rows: Rows) -> Path:
    import pyarrow as pa  # noqa: PLC0415 - as above
    from pyarrow import parquet  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    arrays = [*(pa.array(column) for column in rows.features.T), pa.array(rows.labels)]
    table = pa.table(arrays, names=list(rows.columns))
    half = table.num_rows // 2
    for number, part in enumerate([table.slice(0, half), table.slice(half)]):
        parquet.write_table(part, folder / f"part-{number:05d}.snappy.parquet", compression="snappy")
    (folder / "_SUCCESS").touch()
    return folder
