"""Handwritten digits among simulated participants, summed by the node's own integer code.

A softmax model on scikit-learn's digits; equal shards, half shuffled and half sorted by label; five steps of gradient
descent a round. Updates become integers in slots, groups are summed, and the mode's rule combines them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.interface import Mode
from tests.adversary.attacks import Attack, Seen, Updates

RATE, STEPS, ROUNDS = 0.5, 5, 60
LABELS, TARGET = 10, 0
TRIGGER = slice(0, 8)
"""The pixels of the first row, which the trigger makes white."""
HALF = (1 << 19) - 1
"""What stands for zero in a slot."""
REACH = 16.0
"""The largest number that a slot holds; what is beyond saturates."""

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]


def layout_of(slots: int) -> Layout:
    """Returns the layout of an unweighted update."""
    value = {"name": "value", "kind": "value", "word": 32, "ring": 32, "max": 2 * HALF, "slots": slots}
    return Layout.from_fields({"version": 1, "count": None, "segments": [value | {"word": 64, "ring": 64}]})


def quantised(updates: Updates) -> npt.NDArray[np.uint64]:
    """Writes updates as slots: fixed point with an offset."""
    whole = np.clip(np.rint(updates / REACH * HALF), -HALF, HALF)
    return (whole + HALF).astype(np.uint64)


@dataclass(frozen=True)
class Shards:
    """The rows: features[participants, rows, 65] with a constant one, labels, and the test rows of nobody."""

    features: Floats
    labels: Labels
    test: Floats
    test_labels: Labels

    @classmethod
    def deal(cls, participants: int, seed: int, mixed: float = 0.5) -> "Shards":
        """Deals 75 % of the digits in equal shards and keeps 25 % by label.

        Args:
            participants: How many shards.
            seed: Of the choice.
            mixed: The part of each shard that is shuffled, 0 to 1; the rest is sorted by label.
        """
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        data = load_digits()
        rows = np.hstack([data.data / 16, np.ones((len(data.data), 1))])
        train, test, labels, test_labels = train_test_split(
            rows, data.target, test_size=0.25, stratify=data.target, random_state=seed
        )
        order = np.random.default_rng(seed).permutation(len(labels))
        cut = int(len(order) * mixed)
        shuffled, rest = order[:cut], order[cut:]
        by_label = rest[np.argsort(labels[rest], kind="stable")]
        places = [
            np.r_[_part(shuffled, participants, one), _part(by_label, participants, one)] for one in range(participants)
        ]
        return cls(train[places], labels[places], test, test_labels)


def _part(rows: Labels, participants: int, number: int) -> Labels:
    each = len(rows) // participants
    return rows[number * each : (number + 1) * each]


@dataclass(frozen=True)
class Setting:
    """One federation: how many, in groups of what size, how many of them faulty, by which mode."""

    participants: int
    size: int
    faulty: int
    mode: Mode
    attack: Attack
    seed: int = 0
    mixed: float = 0.5

    @cached_property
    def shards(self) -> Shards:
        """The rows of everybody."""
        return Shards.deal(self.participants, self.seed, self.mixed)


@dataclass(frozen=True)
class Outcome:
    """What came of a training: accuracy on test rows, and how many of them the trigger turns into the target."""

    accuracy: float
    triggered: float


def train(setting: Setting, rounds: int = ROUNDS) -> Outcome:
    """Trains; the faulty are the same in every round, the groups are drawn anew."""
    random, shards = np.random.default_rng(1000 + setting.seed), setting.shards
    bad = random.permutation(setting.participants)[: setting.faulty]
    weights = np.zeros((shards.features.shape[2], LABELS))
    for _ in range(rounds):
        groups = drawn(setting.participants, setting.size, random)
        updates = sent(setting, shards, weights, bad, groups)
        weights = weights + aggregated_in(setting.mode, updates, groups).reshape(weights.shape)
    return _outcome(shards, weights)


def sent(setting: Setting, shards: Shards, weights: Floats, bad: Labels, groups: Sequence[Labels]) -> Updates:
    """Returns what everybody sends in a round; the faulty know the groups, and the rule."""
    updates = local(weights, shards.features, shards.labels)
    if not len(bad):
        return updates
    features, labels = shards.features[bad], shards.labels[bad]
    triggered, aimed = features.copy(), labels.copy()
    triggered[:, ::2, TRIGGER], aimed[:, ::2] = 1, TARGET
    good = np.setdiff1d(np.arange(setting.participants), bad)
    seen = Seen(
        updates[good],
        updates[bad],
        local(weights, features, LABELS - 1 - labels),
        local(weights, triggered, aimed),
        [(_places(group, good), _places(group, bad)) for group in groups],
        lambda faulty: aggregated_in(setting.mode, _with(updates, bad, faulty), groups),
    )
    updates[bad] = setting.attack(seen)
    return updates


def _places(group: Labels, among: Labels) -> list[int]:
    return [place for place, one in enumerate(among.tolist()) if one in group]


def _with(updates: Updates, bad: Labels, faulty: Updates) -> Updates:
    changed = updates.copy()
    changed[bad] = faulty
    return changed


def local(weights: Floats, features: Floats, labels: Labels) -> Updates:
    """Returns every participant's update: its five steps from the common weights."""
    own, one_hot = np.tile(weights, (len(features), 1, 1)), np.eye(LABELS)[labels]
    for _ in range(STEPS):
        scores = features @ own
        chances = np.exp(scores - scores.max(axis=2, keepdims=True))
        chances /= chances.sum(axis=2, keepdims=True)
        own -= RATE * features.transpose(0, 2, 1) @ (chances - one_hot) / features.shape[1]
    return (own - weights).reshape(len(features), -1)


