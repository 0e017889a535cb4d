"""What verifying an aggregate costs an endorser: hash, re-sum, unmask, compare; beside SHA-256 over the same bytes.

    python benchmarks/aggregate.py [--case COHORT,SLOTS,DROPOUTS,GROUPS]... [--repeat K] [--turns T]

Prints one JSON object. The endorser's own Go code is built and run (aggregatebench), from files in the page cache, with
all cores and with one; SHA-256 has one thread in every comparison. `checked` is the verification by an endorser that
checked the updates when they were committed: it knows them by the seals of that check, whose time is not in it. The
others hash them. `seconds` is wall time, `cpu_seconds` what a busy machine disturbs less; each is the best of K
repetitions, for SHA-256 as for the verification. `load` is the machine's at the start. With several turns the cases are
measured one after the other in each, so that what else the machine does disturbs all alike; the best counts.
A case in groups says how its processor time on one core compares with that of one sum, `cpu_ratio_to_one_sum`, where
that is among the cases.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHAINCODE = Path(__file__).parents[1] / "chaincode"
CASES = [
    *("10,1000000,0,0", "10,1000000,3,0", "100,1000000,0,0", "100,1000000,33,0", "500,100000,150,0"),
    *("20,1000000,0,0", "20,1000000,0,5"),
]
GOALS = {
    "10,1000000,0,0": "ratio_to_sha256 at most 1.5",
    "100,1000000,0,0": "seconds at most 1.0, peak_bytes at most 64 MB and three vectors",
    "500,100000,150,0": "cpu_seconds at most 15",
    "20,1000000,0,5": "cpu_seconds at most twice those of 20,1000000,0,0: groups cost no more than that",
}


def run(binary: Path, *arguments: str, cores: int | None = None) -> dict[str, Any]:
    environment = os.environ | ({"GOMAXPROCS": str(cores)} if cores else {})
    output = subprocess.run([str(binary), *arguments], check=True, capture_output=True, text=True, env=environment)
    return json.loads(output.stdout) if output.stdout else {}


Figures = dict[str, Any]


def measure(binary: Path, folder: str, repeat: str) -> Figures:
    """Measure a case that is prepared in a folder."""
    figures: Figures = {"sha256": (sha := run(binary, "hash", folder, repeat, cores=1))}
    for name, cores in (("all_cores", None), ("one_core", 1), ("checked_all_cores", None), ("checked_one_core", 1)):
        how = "checked" if name.startswith("checked") else "verify"
        figures[name] = verified = run(binary, how, folder, repeat, cores=cores)
        verified["ratio_to_sha256"] = verified["seconds"] / sha["seconds"]
        verified["cpu_ratio_to_sha256"] = verified["cpu_seconds"] / sha["cpu_seconds"]
    return figures


def best(turns: list[Figures]) -> Figures:
    """Return the least of each figure over the turns."""
    return {
        part: {name: min(turn[part][name] for turn in turns) for name in figures} for part, figures in turns[0].items()
    }


def compare(found: dict[str, Figures]) -> None:
    """Say of each case in groups how it compares with the one sum of as many."""
    for case, figures in found.items():
        sizes, _, groups = case.rpartition(",")
        alone = found.get(f"{sizes},0")
        if groups != "0" and alone:
            figures["cpu_ratio_to_one_sum"] = figures["one_core"]["cpu_seconds"] / alone["one_core"]["cpu_seconds"]


def measure_all(binary: Path, cases: list[str], repeat: str, turns: int) -> list[Figures]:
    """Prepare all cases, and measure them by turns."""
    named = ("cohort", "slots", "dropouts", "groups")
    with contextlib.ExitStack() as stack:
        folders = {case: stack.enter_context(tempfile.TemporaryDirectory()) for case in cases}
        for case, folder in folders.items():
            run(binary, "prepare", folder, *case.split(","))
        load = os.getloadavg()[0]
        seen: dict[str, list[Figures]] = {case: [] for case in cases}
        for _ in range(turns):
            for case, folder in folders.items():
                seen[case].append(measure(binary, folder, repeat))
    found = {
        case: dict(zip(named, map(int, case.split(",")), strict=True))
        | {"goal": GOALS.get(case), "load": load}
        | best(of)
        for case, of in seen.items()
    }
    compare(found)
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help=f"COHORT,SLOTS,DROPOUTS,GROUPS (default {' '.join(CASES)})")
    parser.add_argument("--repeat", default="15")
    parser.add_argument("--turns", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "aggregatebench"
        build = ["go", "build", "-o", str(binary), "./aggregate/aggregatebench"]
        subprocess.run(build, cwd=CHAINCODE, check=True)
        figures = measure_all(binary, options.case or CASES, options.repeat, options.turns)
    json.dump(figures, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
