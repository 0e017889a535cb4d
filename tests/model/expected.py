"""What the documentation promises of one attempt, as a small state machine of its own.

Written from docs/life-of-a-round.md and docs/threat-model.md, in sets and counts only: no cryptography, no ledger. The
tests hold the real rules against it, step by step.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

KEYS, SHARES, UPDATES, UNMASK, ATTEST, FINAL, VOID = "Keys", "Shares", "Updates", "Unmask", "Attest", "Final", "Void"
SPEAK = {KEYS: "PublishKeys", SHARES: "CommitShares", UPDATES: "CommitUpdate", UNMASK: "RevealShares"}
LENGTH = {KEYS: 8_000, SHARES: 8_000, UPDATES: 30_000, UNMASK: 8_000, ATTEST: 15_000}
LEASE = 10_000
SHARE_LIMIT = 0.7
SMALLEST_DIFFERENCE = 3
FLOOR = 3


def majority(voters: int) -> int:
    """Return the smallest count that is more than half."""
    return voters // 2 + 1


@dataclass
class Complaint:
    """A member's word against a dealer, and whether the dealer has answered it."""

    at_ms: int
    answered: bool = False


@dataclass
class Attempt:
    """One attempt of one round, as everybody could keep it from the committed transactions.

    Attributes:
        flows: By version 2 of the rules: a phase but Updates and Attest is over when everybody due has spoken.
        spoke: Who has spoken in each phase.
        last: When somebody due in the present phase last spoke, at least when the phase began.
        verdicts, agreed: Of the open proposal; of the latest, closed or not.
        denials: The sums of which organisations say that no state follows.
        dealers: Of each dealer, the receivers whose share of a kind is wrong; "commitment" stands for a false seed.
        missed: Those that did not do what was due before it was over.
    """

    name: tuple[str, int, int]
    base: str
    epoch: int
    cohort: tuple[str, ...]
    order: tuple[str, ...]
    lifted: bool
    now: int
    flows: bool = False
    phase: str = KEYS
    spoke: dict[str, set[str]] = field(default_factory=lambda: {phase: set() for phase in SPEAK})
    u1: tuple[str, ...] = ()
    u2: tuple[str, ...] = ()
    survivors: tuple[str, ...] = ()
    examples: dict[str, int] = field(default_factory=dict)
    dealers: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    complaints: dict[tuple[str, str], Complaint] = field(default_factory=dict)
    revealed: dict[str, set[str]] = field(default_factory=dict)
    missed: set[str] = field(default_factory=set)
    number: int = 0
    proposer: str = ""
    proposed: str = ""
    spent: list[str] = field(default_factory=list)
    position: int = 0
    turn_ms: int = 0
    verdicts: dict[str, bool] = field(default_factory=dict)
    agreed: dict[str, bool] = field(default_factory=dict)
    denials: dict[str, str] = field(default_factory=dict)
    code: str = ""
    blamed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.began, self.deadline = self.now, self.now + LENGTH[KEYS]
        self.last = self.now

    @property
    def threshold(self) -> int:
        """Shares that rebuild a secret: more than two thirds."""
        return 2 * len(self.cohort) // 3 + 1

    @property
    def may_fail(self) -> int:
        """How many of the cohort may fail without the others losing the attempt."""
        return len(self.cohort) - self.threshold

    @property
    def ended(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.phase in {FINAL, VOID}

    def due(self) -> tuple[str, ...]:
        """Return who is expected to speak in the present phase."""
        return {KEYS: self.cohort, SHARES: self.u1, UPDATES: self.u2, UNMASK: self.survivors}.get(self.phase, ())

    def may_speak(self) -> tuple[str, ...]:
        """Return who may: dropouts may reveal too, and nobody waits for them."""
        return self.u2 if self.phase == UNMASK else self.due()

    def kind_of(self, dealer: str) -> str:
        """Return the one kind of share that is ever revealed of a dealer."""
        return "seed" if dealer in self.survivors else "mask"

    # ---- what speaking does

    def say(self, name: str, at_ms: int) -> None:
        """Take a member's word of the present phase in."""
        self.spoke[self.phase].add(name)
        if name in self.due():
            self.last = max(self.last, at_ms, self.began)

    def flow(self) -> bool:
        """Move on where everybody due has spoken, if the rules need no Advance for it; return whether it did."""
        if not self.flows or self.phase not in {KEYS, SHARES, UNMASK} or not set(self.due()) <= self.spoke[self.phase]:
            return False
        if self.phase == UNMASK:
            if self._bad_dealers() or self._lacking():
                return False  # how it ends is an Advance's to say
            self._attest(self.last)
        else:
            self._next(self.due(), self.last)
        return True

    # ---- what an Advance does

    def advance(self, at_ms: int, sets: Iterable[tuple[set[str], set[str]]], voters: Collection[str]) -> bool:
        """Move on where the phase is over; return whether it did.

        Args:
            at_ms: The sender's time.
            sets: Survivors frozen on the same base state by other attempts, each with those proven at fault.
            voters: Active organisations.
        """
        now = max(at_ms, self.began)
        if self.phase == ATTEST:
            return self._advance_attest(now, voters)
        if self.phase == UNMASK:
            return self._advance_unmask(now)
        if self.phase == UPDATES and self._bad_seals(now):
            self.missed |= {dealer for dealer in self.blamed if self.answerable(dealer)}
            return self._void("FL0431", now)
        return self._advance_gathering(now, sets)

    def _advance_gathering(self, now: int, sets: Iterable[tuple[set[str], set[str]]]) -> bool:
        there = tuple(name for name in self.due() if name in self.spoke[self.phase])
        late = now >= self.deadline
        if (not late and len(there) < len(self.due())) or (self.phase == UPDATES and any(map(self._open, self.u2))):
            return False
        if len(there) < max(self.threshold, FLOOR):
            return self._void({KEYS: "FL0420", SHARES: "FL0421", UPDATES: "FL0422"}[self.phase], now)
        if self.phase == UPDATES and (code := self._unsafe(there, sets)):
            return self._void(code, now)
        self._next(there, now)
        return True

    def _next(self, there: tuple[str, ...], now: int) -> None:
        self.missed |= set(self.due()) - set(there)
        if self.phase == KEYS:
            self.u1, self.phase = there, SHARES
        elif self.phase == SHARES:
            self.u2, self.phase = there, UPDATES
        else:
            self.survivors, self.phase = there, UNMASK
        self.began, self.deadline, self.last = now, now + LENGTH[self.phase], now

    def _unsafe(self, there: tuple[str, ...], sets: Iterable[tuple[set[str], set[str]]]) -> str:
        total = sum(self.examples[name] for name in there)
        if max(self.examples[name] for name in there) > SHARE_LIMIT * total:
            return "FL0423"
        for survivors, excused in sets:
            difference = len((set(there) ^ survivors) - excused)
            if not self.lifted and 0 < difference < SMALLEST_DIFFERENCE:
                return "FL0424"
        return ""

    def _open(self, dealer: str) -> list[Complaint]:
        return [one for (accused, _), one in self.complaints.items() if accused == dealer and not one.answered]

    def answerable(self, dealer: str) -> bool:
        """Whether a dealer may answer: no more complain of it than may be at fault."""
        return sum(accused == dealer for accused, _ in self.complaints) <= self.may_fail

    def _bad_seals(self, now: int) -> bool:
        self.blamed = tuple(
            dealer
            for dealer in self.u2
            if any(now >= one.at_ms + LENGTH[SHARES] for one in self._open(dealer)) or not self.answerable(dealer)
        )
        return bool(self.blamed)

    def _advance_unmask(self, now: int) -> bool:
        late, there = now >= self.deadline, self.spoke[UNMASK]
        if not late and not set(self.survivors) <= there:
            return False
        bad = self._bad_dealers()
        if bad:
            self.blamed = bad
            return self._void("FL0427", now)
        if self._lacking():
            return self._void("FL0426", now) if late else False
        self._attest(now)
        return True

    def _attest(self, now: int) -> None:
        self.missed |= set(self.survivors) - self.spoke[UNMASK]
        self.phase, self.began, self.turn_ms, self.deadline = ATTEST, now, now, now + LEASE

    def _lacking(self) -> bool:
        return any(len(self.known(dealer)) < self.threshold for dealer in self.u2)

    def _bad_dealers(self) -> tuple[str, ...]:
        bad = []
        for dealer in self.u2:
            receivers = self.known(dealer)[: self.threshold]
            wrong = any((one, self.kind_of(dealer)) in self.dealers[dealer] for one in receivers)
            false = dealer in self.survivors and ("", "commitment") in self.dealers[dealer]
            if len(receivers) == self.threshold and (wrong or false):
                bad.append(dealer)
        return tuple(bad)

    def known(self, dealer: str) -> list[str]:
        """Return whose shares of a dealer are public, in cohort order."""
        answered = {who for (accused, who), one in self.complaints.items() if accused == dealer and one.answered}
        return [name for name in self.cohort if dealer in self.revealed.get(name, ()) or name in answered]

    def _advance_attest(self, now: int, voters: Collection[str]) -> bool:
        words = [self.denials[org] for org in voters if org in self.denials]
        barren = any(words.count(word) >= majority(len(voters)) for word in words)
        if not self.proposer:
            return self._void("FL0432", now) if barren else False
        yes = sum(self.verdicts.get(org, False) for org in voters)
        no = sum(not self.verdicts.get(org, True) for org in voters)
        if yes >= majority(len(voters)):
            self.phase = FINAL
            return True
        if barren:
            return self._void("FL0432", now)
        if now >= self.deadline or no >= majority(len(voters)) or yes + no >= len(voters):
            self.position = (self.aggregators.index(self.proposer) + 1) % len(self.aggregators)
            self.proposer, self.turn_ms, self.began, self.deadline = "", now, now, now + LEASE
            return True
        return False

    def _void(self, code: str, now: int) -> bool:
        if now >= self.deadline and self.phase != ATTEST:
            self.missed |= set(self.due()) - self.spoke[self.phase]
        self.end(code)
        return True

    def end(self, code: str) -> None:
        """Make it void."""
        self.phase, self.code, self.proposer = VOID, code, ""

    # ---- proposals

    @property
    def aggregators(self) -> list[str]:
        """The survivors in the drawn order."""
        return [name for name in self.order if name in self.survivors]

    def may_propose(self, who: str, at_ms: int) -> bool:
        """Whether it is a survivor's turn: one more with every lease, those passed over again after the others."""
        if self.phase != ATTEST or self.proposer or who not in self.aggregators:
            return False
        order = self.aggregators[self.position :] + self.aggregators[: self.position]
        turns = sorted(order, key=lambda name: name in self.spent)
        return who in turns and at_ms >= self.turn_ms + turns.index(who) * LEASE

    def propose(self, who: str, state: str, at_ms: int, organisation: str) -> None:
        """Record a proposal that the endorsers could confirm; in version 2 it is its organisation's word as well."""
        self.number, self.proposer, self.proposed, self.verdicts = self.number + 1, who, state, {}
        self.agreed = {}
        if self.flows and organisation not in self.denials:
            self.verdicts[organisation] = self.agreed[organisation] = True
        self.spent = [*self.spent, who] if len(self.spent) + 1 < len(self.aggregators) else []
        self.began, self.deadline = at_ms, at_ms + LENGTH[ATTEST]
