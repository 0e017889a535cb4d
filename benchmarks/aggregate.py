"""What verifying an aggregate costs an endorser: hash, re-sum, unmask, compare; beside SHA-256 over the same bytes.

    python benchmarks/aggregate.py [--case COHORT,SLOTS,DROPOUTS,GROUPS]... [--repeat K]

Prints one JSON object. The endorser's own Go code is built and run (aggregatebench), from files in the page cache, once
with all cores and once with one. `seconds` is wall time, `cpu_seconds` what a busy machine disturbs less; each is the
best of K repetitions, for SHA-256 as for the verification. `load` is the machine's at the start.
"""

import argparse
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


def measure(binary: Path, case: str, repeat: str) -> dict[str, Any]:
    cohort, slots, dropouts, groups = case.split(",")
    figures: dict[str, Any] = {"cohort": int(cohort), "slots": int(slots), "dropouts": int(dropouts)}
    figures["groups"] = int(groups)
    figures |= {"goal": GOALS.get(case), "load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        run(binary, "prepare", folder, cohort, slots, dropouts, groups)
        figures["sha256"] = sha = run(binary, "hash", folder, repeat, cores=1)
        for name, cores in (("all_cores", None), ("one_core", 1)):
            figures[name] = verified = run(binary, "verify", folder, repeat, cores=cores)
            verified["ratio_to_sha256"] = verified["seconds"] / sha["seconds"]
            verified["cpu_ratio_to_sha256"] = verified["cpu_seconds"] / sha["cpu_seconds"]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", help=f"COHORT,SLOTS,DROPOUTS,GROUPS (default {' '.join(CASES)})")
    parser.add_argument("--repeat", default="15")
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
