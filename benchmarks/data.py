"""What reading a participant's rows costs: seconds, time a cell and peak memory, from CSV and from Parquet.

    python benchmarks/data.py [--rows 2000000] [--columns 10] [--before COMMIT] [--json]

Each reading is a process of its own, so that its memory is its own: `profile` streams, `load` holds the examples as
training does (4 bytes a cell). `--before` reads the same files with the code of another commit.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

ROOT = Path(__file__).parent.parent
PART = 100_000
READING = """
import json, resource, sys, time
from pathlib import Path
from fl_node.data.examples import load_examples
from fl_node.data.profile import profile
from fl_node.data.schema import Column, Label, Schema
what, path, columns = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
schema = Schema(
    columns=tuple(Column(name=f"x{at}") for at in range(columns - 1)), label=Label(name="y", values=("0", "1"))
)
used = resource.getrusage(resource.RUSAGE_SELF)
started, before = time.perf_counter(), used.ru_utime + used.ru_stime
rows = profile(path, schema).rows if what == "profile" else sum(part.rows for part in load_examples(path, schema, 20))
seconds = time.perf_counter() - started
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = used.ru_utime + used.ru_stime - before
print(json.dumps({"rows": rows, "seconds": seconds, "cpu_s": cpu, "peak_mb": used.ru_maxrss // 1024}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--columns", type=int, default=10, help="the label is one of them")
    parser.add_argument("--before", metavar="COMMIT", help="read with this commit's code as well")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = write(Path(folder), arguments.rows, arguments.columns)
        trees = {"now": ROOT}
        if arguments.before:
            trees = {"before": checked_out(arguments.before, Path(folder) / "before"), **trees}
        found = [
            {"code": code, "format": kind, "reading": what, **measure(tree, what, file, arguments.columns)}
            for kind, file in files.items()
            for what in ("profile", "load")
            for code, tree in trees.items()
        ]
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for each in found:
        figures = "{seconds:6.2f} s ({cpu_s:.2f} s of CPU) {us_a_cell:6.3f} us/cell {peak_mb:5} MB"
        print(("{code:6} {format:7} {reading:7} " + figures).format(**each))


def write(folder: Path, rows: int, columns: int) -> dict[str, Path]:
    draw = np.random.default_rng(1)
    files = {"csv": folder / "rows.csv", "parquet": folder / "rows.parquet"}
    schema = pa.schema([*((f"x{at}", pa.float64()) for at in range(columns - 1)), ("y", pa.int64())])
    with csv.CSVWriter(files["csv"], schema) as texts, parquet.ParquetWriter(files["parquet"], schema) as numbers:
        for start in range(0, rows, PART):
            size = min(PART, rows - start)
            values = [*(draw.normal(size=size).round(4) for _ in range(columns - 1)), draw.integers(2, size=size)]
            part = pa.table(values, schema=schema)
            texts.write_table(part)
            numbers.write_table(part)
    return files


def checked_out(commit: str, folder: Path) -> Path:
    command = ["git", "archive", commit, "fl_node", "network"]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tree:
        tree.extractall(folder, filter="data")
    return folder


def measure(tree: Path, what: str, file: Path, columns: int) -> dict[str, Any]:
    command = [sys.executable, "-c", READING, what, str(file), str(columns)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return {**found, "us_a_cell": found["seconds"] * 1e6 / (found["rows"] * columns)}


if __name__ == "__main__":
    main()
