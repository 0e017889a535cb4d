"""What robust groups withstand: digits among 20 and 21 simulated participants, some of them faulty, by rule and attack.

    python benchmarks/robust.py [--seeds K] [--json]

Prints accuracy on test rows in per cent, the mean over seeds (0, 1 …); for backdoors also how many test rows the
trigger turns into the attacker's label. Sums and rules are the integer code of nodes (fl_node/secagg/modes). The last
rows show where the rule fails: as many faulty participants as half of the groups.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fl_node.secagg.modes.interface import Mode
from fl_node.secagg.modes.robust_groups import RobustGroups
from fl_node.secagg.modes.secure_sum import SecureSum
from tests.adversary.attacks import ATTACKS
from tests.adversary.federation import Setting, train

CASES = ((20, 20, 4), (20, 2, 4), (20, 4, 2), (21, 3, 3), (20, 4, 3))
"""Participants, size of a group, faulty; the last is beyond what the rule bears."""


def modes(participants: int, size: int, faulty: int) -> dict[str, Mode]:
    """The rules to compare; trimming takes away no more than leaves one group."""
    if size == participants:
        return {"mean": SecureSum()}
    trim = min(faulty, (participants // size - 1) // 2)
    return {"median": RobustGroups(faulty, median=True), "trimmed mean": RobustGroups(trim)}


def measure(case: tuple[int, int, int], seeds: int) -> list[dict[str, object]]:
    """One row a rule: the accuracy under each attack."""
    participants, size, faulty = case
    rows = []
    for rule, mode in modes(*case).items():
        row: dict[str, object] = {"participants": participants, "size": size, "faulty": faulty, "rule": rule}
        for name, attack in ATTACKS.items():
            bad = 0 if name == "none" else faulty
            found = [train(Setting(participants, size, bad, mode, attack, seed)) for seed in range(seeds)]
            row[name] = round(100 * sum(one.accuracy for one in found) / seeds, 1)
            if name.endswith("backdoor"):
                row[f"{name} works"] = round(100 * sum(one.triggered for one in found) / seeds, 1)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [row for case in CASES for row in measure(case, options.seeds)]
    if options.json:
        json.dump(rows, sys.stdout, indent=2)
        print()
        return
    print("| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
