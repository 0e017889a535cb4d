"""How long until the command line answers, and the memory that it takes.

python -m benchmarks.start [--repeat 15]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [str(Path(sys.executable).with_name("fedledger")), "--help"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=15)
    arguments = parser.parse_args()
    runs = [_once() for _ in range(arguments.repeat)]
    seconds, processor, memory = (statistics.median(figures) for figures in zip(*runs, strict=True))
    print(json.dumps({"help_seconds": seconds, "help_processor_seconds": processor, "help_mb": memory}))


def _once() -> tuple[float, float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{' '.join(COMMAND)} ends with status {status}")
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
