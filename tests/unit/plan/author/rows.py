"""Rows as researchers have them: one of each kind of column, gaps, words for gaps, names of rows, free text."""

from pathlib import Path

import numpy as np

HEADER = "id,age,bmi,smoker,ward,seen,note,same,claims,years,cost,outcome"


def write_rows(folder: Path, rows: int = 240) -> Path:
    """Write a CSV file whose outcome follows from age and bmi."""
    draw = np.random.default_rng(7)
    lines = [HEADER]
    for at in range(rows):
        age, bmi = int(draw.integers(18, 91)), round(float(draw.normal(27, 5)), 1)
        high = (age - 54) / 21 + (bmi - 27) / 5 > 0
        fields = [
            1000 + at,
            age,
            "?" if at % 40 == 3 else bmi,
            "yes-" if at % 3 else "",
            "abc"[at % 3],
            f"20{10 + at % 10}-0{1 + at % 9}-15",
            f"patient {at} came in",
            7,
            int(draw.poisson(0.2 + 0.5 * high)),
            round(float(draw.uniform(0.1, 1)), 2),
            round(1000 + 800 * high + float(draw.normal(0, 50)), 2),
            "ill" if high else "well",
        ]
        lines.append(",".join(map(str, fields)))
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return path
