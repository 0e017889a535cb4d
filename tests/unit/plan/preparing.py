"""Rows of every kind in files as people have them, for tests of what is prepared of them."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from fl_node.data.schema import Column, Label, Missing, Schema, Window

SCHEMA = Schema(
    columns=(
        Column(name="size", minimum="-100", maximum="100", mean="2", deviation="0.5"),
        Column(name="age", type="integer", fill="40"),
        Column(name="smoker", type="boolean"),
        Column(name="side", type="category", values=("left", "None", "2")),
        Column(name="born", type="date", mean="9000", deviation="1000"),
        Column(name="note", type="text", length=6),
        Column(name="scan", type="array", shape=(2, 3)),
    ),
    labels=(Label(name="kind", values=("no", "yes")), Label(name="claims", type="count", exposure="years")),
    missing=Missing(words=("?", "unknown"), rows="drop"),
)
SERIES = Schema(
    columns=(Column(name="sales"),),
    label=Label(name="sales", type="float"),
    window=Window(time="week", unit="date", series="store", history=2, horizon=1, step="7"),
)
HEADER = "größe;age;smoker;side;born;note;scan;kind;claims;years;other"
DESCRIPTION = """\
separator: ";"
decimal: ","
encoding: latin-1
dates: "%d.%m.%Y %H:%M:%S.%f"
columns: {größe: size}
"""


def people(folder: Path, files: int = 3, rows: int = 120) -> Path:
    """A folder of files with a description, gaps, words that mean missing, and arrays beside them."""
    draw = np.random.default_rng(4)
    folder.mkdir()
    (folder / "data.yaml").write_text(DESCRIPTION, "utf-8")
    for at in range(5):
        np.save(folder / f"{at}.npy", draw.normal(size=(2, 3)))
    for number in range(files):
        lines = [HEADER, *(person(draw) for _ in range(rows))]
        (folder / f"rows-{number}.csv").write_text("\n".join(lines) + "\n", "latin-1")
    return folder


def person(draw: np.random.Generator) -> str:
    def some(text: str, gap: str = "") -> str:
        return gap if draw.random() < 0.03 else text

    born = datetime(1970, 1, 1) + timedelta(microseconds=int(draw.integers(-(10**15), 10**15)))  # noqa: DTZ001
    return ";".join(
        [
            some(f"{draw.normal():.17g}".replace(".", ","), "?"),
            some(f"{draw.integers(18, 99)}" + (",0" if draw.random() < 0.5 else "")),
            some(str(draw.choice(["true", "0", "1", "False"])), "unknown"),
            some(str(draw.choice(["left", "None", "2", "2.0"]))),
            some(born.strftime("%d.%m.%Y %H:%M:%S.%f"), " ? "),
            some(str(draw.choice(["grün", "a longer text", "-"]))),
            some(f"{draw.integers(5)}.npy"),
            str(draw.choice(["no", "yes"])),
            str(draw.integers(9)),
            f"{draw.uniform(0.1, 2):.3f}".replace(".", ","),
            "nobody reads this",
        ]
    )


def sales(folder: Path, files: int = 3) -> Path:
    """Weekly sales of stores, whose weeks are spread over files; one lacks a week."""
    draw = np.random.default_rng(6)
    folder.mkdir()
    lines: list[list[str]] = [["week,store,sales"] for _ in range(files)]
    for week in range(20):
        for store in range(20):
            if (week, store) != (9, 3):
                day = datetime(2024, 1, 1) + timedelta(days=7 * week)  # noqa: DTZ001
                lines[draw.integers(files)].append(f"{day:%Y-%m-%d},{store}.0,{draw.poisson(20)}")
    for number, some in enumerate(lines):
        (folder / f"part-{number}.csv").write_text("\n".join(some) + "\n")
    return folder
