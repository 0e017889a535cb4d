"""The monitor's rules: from the figures of a training's attempts to flags. Pure; docs/monitoring.md has their rates.

A group has to be unlike the rest in most of a run of rounds before it is flagged: single rounds of honest participants
whose rows differ are often strange. The limits are set so that honest trainings are seldom flagged
(`benchmarks/monitor.py` measures how seldom, and which attacks are seen).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from audit.monitor.seen import Attempt, Flag, Group


@dataclass(frozen=True)
class Limits:
    """From where on a figure is strange.

    Attributes:
        run: Over how many of a group's successive rounds it is looked at.
        often: In how many of them it has to be strange.
        distance: Of `Group.distance`.
        norm: Of `Group.norm`, or of its reverse.
        opposed: Of `Group.cosine`, from above: such a group pulls against the others.
        loss: Of `Group.loss`, or of its reverse.
        chance: How unlikely it has to be that a participant as punctual as the others is late as often.
        again: How unlikely it has to be that who is drawn by lot is in strange groups of so many epochs.
        change: Of declared rows to the participant's own median, or the reverse.
        growth: Of the whole update's length, or of the published loss, to the median of the run before.
        turned: Of the cosine to the whole update before, below which the training turned round.
    """

    run: int = 4
    often: int = 3
    distance: float = 2.25
    norm: float = 2.25
    opposed: float = 0.0
    loss: float = 2.25
    chance: float = 1e-4
    again: float = 0.02
    change: float = 1.5
    growth: float = 4.0
    turned: float = -0.5


LIMITS: Final = Limits()
Figure = Callable[[Group], float | None]
PUNCTUAL: Final = 0.02
"""How often anybody may be late, as little as others may be: a machine is restarted now and then."""
FACTS: Final = {
    "count-mismatch": "the counted rows do not fit those that were declared",
    "refused-payload": "endorsers refused what it signed",
    "refuted-aggregate": "a majority refuted its result",
    "contradiction": "its organisation contradicted itself",
}
"""The ledger's own flags that show an inconsistency: they are proven there, and are repeated here."""


def look(attempts: Sequence[Attempt], ledger: Sequence[Mapping[str, str]] = (), limits: Limits = LIMITS) -> list[Flag]:
    """Returns the flags of one training.

    Args:
        attempts: In their order.
        ledger: The ledger's own flags of this training: `where`, `kind`, `participant`, `detail`.
        limits: From where on a figure is strange.
    """
    groups = [
        *_groups("outlying", "lies far from the others' means", attempts, limits, _distance(limits)),
        *_groups("norm", "has updates of another length than the others'", attempts, limits, _norm(limits)),
        *_groups("opposed", "pulls against the others", attempts, limits, _opposed(limits)),
        *_groups("loss", "has a training loss unlike the others'", attempts, limits, _loss(limits)),
    ]
    return [
        *_late(attempts, limits),
        *_inconsistent(attempts, ledger, limits),
        *(flag for _, flag in groups),
        *_repeated(groups, attempts, limits),
        *_drift(attempts, limits),
    ]


def _late(attempts: Sequence[Attempt], limits: Limits) -> Iterator[Flag]:
    drawn = Counter(name for one in attempts for name in one.cohort)
    missed: dict[str, list[str]] = defaultdict(list)
    for one in attempts:
        for name in one.late:
            missed[name].append(one.where)
    for name, where in sorted(missed.items()):
        others = sum(drawn.values()) - drawn[name]
        rate = max(PUNCTUAL, (sum(map(len, missed.values())) - len(where) + 1) / (others + 2))
        if _at_least(len(where), drawn[name], rate) < limits.chance:
            text = f"{name} was late in {len(where)} of {drawn[name]} attempts, the others in {rate:.0%}"
            yield Flag("late", (name,), dict.fromkeys(where, 1.0), text, _suspend(name))


def _at_least(times: int, trials: int, rate: float) -> float:
    """How likely so many or more of the trials are, each by itself: the binomial's upper tail."""
    return math.fsum(math.comb(trials, k) * rate**k * (1 - rate) ** (trials - k) for k in range(times, trials + 1))


def _inconsistent(attempts: Sequence[Attempt], ledger: Iterable[Mapping[str, str]], limits: Limits) -> Iterator[Flag]:
    for fact in ledger:
        if fact["kind"] in FACTS:
            about = (fact["participant"],) if fact["participant"] else ()
            text = f"{FACTS[fact['kind']]}: {fact['detail']}"
            yield Flag("inconsistent", about, {fact["where"]: 1.0}, text, _suspend(*about) if about else "")
    declared: dict[str, dict[str, int]] = defaultdict(dict)
    for one in attempts:
        for name, rows in one.declared.items():
            declared[name][one.where] = rows
    for name, told in sorted(declared.items()):
        usual = median(told.values())
        strange = {where: rows / usual for where, rows in told.items() if usual and _apart(rows, usual, limits.change)}
        if strange:
            text = f"{name} declared {min(told.values())} to {max(told.values())} rows, mostly {usual:g}"
            yield Flag("inconsistent", (name,), strange, f"{text}: ask for its rows to be vetted anew")