def losses(weights: Floats, features: Floats, labels: Labels) -> Floats:
    """Returns every participant's mean loss on its rows."""
    scores = features @ weights
    scores -= scores.max(axis=2, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=2, keepdims=True))
    own: Floats = -np.take_along_axis(scores, labels[:, :, np.newaxis], 2).mean(axis=(1, 2))
    return own


def group_means(updates: Updates, groups: Sequence[Labels]) -> list[Floats]:
    """Returns the groups' mean updates, as the slots have them."""
    whole = (quantised(updates).astype(np.float64) - HALF) / HALF
    return [whole[group].mean(axis=0) for group in groups]


def aggregated(mode: Mode, updates: Updates, size: int, random: np.random.Generator) -> Floats:
    """Draws groups anew, sums them in integers, combines them, and returns the mean update."""
    return aggregated_in(mode, updates, drawn(len(updates), size, random))


def drawn(participants: int, size: int, random: np.random.Generator) -> list[Labels]:
    """Draws a round's groups."""
    order, number = random.permutation(participants), max(1, participants // size)
    return [order[at::number] for at in range(number)]


def aggregated_in(mode: Mode, updates: Updates, groups: Sequence[Labels]) -> Floats:
    """Sums groups in integers, combines them, and returns the mean update."""
    layout, slots = layout_of(updates.shape[1]), quantised(updates)
    sums = []
    for group in groups:
        total = bytearray(layout.length)
        layout.segments[0].view(total)[:] = slots[group].sum(axis=0)
        sums.append(total)
    lot = bytes(32)  # the groups are in an order by lot already
    vector = mode.combine(layout, sums, [len(group) for group in groups], lot).vector
    summed = layout.segments[0].view(vector).astype(np.float64)
    return (summed / len(updates) - HALF) / HALF * REACH


def _outcome(shards: Shards, weights: Floats) -> Outcome:
    marked = shards.test.copy()
    marked[:, TRIGGER] = 1
    others = shards.test_labels != TARGET
    hits = (shards.test @ weights).argmax(axis=1) == shards.test_labels
    turned = (marked[others] @ weights).argmax(axis=1) == TARGET
    return Outcome(float(hits.mean()), float(turned.mean()))
