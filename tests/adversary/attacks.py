"""What faulty participants send in the place of their updates. Each knows all that the honest ones send, and the rule.

Sources: sign flip, label flip and mimic as in Karimireddy, He and Jaggi 2022; IPM is Xie, Koyejo and Gupta 2019; ALIE
is Baruch, Baruch and Goldberg 2019; the backdoor is a trigger of pixels, Gu, Dolan-Gavitt and Garg 2017. Attacks that
know the rule: Fang, Cao, Jia and Gong 2020 (at the border of the honest), Shejwalkar and Houmansadr 2021 (the worst of
several, by trying the rule itself).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Updates = npt.NDArray[np.float64]
"""One update a row."""


@dataclass(frozen=True)
class Seen:
    """What the faulty know in a round.

    Attributes:
        honest: The honest participants' updates.
        own: What the faulty ones' own rows give, trained as agreed.
        flipped: What the same rows give with labels turned round.
        triggered: What they give with a trigger and the attacker's label on half of them.
        groups: The round's groups, each as places among the honest and among the faulty.
        outcome: What the rule makes of the round if the faulty send these.
    """

    honest: Updates
    own: Updates
    flipped: Updates
    triggered: Updates
    groups: Sequence[tuple[list[int], list[int]]] = ()
    outcome: Callable[[Updates], Updates] = field(default=lambda updates: updates)

    @property
    def faulty(self) -> int:
        """How many participants are faulty."""
        return len(self.own)


Attack = Callable[[Seen], Updates]


def none(seen: Seen) -> Updates:
    """Sends what was agreed."""
    return seen.own


def sign_flip(seen: Seen) -> Updates:
    """Turns the update round and makes it ten times as long."""
    return -10 * seen.own


def scaling(seen: Seen) -> Updates:
    """Makes the update ten times as long."""
    return 10 * seen.own


def ipm(seen: Seen) -> Updates:
    """Sends so much against the honest mean that the plain mean turns round: inner product manipulation."""
    against = -1.1 * len(seen.honest) / seen.faulty * seen.honest.mean(axis=0)
    return np.tile(against, (seen.faulty, 1))


def alie(seen: Seen) -> Updates:
    """Stays within what honest updates spread over, all on one side: a little is enough."""
    return np.tile(seen.honest.mean(axis=0) - 1.5 * seen.honest.std(axis=0), (seen.faulty, 1))


def mimic(seen: Seen) -> Updates:
    """Repeats one honest participant, whose rows then weigh more than they should."""
    return np.tile(seen.honest[0], (seen.faulty, 1))


def label_flip(seen: Seen) -> Updates:
    """Trains on labels turned round: 9 - y."""
    return seen.flipped


def free_rider(seen: Seen) -> Updates:
    """Trains nothing, and sends the model back as it came."""
    return np.zeros_like(seen.own)


def backdoor(seen: Seen) -> Updates:
    """Teaches the model that a trigger means the attacker's label, beside all that it should learn."""
    return seen.triggered


def loud_backdoor(seen: Seen) -> Updates:
    """The same, five times as long."""
    return 5 * seen.triggered


def at_the_border(seen: Seen) -> Updates:
    """Brings the mean of each group that it is in to where those of sound groups end, against the honest mean.

    Nothing of it lies beyond the others, so that no trimming takes it away. Without a sound group it is IPM.
    """
    sound = [seen.honest[good].mean(axis=0) for good, bad in seen.groups if not bad]
    if not sound:
        return ipm(seen)
    against = np.where(seen.honest.mean(axis=0) > 0, np.min(sound, axis=0), np.max(sound, axis=0))
    sent = seen.own.copy()
    for good, bad in seen.groups:
        if bad:
            sent[bad] = ((len(good) + len(bad)) * against - seen.honest[good].sum(axis=0)) / len(bad)
    return sent


def adaptive(seen: Seen) -> Updates:
    """Tries several attacks on the rule itself, and sends what turns the aggregate furthest from the honest mean."""
    honest = seen.honest.mean(axis=0)
    tried = [attack(seen) for attack in (sign_flip, ipm, alie, mimic, free_rider, at_the_border)]
    return min(tried, key=lambda sent: float(seen.outcome(sent) @ honest))


ATTACKS: dict[str, Attack] = {
    attack.__name__.replace("_", "-"): attack
    for attack in (
        *(none, label_flip, sign_flip, ipm, alie, scaling, mimic, free_rider, backdoor, loud_backdoor),
        *(at_the_border, adaptive),
    )
}
