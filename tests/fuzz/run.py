"""`python -m tests.fuzz.run --seconds 20 [TARGET …]`: fuzz decoders, one after the other, each in a process of its own.

Guided by coverage where atheris is installed (`pip install atheris`), by random changes of good inputs otherwise. An
input that is a fault is written to the folder of `--found`; it becomes a case in `tests/fuzz/cases`.
"""

import argparse
import hashlib
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Fuzz the targets named, all by default; return 1 if one has a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return _fuzz(options.one, options.seconds, options.found)
    from tests.fuzz.targets import TARGETS

    options.found.mkdir(parents=True, exist_ok=True)
    again = ["--seconds", str(options.seconds), "--found", str(options.found.resolve())]
    faulty = []
    for name in options.targets or TARGETS:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", "tests.fuzz.run", "--one", name, *again]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            faulty.append(name)
    print(f"faults in: {', '.join(faulty)}" if faulty else "no fault found")
    return 1 if faulty else 0


def _fuzz(name: str, seconds: float, found: Path) -> int:
    try:
        import atheris
    except ImportError:
        return _change(name, seconds, found)
    with atheris.instrument_imports(include=["fl_node", "audit", "network"]):
        from tests.fuzz.targets import TARGETS
    target, corpus = TARGETS[name], found / f"corpus-{name}"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds:
        (corpus / hashlib.sha256(seed).hexdigest()).write_bytes(seed)
    flags = [f"-max_total_time={int(seconds)}", f"-artifact_prefix={found}/{name}-", "-timeout=20", "-max_len=65536"]
    atheris.Setup([sys.argv[0], str(corpus), *flags, "-print_final_stats=1", "-verbosity=0"], target.try_one)
    atheris.Fuzz()
    return 0


def _change(name: str, seconds: float, found: Path) -> int:
    from tests.fuzz.mutate import mutated
    from tests.fuzz.targets import TARGETS

    target, until, seed = TARGETS[name], time.monotonic() + seconds, 0
    while time.monotonic() < until:
        raw = mutated(target.seeds, random.Random(f"{name} {seed}"))
        seed += 1
        try:
            target.try_one(raw)
        except Exception:
            traceback.print_exc()
            (found / f"{name}-{hashlib.sha256(raw).hexdigest()[:16]}").write_bytes(raw)
            return 1
    print(f"{seed} inputs, no fault")
    return 0


if __name__ == "__main__":
    sys.exit(main())
