"""What a round of the same size takes here, for those benchmarks that run another project's."""

import json
import subprocess
import sys
from typing import Any


def our_round(rounds: int, **sizes: int) -> dict[str, Any]:
    """Return the figures of `benchmarks.scale` over this many rounds after its first; `sizes` are its arguments."""
    arguments = [f"--{name}={value}" for name, value in sizes.items()]
    command = [sys.executable, "-m", "benchmarks.scale", *arguments, f"--rounds={rounds + 1}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))
