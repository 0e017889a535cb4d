"""What an audit costs: transactions verified a second of CPU time, and peak memory, on a long chain.

    python benchmarks/audit.py [--transactions N] [--json]

The chain is made, not recorded: validly signed blocks of a federation's transactions (benchmarks/audit_chain.py), each
endorsed by three of four members. Each run is a process of its own; seconds are CPU seconds, which other work on the
machine disturbs least, and wall time beside them. With replay, the rules' own process is counted too.
Goals: 500 transactions a second on one core, 200 MB at 50 000 transactions.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# This file's own folder comes last: `audit` is the package, not this file.
sys.path[:] = [str(ROOT), *sys.path[1:], str(ROOT / "benchmarks")]
GOALS = {"transactions_a_second": 500, "peak_mb": 200}


def child(chain: Path, *, replay: bool) -> dict[str, Any]:
    """Verify a chain in this process and return what it took."""
    from audit.verify.run import Options, verify_folder

    started = time.monotonic()
    verdict = verify_folder(chain, chain.parent / "audit.sqlite", Options(replay=replay, fresh=True))
    wall = time.monotonic() - started
    assert verdict.ok, verdict.failures[:3]
    own = resource.getrusage(resource.RUSAGE_SELF)
    seconds = own.ru_utime + own.ru_stime
    figures = {
        "transactions": verdict.transactions,
        "blocks": verdict.height,
        "verifier_cpu_s": round(seconds, 2),
        "wall_s": round(wall, 2),
        "peak_mb": round(own.ru_maxrss / 1024),
    }
    if replay:
        rules = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures["rules_cpu_s"] = round(rules.ru_utime + rules.ru_stime, 2)
        figures["rules_peak_mb"] = round(rules.ru_maxrss / 1024)
        seconds += rules.ru_utime + rules.ru_stime
    figures["transactions_a_second"] = round(verdict.transactions / seconds)
    return figures


def measure(total: int) -> dict[str, Any]:
    """Make a chain and verify it without and with replay, each in a process of its own."""
    from audit.verify.run import REPLAY_PACKAGE
    from benchmarks.audit_chain import PER_BLOCK, make_chain
    from network.build import build_chaincode
    from network.topology import load_consortium

    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        chain = make_chain(load_consortium(ROOT / "network" / "consortium.yaml"), Path(folder), total)
        made = round(time.monotonic() - started, 1)
        runs = {}
        for name in ("without_replay", "with_replay"):
            build_chaincode(REPLAY_PACKAGE)  # so that no compiler counts as the rules
            command = [sys.executable, __file__, "--child", str(chain), f"--{name.replace('_', '-')}"]
            runs[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"goals": GOALS, "per_block": PER_BLOCK, "made_in_s": made, **runs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--with-replay", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--without-replay", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(given.child, replay=given.with_replay)))
        return
    figures = measure(given.transactions)
    if given.json:
        print(json.dumps(figures, indent=1))
        return
    for name in ("without_replay", "with_replay"):
        run = figures[name]
        print(
            f"{name.replace('_', ' ')}: {run['transactions']} transactions in {run['blocks']} blocks,"
            f" {run['transactions_a_second']} a second of CPU (goal {GOALS['transactions_a_second']}),"
            f" peak {run['peak_mb']} MB (goal {GOALS['peak_mb']})"
        )


if __name__ == "__main__":
    main()