def _apart(value: float, usual: float, factor: float) -> bool:
    return value > usual * factor or value * factor < usual


def _distance(limits: Limits) -> Figure:
    return lambda group: group.distance if group.distance > limits.distance else None


def _norm(limits: Limits) -> Figure:
    return lambda group: group.norm if _apart(group.norm, 1.0, limits.norm) else None


def _opposed(limits: Limits) -> Figure:
    return lambda group: group.cosine if group.cosine < limits.opposed else None


def _loss(limits: Limits) -> Figure:
    return lambda group: group.loss if group.loss is not None and _apart(group.loss, 1.0, limits.loss) else None


def _groups(
    kind: str, what: str, attempts: Sequence[Attempt], limits: Limits, strange: Figure
) -> Iterator[tuple[int, Flag]]:
    """Yields an epoch and a flag for each group that is strange in most of a run of its rounds."""
    rounds: dict[tuple[int, int, str], list[tuple[str, Group]]] = defaultdict(list)
    for one in attempts:
        for group in one.groups:
            key = (one.epoch, -1, group.members[0]) if one.shown else (one.epoch, group.place, "")
            rounds[key].append((one.where, group))
    for (epoch, place, alone), seen in sorted(rounds.items()):
        found = [(where, strange(group)) for where, group in seen]
        runs = [found[at : at + limits.run] for at in range(max(1, len(found) - limits.run + 1))]
        if not any(sum(value is not None for _, value in run) >= limits.often for run in runs):
            continue
        evidence = {where: value for where, value in found if value is not None}
        members = tuple(sorted({name for _, group in seen for name in group.members}))
        often = f"in {len(evidence)} of {len(found)} rounds"
        if alone:
            yield epoch, Flag(kind, members, evidence, f"{alone} {what} {often} of epoch {epoch}", _suspend(alone))
        else:
            text = f"group {place} of epoch {epoch} {what} {often}; which of its members, no sum tells"
            yield epoch, Flag(kind, members, evidence, f"{text}: {', '.join(members)}")


def _repeated(groups: Sequence[tuple[int, Flag]], attempts: Sequence[Attempt], limits: Limits) -> Iterator[Flag]:
    """Yields who was in strange groups of more epochs than the lot would bring about."""
    strange: dict[int, set[str]] = {one.epoch: set() for one in attempts if one.groups}
    drawn = {one.epoch: {name for group in one.groups for name in group.members} for one in attempts if one.groups}
    for epoch, flag in groups:
        strange[epoch].update(flag.about)
    shares = [len(strange[epoch]) / len(drawn[epoch]) for epoch in strange]
    for name in sorted(set().union(*strange.values())):
        times = sum(name in names for names in strange.values())
        if times > 1 and _of_several(shares, times) < limits.again:
            evidence = {
                where: value for _, flag in groups if name in flag.about for where, value in flag.evidence.items()
            }
            text = f"{name} was in a strange group in {times} of {len(shares)} epochs, each with groups drawn anew"
            yield Flag("repeated", (name,), evidence, text, _suspend(name))


def _of_several(chances: Sequence[float], times: int) -> float:
    """How likely so many or more of several events are, each with its own chance."""
    exactly = [1.0]
    for chance in chances:
        without, with_it = [*exactly, 0.0], [0.0, *exactly]
        exactly = [a * (1 - chance) + b * chance for a, b in zip(without, with_it, strict=True)]
    return math.fsum(exactly[times:])


def _length(one: Attempt) -> float | None:
    return one.length


def _published(one: Attempt) -> float | None:
    return one.loss


def _drift(attempts: Sequence[Attempt], limits: Limits) -> Iterator[Flag]:
    for what, figure in (
        ("the whole update is longer than before", _length),
        ("the published loss is larger than before", _published),
    ):
        known = [(one.where, value) for one in attempts if (value := figure(one)) is not None]
        strange = {}
        for at in range(limits.run, len(known)):
            before = median(value for _, value in known[at - limits.run : at])
            where, value = known[at]
            if before > 0 and value > limits.growth * before:
                strange[where] = value / before
        if strange:
            yield Flag("drift", (), strange, f"{what} by more than {limits.growth:g} times", _back(next(iter(strange))))
    turns = {one.where: one.turn for one in attempts if one.turn is not None and one.turn < limits.turned}
    if len(turns) >= limits.often:
        text = "the training turned round again and again"
        yield Flag("drift", (), turns, text, _back(next(iter(turns))))


def _suspend(name: str) -> str:
    return f"fedledger proposal create suspend participant={name}"


def _back(where: str) -> str:
    training, number, _ = where.rsplit("/", 2)
    return f"fedledger proposal create roll_back_training training={training} round={int(number) - 1}"
