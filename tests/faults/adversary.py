"""What an attacker among nine nodes sends, by the programs of `tests/adversary`, and what a robust round makes of it.

Each honest update is one number in every value slot. The attacker knows all numbers, the groups, and the rule.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from fl_node.secagg.modes.robust_groups import RobustGroups
from tests.adversary.attacks import ATTACKS, Seen, Updates
from tests.adversary.federation import aggregated_in

NAMES = tuple(f"hospital-{letter}" for letter in "abcdefghi")
NUMBERS: Mapping[str, int] = {name: number for number, name in enumerate(NAMES, 1)}
MIDDLE = 200
"""What stands for zero in a slot of a plan whose name says "from-the-middle"."""
LARGEST = 9
TRIGGER = slice(0, 8)
"""The slots in which a backdoor wants the largest number."""
FAR = 9

Groups = Sequence[Sequence[str]]


def update(attack: str, attacker: str, groups: Groups, slots: int) -> Updates:
    """Return what the attacker sends, in whole numbers from zero on, [slots]."""
    seen = _seen(attacker, groups, slots)
    return np.rint(ATTACKS[attack](seen)[0]).astype(np.int64)


def _seen(attacker: str, groups: Groups, slots: int) -> Seen:
    honest = [name for name in NAMES if name != attacker]
    rows = np.array([np.full(slots, float(NUMBERS[name])) for name in NAMES])
    own, at = rows[NAMES.index(attacker)], NAMES.index(attacker)
    triggered = own.copy()
    triggered[TRIGGER] = LARGEST
    places = [
        ([honest.index(name) for name in group if name != attacker], [0] * (attacker in group)) for group in groups
    ]
    order = [np.array([NAMES.index(name) for name in group]) for group in groups]

    def outcome(faulty: Updates) -> Updates:
        changed = rows.copy()
        changed[at] = faulty[0]
        return aggregated_in(RobustGroups(1), changed, order)

    return Seen(
        np.delete(rows, at, axis=0),
        own[np.newaxis],
        (LARGEST - own)[np.newaxis],
        triggered[np.newaxis],
        places,
        outcome,
    )


def means(attack: str, attacker: str, groups: Groups, slots: int) -> Updates:
    """Return each group's mean if the attacker does so, [groups, slots]."""
    sent = {name: np.full(slots, float(NUMBERS[name])) for name in NAMES}
    sent[attacker] = update(attack, attacker, groups, slots).astype(float)
    return np.array([np.mean([sent[name] for name in group], axis=0) for group in groups])


def far(of: Updates, bound: float = FAR) -> set[int]:
    """Return which of the groups the bound leaves out, in numbers with a fraction: a reading of its own."""
    square = ((of - np.median(of, axis=0)) ** 2).sum(axis=1)
    return {at for at, one in enumerate(square) if one > bound * np.sort(square)[(len(of) - 1) // 2]}
