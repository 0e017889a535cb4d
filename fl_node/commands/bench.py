"""The command `fedledger-bench`: runs the benchmarks of the checkout that this code lies in."""

import os
import sys

from network.checkout import CHECKOUT


def main() -> None:
    """Become the benchmarks' runner; they are in the repository, not in the installed package."""
    if CHECKOUT is None or not (CHECKOUT / "benchmarks" / "runner").is_dir():
        sys.exit("fedledger-bench: the benchmarks are in a checkout of the repository; run it there")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    os.execve(sys.executable, [sys.executable, "-m", "benchmarks.runner", *sys.argv[1:]], environment)  # noqa: S606
