"""How often the monitor flags honest trainings, and which attacks it sees: `python benchmarks/monitor.py [SEEDS]`.

Simulated federations on handwritten digits (tests/adversary): four epochs of ten rounds with groups of their own, half
of each shard sorted by label. A false alarm is a flag in a training without anybody faulty. An attack is seen if a flag
of that kind names a group with somebody faulty in it.
"""

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fl_node.secagg.modes.robust_groups import RobustGroups
from tests.adversary.attacks import ATTACKS
from tests.adversary.federation import Setting
from tests.adversary.monitored import flagged

SIZES = ((9, 3, 1), (20, 4, 2), (21, 3, 3))
KINDS = ("outlying", "norm", "opposed", "loss", "repeated", "drift")


def main(seeds: int = 20) -> None:
    """Print both tables."""
    head = " | ".join(KINDS)
    print(f"| n, size | trainings | any | {head} |")
    for participants, size, _ in SIZES:
        runs = [
            flagged(Setting(participants, size, 0, RobustGroups(1), ATTACKS["none"], seed)) for seed in range(seeds)
        ]
        some = sum(bool(flags) for flags, _ in runs)
        print(f"| {participants}, {size} | {seeds} | {some} | {row([{flag.kind for flag in f} for f, _ in runs])} |")
    print(f"\n| attack | n, size, f | {head} | only the faulty named |")
    for attack in ATTACKS:
        for participants, size, faulty in SIZES if attack != "none" else ():
            setting = (participants, size, faulty, RobustGroups(faulty), ATTACKS[attack])
            runs = [flagged(Setting(*setting, seed)) for seed in range(max(1, seeds // 4))]
            seen = [{flag.kind for flag in flags if not flag.about or bad & set(flag.about)} for flags, bad in runs]
            alone = sum(any(set(flag.about) <= bad for flag in flags if flag.about) for flags, bad in runs)
            print(f"| {attack} | {participants}, {size}, {faulty} | {row(seen)} | {alone} of {len(runs)} |")


def row(runs: list[set[str]]) -> str:
    """Return in how many runs each kind is."""
    counted = Counter(kind for run in runs for kind in run)
    return " | ".join(str(counted[kind]) for kind in KINDS)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
