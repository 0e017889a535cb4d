"""Simulated trainings as the monitor sees them: groups of their own in every epoch, and figures of every round."""

from collections.abc import Iterator

import numpy as np

from audit.monitor.figures import cosine, figures
from audit.monitor.rules import look
from audit.monitor.seen import Attempt, Flag
from tests.adversary.federation import (
    LABELS,
    Floats,
    Setting,
    Updates,
    aggregated_in,
    group_means,
    losses,
    sent,
)

ROUNDS, EPOCH = 40, 10


def flagged(setting: Setting) -> tuple[list[Flag], set[str]]:
    """Return what the monitor says of a training, and who was faulty."""
    random = np.random.default_rng(1000 + setting.seed)
    bad = random.permutation(setting.participants)[: setting.faulty]
    return look(list(attempts(setting, random, bad))), {f"p{number:02}" for number in bad}


def attempts(setting: Setting, random: np.random.Generator, bad: Floats) -> Iterator[Attempt]:
    """Train, and yield the figures of every round."""
    shards, before = setting.shards, None
    weights = np.zeros((shards.features.shape[2], LABELS))
    names = [f"p{number:02}" for number in range(setting.participants)]
    for number in range(ROUNDS):
        if number % EPOCH == 0:
            order = random.permutation(setting.participants)
            groups = [np.sort(part) for part in np.array_split(order, setting.participants // setting.size)]
        updates: Updates = sent(setting, shards, weights, bad, groups)
        told = losses(weights, shards.features, shards.labels)
        whole = aggregated_in(setting.mode, updates, groups)
        members = [(place, tuple(names[one] for one in group)) for place, group in enumerate(groups)]
        yield Attempt(
            where=f"t/{number + 1}/1",
            epoch=number // EPOCH + 1,
            cohort=tuple(names),
            groups=figures(members, group_means(updates, groups), [float(told[group].mean()) for group in groups]),
            length=float(np.linalg.norm(whole)),
            turn=None if before is None else cosine(whole, before),
            loss=float(told.mean()),
        )
        before = whole
        weights = weights + whole.reshape(weights.shape)
