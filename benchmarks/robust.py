"""What robust rules withstand: digits among simulated participants, some of them faulty, by rule and attack.

    python benchmarks/robust.py [--only groups|plain] [--seeds K] [--json]

Prints accuracy on test rows in per cent, the mean over seeds (0, 1 …); for backdoors also how many test rows the
trigger turns into the attacker's label. Sums and rules are the integer code of nodes (fl_node/secagg/modes).

`groups`: sums of groups, half of each shard sorted by label. The last rows show where the rule fails: as many faulty
participants as half of the groups. `plain`: single updates of 25 participants of whom 5 are faulty, every shard sorted
by label, where rules that choose among updates lose the labels that few have. Beside each attack stands what
Karimireddy, He and Jaggi 2022 (arXiv 2006.09365, stored outputs of their experiments) have for the rule on MNIST with
as many, not i.i.d., momentum 0.9: compare the order of the rules and not the figures.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fl_node.secagg.modes.interface import Mode
from fl_node.secagg.modes.plain import Plain
from fl_node.secagg.modes.robust_groups import RobustGroups
from fl_node.secagg.modes.secure_sum import SecureSum
from tests.adversary.attacks import ATTACKS
from tests.adversary.federation import Setting, train

CASES = ((20, 20, 4), (20, 2, 4), (20, 4, 2), (21, 3, 3), (20, 4, 3))
"""Participants, size of a group, faulty; the last is beyond what the rule bears."""


Row = dict[str, object]

ALL, FAULTY = 25, 5
PUBLISHED: dict[tuple[str, int], tuple[float | None, ...]] = {
    ("mean", 1): (98.8, None, None, None, None, None),
    ("median", 1): (80.4, 44.6, 46.7, 54.6, 32.1, 9.9),
    ("centred_clipping", 1): (98.8, 97.8, 97.8, 97.9, 97.8, 98.2),
    ("median", 2): (95.6, 60.3, 71.5, 82.7, 59.9, 39.2),
    ("centred_clipping", 2): (98.8, 97.9, 97.9, 97.9, 97.9, 98.1),
}
"""By rule and size of the buckets, in the order of SHOWN. Their bit flip is a sign flip without a factor."""
SHOWN = ("none", "sign-flip", "label-flip", "mimic", "ipm", "alie")


def modes(participants: int, size: int, faulty: int) -> dict[str, Mode]:
    """The rules to compare; trimming takes away no more than leaves one group."""
    if size == participants:
        return {"mean": SecureSum()}
    trim = min(faulty, (participants // size - 1) // 2)
    return {"median": RobustGroups(trim, median=True), "trimmed mean": RobustGroups(trim)}


def measure(case: tuple[int, int, int], seeds: int) -> list[Row]:
    """One row a rule: the accuracy under each attack."""
    participants, size, faulty = case
    rows = []
    for rule, mode in modes(*case).items():
        row: Row = {"participants": participants, "size": size, "faulty": faulty, "rule": rule}
        for name, attack in ATTACKS.items():
            bad = 0 if name == "none" else faulty
            found = [train(Setting(participants, size, bad, mode, attack, seed)) for seed in range(seeds)]
            row[name] = round(100 * sum(one.accuracy for one in found) / seeds, 1)
            if name.endswith("backdoor"):
                row[f"{name} works"] = round(100 * sum(one.triggered for one in found) / seeds, 1)
        rows.append(row)
    return rows


def measure_plain(seeds: int) -> list[Row]:
    """One row a rule and bucket: the accuracy under each attack, ours / theirs."""
    rows = []
    for bucket in (1, 2):
        for rule in ("mean", "median", "trimmed_mean", "multi_krum", "centred_clipping"):
            if rule == "mean" and bucket == 2:  # buckets do not change a mean
                continue
            mode, size = (SecureSum(), ALL) if rule == "mean" else (Plain(FAULTY, rule, bucket), 1)
            row: Row = {"rule": rule, "bucket": bucket}
            for number, name in enumerate(SHOWN):
                bad = 0 if name == "none" else FAULTY
                settings = [Setting(ALL, size, bad, mode, ATTACKS[name], seed, mixed=0) for seed in range(seeds)]
                ours = round(100 * sum(train(setting).accuracy for setting in settings) / seeds, 1)
                theirs = PUBLISHED.get((rule, bucket), (None,) * len(SHOWN))[number]
                row[name] = f"{ours} / {'-' if theirs is None else theirs}"
            rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("groups", "plain"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tables = {}
    if options.only != "plain":
        tables["groups"] = [row for case in CASES for row in measure(case, options.seeds)]
    if options.only != "groups":
        tables["plain"] = measure_plain(options.seeds)
    if options.json:
        json.dump(tables, sys.stdout, indent=2)
        print()
        return
    for rows in tables.values():
        print("| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
        for row in rows:
            print("| " + " | ".join(str(value) for value in row.values()) + " |")
        print()


if __name__ == "__main__":
    main()
