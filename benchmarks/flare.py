"""Whole rounds of NVIDIA FLARE's plain averaging in POC mode: a server and a process a client, in an environment apart.

    python -m benchmarks.flare [--participants 4] [--slots 10000] [--rounds 5]

FLARE runs unmodified, with its defaults; participants do not train. A round is from one model that
a client receives to the next. Nothing is masked, and nobody but the server sees or checks a sum.
`python -m benchmarks.scale` has these arguments.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from benchmarks.environments import AbsentError, python_of
from benchmarks.ours import our_round

JOB: Final = Path(__file__).with_name("flare_app") / "job.py"
PACKAGES: Final = ("nvflare==2.9.0", "numpy")
PATIENCE_S: Final = 600.0


def measure(participants: int, slots: int, rounds: int) -> dict[str, Any]:
    """Run server, clients and the job; return the seconds of its rounds, each the median of all clients."""
    python = python_of("flare", *PACKAGES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = folder / "times"
        times.mkdir()
        # One round more than is counted: the last one has no model that follows.
        sizes = [f"--participants={participants}", f"--slots={slots}", f"--rounds={rounds + 1}"]
        _run(folder, [str(python), str(JOB), *sizes, f"--times={times}"])
        seconds = [
            [later - sooner for sooner, later in pairwise(map(float, path.read_text().split()))]
            for path in sorted(times.iterdir())
        ]
    if len(seconds) != participants or any(len(each) != rounds for each in seconds):
        raise AbsentError(
            f"FLARE ended {[len(each) for each in seconds]} rounds of {rounds}, of {participants} clients"
        )
    rows = [round(statistics.median(each), 3) for each in zip(*seconds, strict=True)]
    return {
        "participants": participants, "slots": slots, "seconds": rows,
        "median_seconds": statistics.median(rows), "load": os.getloadavg()[0],
    }  # fmt: skip


def _run(folder: Path, command: list[str]) -> None:
    """Run the job to its end; what it started ends with it."""
    environment = {**os.environ, "HOME": str(folder), "NVFLARE_POC_WORKSPACE": str(folder / "poc"), "PYTHONPATH": ""}
    environment["PATH"] = f"{Path(command[0]).parent}:{os.environ['PATH']}"
    with (folder / "job.log").open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        try:
            failed = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            failed = -1
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if failed:
        raise AbsentError(f"FLARE's job ended with {failed}: {(folder / 'job.log').read_text()[-600:]}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--participants", type=int, default=4)
    parser.add_argument("--slots", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    try:
        report = measure(arguments.participants, arguments.slots, arguments.rounds)
    except AbsentError as error:
        report = {"absent": str(error)}
    else:
        ours = our_round(arguments.rounds, participants=arguments.participants, slots=arguments.slots)
        report["ours"] = ours
        report["flare_over_ours"] = round(report["median_seconds"] / ours["median_seconds"]["total"], 2)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
