"""What verifying an aggregate costs an endorser: hash, re-sum, unmask, compare; beside SHA-256 over the same bytes.

    python benchmarks/aggregate.py [--case COHORT,SLOTS,DROPOUTS]... [--repeat K]

Prints one JSON object. The endorser's own Go code is built and run (aggregatebench), from files in the page cache, once
with all cores and once with one. `seconds` is wall time, `cpu_seconds` what a busy machine disturbs least; medians.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CHAINCODE = Path(__file__).parents[1] / "chaincode"
CASES = ["10,1000000,0", "10,1000000,3", "100,1000000,0", "100,1000000,33", "500,100000,150"]
GOALS = {
    "10,1000000,0": "ratio_to_sha256 at most 1.5",
    "100,1000000,0": "seconds at most 1.0, peak_bytes at most 64 MB and three vectors",
    "500,100000,150": "cpu_seconds at most 15",
}


def run(binary: Path, *arguments: str, cores: int | None = None) -> dict[str, Any]:
    environment = os.environ | ({"GOMAXPROCS": str(cores)} if cores else {})
    output = subprocess.run([str(binary), *arguments], check=True, capture_output=True, text=True, env=environment)
    return json.loads(output.stdout) if output.stdout else {}


def medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: statistics.median(one[name] for one in runs) for name in runs[0]}


def measure(binary: Path, case: str, repeat: int) -> dict[str, Any]:
    cohort, slots, dropouts = (int(number) for number in case.split(","))
    with tempfile.TemporaryDirectory() as folder:
        run(binary, "prepare", folder, str(cohort), str(slots), str(dropouts))
        run(binary, "hash", folder)  # warms the page cache
        hashed, all_cores, one_core = [], [], []
        for _ in range(repeat):
            hashed.append(run(binary, "hash", folder, cores=1))
            all_cores.append(run(binary, "verify", folder))
            one_core.append(run(binary, "verify", folder, cores=1))
    sha = medians(hashed)
    figures = {"cohort": cohort, "slots": slots, "dropouts": dropouts, "goal": GOALS.get(case), "sha256": sha}
    for name, runs in (("all_cores", all_cores), ("one_core", one_core)):
        figures[name] = medians(runs)
        figures[name]["ratio_to_sha256"] = figures[name]["seconds"] / sha["seconds"]
        figures[name]["cpu_ratio_to_sha256"] = figures[name]["cpu_seconds"] / sha["cpu_seconds"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help=f"COHORT,SLOTS,DROPOUTS (default {' '.join(CASES)})")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(folder) / "aggregatebench"
        build = ["go", "build", "-o", str(binary), "./aggregate/aggregatebench"]
        subprocess.run(build, cwd=CHAINCODE, check=True)
        figures = [measure(binary, case, options.repeat) for case in options.case or CASES]
    json.dump(figures, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
