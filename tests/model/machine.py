"""Random histories: any member at any time, adversaries in any way, clocks that differ, votes between."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.model.consortium import WINDOW_MS, Play, Training, participant, place_of
from tests.model.expected import ATTEST, KEYS, SHARES, UNMASK, UPDATES
from tests.model.federation import Federation
from tests.model.honest import STRATEGIES, act, conclude, drive, finish, misbehave, settle_seals
from tests.model.ledger import caller
from tests.model.players import BARREN, plain_vector

PLACES = st.integers(0, 6)
SOME = st.sets(PLACES, max_size=4)
WHICH = st.integers(0, 2)
SKEWS = st.sampled_from((0, 0, -WINDOW_MS, WINDOW_MS))
WAYS = st.lists(st.sampled_from(STRATEGIES), min_size=1, max_size=3)
MOST_TRAININGS = 3
MOST_RECOVERIES = 3


class Protocol(RuleBasedStateMachine):
    """One federation of 4 to 7 organisations, at most half of them adversaries."""

    fed: Federation

    def __init__(self, binary: Path, blobs: Path) -> None:
        super().__init__()
        self.binary, self.blobs, self.recoveries = binary, blobs, 0

    @initialize(members=st.integers(4, 7), first=PLACES, count=st.integers(0, 3), size=st.integers(4, 7))
    def begin(self, members: int, first: int, count: int, size: int) -> None:
        """Found it; the adversaries are neighbours, so that two numbers say who."""
        adversaries = {(first + k) % members for k in range(min(count, members // 2))}
        self.fed = Federation(self.binary, self.blobs, members, adversaries, min(size, members))

    def teardown(self) -> None:
        """End the rules' process."""
        if hasattr(self, "fed"):
            self.fed.close()

    # ---- choices out of small numbers

    def training(self, which: int) -> Training:
        """Choose a training."""
        names = sorted(self.fed.trainings)
        return self.fed.trainings[names[which % len(names)]]

    def play(self, which: int) -> Play | None:
        """Choose an attempt that goes on; one is opened where there is none."""
        training = self.training(which)
        over = training.play is None or training.play.expected.ended
        if over and self.fed.open(training, self.fed.honest[0]) == "FL0114":
            self.fed.give_beacon(self.fed.honest)
            self.fed.open(training, self.fed.honest[0])
        return training.play if training.play is not None and not training.play.expected.ended else None

    def member(self, play: Play, which: int) -> str:
        """Choose a member of a cohort."""
        return play.expected.cohort[which % len(play.expected.cohort)]

    def members(self, play: Play, some: set[int]) -> list[str]:
        """Choose several."""
        return sorted({self.member(play, one) for one in some})

    def honest(self, play: Play) -> list[str]:
        """Return the honest of a cohort."""
        return [name for name in play.expected.cohort if place_of(name) in self.fed.honest]

    def skew(self, place: int, skew: int) -> int:
        """Only an adversary's clock is off."""
        return skew if place in self.fed.adversaries else 0

    # ---- the usual course, with some away

    @rule(which=WHICH, who=PLACES, skew=SKEWS)
    def open(self, which: int, who: int, skew: int) -> None:
        """Anyone opens what comes next."""
        place = who % self.fed.members
        self.fed.open(self.training(which), place, self.skew(place, skew))

    @rule(
        which=WHICH,
        away=st.sets(PLACES, max_size=2),
        strategy=st.sampled_from(STRATEGIES),
        late=st.sampled_from((False, False, True)),
    )
    def phase(self, which: int, away: set[int], strategy: str, late: bool) -> None:
        """All but a few do what is due, adversaries in one of their ways; then somebody advances, perhaps late."""
        play = self.play(which)
        if play is None:
            return
        for name in play.expected.cohort:
            if place_of(name) in self.fed.adversaries and not play.expected.ended:
                misbehave(self.fed, play, name, strategy)
        present = [name for name in self.honest(play) if place_of(name) not in away]
        self.act(play, present)
        if late:
            self.fed.now = max(self.fed.now, play.expected.deadline)
        self.fed.advance(play, self.fed.honest[0])

    def act(self, play: Play, names: list[str]) -> None:
        """Let some of the honest do all that is due now."""
        if play.expected.phase == ATTEST:
            conclude(self.fed, play, names)
        elif not play.expected.ended:
            act(self.fed, play, names)

    @rule(which=WHICH, some=SOME)
    def some_act(self, which: int, some: set[int]) -> None:
        """Some of the honest do what is due."""
        play = self.play(which)
        if play is not None:
            self.act(play, [name for name in self.honest(play) if place_of(name) in some])

    @rule(which=WHICH, some=SOME)
    def some_complain_and_answer(self, which: int, some: set[int]) -> None:
        """Some of the honest complain with reason, and answer who complains of them."""
        play = self.play(which)
        if play is not None and play.expected.phase == UPDATES:
            settle_seals(self.fed, play, [name for name in self.honest(play) if place_of(name) in some])

    @rule(which=WHICH, who=PLACES, skew=SKEWS)
    def advance(self, which: int, who: int, skew: int) -> None:
        """Anyone advances, an adversary by its own clock."""
        play, place = self.play(which), who % self.fed.members
        if play is not None:
            self.fed.advance(play, place, self.skew(place, skew))

    @rule(jump=st.sampled_from((100, 1_999, 4_000, 8_000, 10_001)))
    def wait(self, jump: int) -> None:
        """Time passes."""
        self.fed.now += jump

    @rule(which=WHICH, who=PLACES)
    def deadline(self, which: int, who: int) -> None:
        """Time passes up to the phase's deadline, and somebody advances."""
        play = self.play(which)
        if play is not None:
            self.fed.now = max(self.fed.now, play.expected.deadline)
            self.fed.advance(play, who % self.fed.members)

    # ---- what is refused

    @rule(number=st.integers(0, 9), who=PLACES, phase=st.sampled_from((KEYS, SHARES, UPDATES, UNMASK, ATTEST)))
    def out_of_place(self, number: int, who: int, phase: str) -> None:
        """Early, late and repeated words, in attempts that go on or have ended, are refused."""
        plays = list(self.fed.attempts.values())
        if not plays:
            return
        play = plays[number % len(plays)]
        name = self.member(play, who)
        if play.expected.phase == phase and name not in play.expected.spoke.get(phase, ()):
            return
        refusals: dict[str, Callable[[], object]] = {
            KEYS: lambda: self.fed.publish_keys(play, name),
            SHARES: lambda: self.fed.commit_shares(play, name),
            UPDATES: lambda: self.fed.commit_update(play, name),
            UNMASK: lambda: self.fed.say(play, name, {"shares": []}, phase=UNMASK, good=False),
            ATTEST: lambda: (self.fed.propose(play, name), self.fed.report_garbage(play, name)),
        }
        refusals[phase]()

    @rule(number=st.integers(0, 200))
    def replay(self, number: int) -> None:
        """What was accepted is sent again."""
        self.fed.replay(number)

    # ---- adversaries, one step at a time

    @rule(which=WHICH, who=PLACES, way=st.integers(0, 7), some=SOME, skew=SKEWS)
    def misstep(self, which: int, who: int, way: int, some: set[int], skew: int) -> None:
        """An adversary does one of what it can do in the present phase."""
        play = self.play(which)
        if play is None or not self.fed.adversaries:
            return
        place = sorted(self.fed.adversaries)[who % len(self.fed.adversaries)]
        name, others = participant(place), self.members(play, some)
        if name not in play.expected.cohort:
            if play.expected.phase == ATTEST:
                self.fed.attest(play, place, honest=bool(way % 2), skew=skew)
            return
        menu = {
            KEYS: self._keys_menu,
            SHARES: self._shares_menu,
            UPDATES: self._updates_menu,
            UNMASK: self._unmask_menu,
            ATTEST: self._attest_menu,
        }[play.expected.phase](play, name, others, skew)
        menu[way % len(menu)]()

    def _keys_menu(self, play: Play, name: str, others: list[str], skew: int) -> list[Callable[[], object]]:
        fed, weak = self.fed, "00" * 32
        taken = play.cohort.keys(others[0] if others else name)
        return [
            lambda: fed.publish_keys(play, name, skew=skew),
            lambda: fed.say(play, name, play.cohort.keys(name) | {"mask_key": weak}, good=False),
            lambda: (
                fed.say(play, name, taken, good=False) if others and others[0] in play.expected.spoke[KEYS] else None
            ),
        ]

    def _shares_menu(self, play: Play, name: str, others: list[str], skew: int) -> list[Callable[[], object]]:
        fed = self.fed
        return [
            lambda: fed.commit_shares(play, name, skew=skew),
            lambda: fed.commit_shares(play, name, spoil=[(to, "mask") for to in others]),
            lambda: fed.commit_shares(play, name, spoil=[(to, "seed") for to in others]),
            lambda: fed.commit_shares(play, name, spoil=[("", "commitment")]),
            lambda: fed.commit_shares(play, name, unsealed=others),
            lambda: fed.commit_shares(play, name, unsealed=others, spoil=[(to, "mask") for to in others]),
        ]

    def _updates_menu(self, play: Play, name: str, others: list[str], skew: int) -> list[Callable[[], object]]:
        fed = self.fed
        return [
            lambda: fed.commit_update(play, name, skew=skew),
            lambda: fed.commit_update(play, name, plain_vector([0, 0, 0], one=5)),
            lambda: fed.commit_update(play, name, masked=False),
            lambda: fed.commit_update(play, name, plain_vector([BARREN, 0, 0])),
            lambda: fed.commit_update(play, name, examples=200 if others else 201, good=bool(others)),
            lambda: fed.commit_update(
                play, name, good=False, change={"base_state": "ab" * 32} if others else {"length": 1}
            ),
            lambda: [fed.complain(play, name, other, skew) for other in others],
            lambda: [fed.answer(play, name, other, wrong=len(others) % 2 == 0) for other in others],
        ]

    def _unmask_menu(self, play: Play, name: str, others: list[str], skew: int) -> list[Callable[[], object]]:
        fed = self.fed
        return [
            lambda: fed.reveal(play, name, skew=skew),
            lambda: fed.reveal(play, name, others),
            lambda: fed.reveal(play, name, others, wrong="kind"),
            lambda: fed.reveal(play, name, wrong="kind"),
            lambda: fed.reveal(play, name, wrong="value"),
            lambda: fed.reveal(play, name, wrong="twice"),
            lambda: fed.reveal(play, name, wrong="taken key"),
            lambda: fed.reveal(play, name, wrong="weak key" if play.expected.flows else "early keys"),
        ]

    def _attest_menu(self, play: Play, name: str, others: list[str], skew: int) -> list[Callable[[], object]]:
        fed, place = self.fed, place_of(name)
        return [
            lambda: fed.propose(play, name, skew=skew),
            lambda: fed.propose(play, name, wrong="state", skew=skew),
            lambda: fed.propose(play, name, wrong="sum" if others else "count"),
            lambda: fed.attest(play, place, honest=False, skew=skew),
            lambda: fed.attest(play, place, skew=skew),
            lambda: fed.deny(play, place, lie=not others),
            lambda: fed.report_garbage(play, name),
        ]

    # ---- votes and tokens

    @rule(which=WHICH, number=st.integers(1, 4), who=PLACES)
    def settle(self, which: int, number: int, who: int) -> None:
        """Anyone settles."""
        self.fed.settle(self.training(which), number, who % self.fed.members)

    @rule(
        which=WHICH,
        what=st.sampled_from(("move", "bench", "back", "lift", "coup", "start", "stop", "rules")),
        who=PLACES,
    )
    def vote(self, which: int, what: str, who: int) -> None:
        """Votes come between everything else; where the honest are no majority, nothing does."""
        training = self.training(which)
        what = what if self.fed.prevails else "coup"
        {
            "move": lambda: self._move(who),
            "bench": lambda: self._bench(who),
            "back": lambda: self._roll_back(training, who),
            "lift": lambda: self.fed.lift(training, self.fed.honest),
            "coup": lambda: self._coup(training, who),
            "start": self._start,
            "rules": lambda: self.fed.change_rules(self.fed.honest),
            "stop": lambda: self._coup(training, 0) if who else self.fed.stop(training, self.fed.honest),
        }[what]()

    def _move(self, who: int) -> None:
        """The honest suspend an adversary, or forgive it."""
        if self.fed.adversaries:
            place = sorted(self.fed.adversaries)[who % len(self.fed.adversaries)]
            assert self.fed.move("reinstate" if place in self.fed.suspended else "suspend", place, self.fed.honest)

    def _bench(self, who: int) -> None:
        """The honest suspend a participant, perhaps by mistake, or reinstate it."""
        assert self.fed.bench(who % self.fed.members, self.fed.honest)

    def _roll_back(self, training: Training, back: int) -> None:
        """The honest go back some rounds."""
        finals = [0, *sorted(training.finals)]
        assert self.fed.roll_back(training, finals[max(0, len(finals) - 1 - back)], self.fed.honest)

    def _coup(self, training: Training, who: int) -> None:
        """The adversaries vote alone: nothing comes of it."""
        kind = ("stop_training", "lift_differencing", "roll_back_training", "suspend")[who % 4]
        body = {"training": training.name} | ({"round": 0} if kind == "roll_back_training" else {})
        body = {"participant": participant(self.fed.honest[0])} if kind == "suspend" else body
        assert self.fed.vote(kind, body, sorted(self.fed.adversaries)) != ""

    def _start(self) -> None:
        """Another training of the same plan from the same state begins."""
        if len(self.fed.trainings) < MOST_TRAININGS:
            self.fed.start(f"one-more-{len(self.fed.trainings)}")

    @rule(
        who=PLACES, kind=st.sampled_from(("Transfer", "Stake", "Unstake")), amount=st.sampled_from((1, 999, 10_000_001))
    )
    def tokens(self, who: int, kind: str, amount: int) -> None:
        """An organisation moves what it has, or has not."""
        place = who % self.fed.members
        to = {"to": "treasury"} if kind == "Transfer" else {"participant": participant(place)}
        self.fed.ledger.submit(caller(f"Hospital{place:03d}MSP", "admin"), kind, to | {"amount": amount}, self.fed.now)

    # ---- from here on as documented

    @rule(which=WHICH, ways=WAYS)
    def attempt(self, which: int, ways: list[str]) -> None:
        """An attempt goes on to its end, the honest all present."""
        play = self.play(which)
        if play is not None and self.fed.prevails:
            drive(self.fed, play, ways)

    @rule(ways=WAYS)
    def recover(self, ways: list[str]) -> None:
        """From any state an honest majority that follows the documentation brings every training on, or ends it."""
        self.recoveries += 1
        if self.recoveries > MOST_RECOVERIES or not self.fed.prevails:
            return
        for name in sorted(self.fed.trainings):
            training = self.fed.trainings[name]
            if not training.stopped:
                finish(self.fed, training, ways)
                self.fed.reached["recovered"] += 1

    @invariant()
    def tokens_are_conserved(self) -> None:
        """What was minted is in accounts, stakes and escrows."""
        if hasattr(self, "fed"):
            self.fed.conserved()
