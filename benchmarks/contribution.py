"""What groups' contributions tell of single owners: `python benchmarks/contribution.py [SEEDS]`.

Nine owners of handwritten digits, each with more wrong labels than the one before; groups of three, drawn anew in every
epoch of five rounds. What is compared: the owners' shares as the ledger's rules have them (a group's value for each of
its members), with exact Shapley values over all 2⁹ sets of owners, summed over rounds, which nobody could have under
masks. Everybody evaluates on own rows that have right labels. A uniform split stands beside it: its cosine to the
truth is high though it says nothing, and its rank correlation is not defined.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from fl_node.round.shapley import shapley
from fl_node.secagg.modes.robust_groups import RobustGroups
from tests.adversary.attacks import ATTACKS
from tests.adversary.federation import LABELS, Floats, Labels, Setting, Shards, aggregated_in, local, losses, sent

OWNERS, GROUPS, EPOCH = 9, 3, 5
NOISES = {"none": 0.0, "mild": 0.04, "strong": 0.11}
"""Of the labels, how many more are wrong from one owner to the next."""

FAULTS = ("none", "free-rider", "label-flip", "sign-flip", "mimic", "alie", "adaptive")


def main(seeds: int = 5) -> None:
    """Print the table."""
    print(
        "| wrong labels | rounds | rho | top 3 found | cosine | cosine of a uniform split |\n|---|---|---|---|---|---|"
    )
    for name, noise in NOISES.items():
        runs = [measured(noise, seed) for seed in range(seeds)]
        for at, rounds in enumerate(range(10, 60, 20)):
            rho, top, cos, uniform = np.mean([run[at] for run in runs], axis=0)
            print(f"| {name} | {rounds} | {rho:.2f} | {top:.2f} of 3 | {cos:.2f} | {uniform:.2f} |", flush=True)
    print("\n| the best of nine becomes | owners above it, of 8, after 30 rounds |\n|---|---|")
    for attack, above in zip(FAULTS, np.mean([fallen(seed, FAULTS) for seed in range(seeds)], axis=0), strict=True):
        print(f"| {attack} | {above:.1f} |", flush=True)


def fallen(seed: int, attacks: Sequence[str]) -> list[float]:
    """Return for each attack how many owners stand above the best of all honest ones once it is the faulty one."""
    best = int(np.argmax(shares("none", seed, 0)))
    return [float((ours > ours[best]).sum()) for ours in (shares(attack, seed, best) for attack in attacks)]


def shares(attack: str, seed: int, faulty: int, most: int = 30) -> Floats:
    """Return the owners' shares by the ledger's rules after 30 rounds, with one of them faulty."""
    random, shards = np.random.default_rng(seed), Shards.deal(OWNERS, seed)
    half = shards.labels.shape[1] // 2
    held = shards.features[:, half:], shards.labels[:, half:]
    shards = replace(shards, features=shards.features[:, :half], labels=shards.labels[:, :half])
    setting = Setting(OWNERS, OWNERS // GROUPS, 1, RobustGroups(1), ATTACKS[attack], seed)
    ours = np.zeros(OWNERS)
    weights = np.zeros((shards.features.shape[2], LABELS))
    for number in range(most):
        if number % EPOCH == 0:
            groups = [np.sort(part) for part in np.array_split(random.permutation(OWNERS), GROUPS)]
        updates = sent(setting, shards, weights, np.array([faulty]), groups)
        for group, value in zip(groups, agreed(weights, updates, groups, held), strict=True):
            ours[group] += value
        weights = weights + aggregated_in(setting.mode, updates, groups).reshape(weights.shape)
    return ours


def agreed(weights: Floats, updates: Floats, groups: list[Labels], held: tuple[Floats, Labels]) -> list[float]:
    """Return the median over evaluating groups of each group's value."""
    words = said(weights, [updates[group].mean(axis=0) for group in groups], held)
    return [float(np.median([words[group].mean(axis=0)[at] for group in groups])) for at in range(len(groups))]


def measured(noise: float, seed: int, most: int = 50) -> list[tuple[float, float, float, float]]:
    """Return after 10, 30 and 50 rounds the rank correlation, hits among the best three, and both cosines."""
    random, shards = np.random.default_rng(seed), Shards.deal(OWNERS, seed)
    half = shards.labels.shape[1] // 2
    labels = shards.labels[:, :half].copy()
    for owner in range(OWNERS):
        wrong = random.random(half) < noise * owner
        labels[owner, wrong] = random.integers(0, LABELS, int(wrong.sum()))
    rows, held = shards.features[:, :half], (shards.features[:, half:], shards.labels[:, half:])
    weights, truth, ours = np.zeros((rows.shape[2], LABELS)), np.zeros(OWNERS), np.zeros(OWNERS)
    found: list[tuple[float, float, float, float]] = []
    for number in range(most):
        if number % EPOCH == 0:
            groups = [np.sort(part) for part in np.array_split(random.permutation(OWNERS), GROUPS)]
        updates = local(weights, rows, labels)
        for group, value in zip(groups, agreed(weights, updates, groups, held), strict=True):
            ours[group] += value
        truth += said(weights, list(updates), held).mean(axis=0)
        weights = weights + aggregated_in(RobustGroups(1), updates, groups).reshape(weights.shape)
        if number + 1 in {10, 30, 50}:
            found.append((spearman(ours, truth), hits(ours, truth), cos(ours, truth), cos(np.ones(OWNERS), truth)))
    return found


def said(weights: Floats, means: list[Floats], held: tuple[Floats, Labels]) -> Floats:
    """Return what each owner says of each player, [owners, players]; a set is the mean of its players' means."""
    players = len(means)
    utilities = np.empty((1 << players, OWNERS))
    for chosen in range(1 << players):
        some = [mean for at, mean in enumerate(means) if chosen >> at & 1]
        model = weights + np.mean(some, axis=0).reshape(weights.shape) if some else weights
        utilities[chosen] = -losses(model, *held)
    return np.array([shapley(utilities[:, owner].tolist(), players) for owner in range(OWNERS)])


def spearman(ours: Floats, truth: Floats) -> float:
    """Return the correlation of ranks, equal ones with their mean rank."""
    return float(np.corrcoef(ranks(ours), ranks(truth))[0, 1])


def ranks(values: Floats) -> Floats:
    """Return each value's rank."""
    return np.array([(values < one).sum() + (values == one).sum() / 2 for one in values])


def hits(ours: Floats, truth: Floats) -> int:
    """Return how many of the truth's best three are among ours."""
    return len(set(np.argsort(-ours)[:3].tolist()) & set(np.argsort(-truth)[:3].tolist()))


def cos(ours: Floats, truth: Floats) -> float:
    """Return the cosine of the angle between two splits."""
    return float(ours @ truth / (np.linalg.norm(ours) * np.linalg.norm(truth)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
