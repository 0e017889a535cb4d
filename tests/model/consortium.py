"""A consortium under test: its members, their callers, their votes, and the real rules behind them."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from fl_node.canonical import tagged_hash
from tests.model.expected import Attempt, majority
from tests.model.ledger import CHANNEL, Answer, Caller, Ledger, caller
from tests.model.players import FIELDS, Cohort, Laid, digest

WINDOW_MS = 2_000
"""How far a sender's clock may be off; no phase is shorter than three times as much."""

PLAN, INITIAL, SCHEMA = digest("plan"), digest("state 0"), digest("schema")
PARAMETERS = {"time_window_ms": WINDOW_MS, "transfer_ms": 0, "epoch_rounds": 2}
STAKE = 2_000_000
ROUNDS = 10_000
COHORT_MIN = 4


def msp(place: int) -> str:
    """Name an organisation."""
    return f"Hospital{place:03d}MSP"


def participant(place: int) -> str:
    """Name its participant."""
    return f"hospital-{place:03d}"


def place_of(name: str) -> int:
    """Return the organisation's place of a participant."""
    return int(name[-3:])


@dataclass
class Training:
    """What is expected of a training between its rounds."""

    name: str
    head: str = INITIAL
    round: int = 0
    attempt: int = 0
    retry: bool = False
    stopped: bool = False
    lifted: bool = False
    laid: dict[str, Laid] = field(default_factory=dict)
    finals: dict[int, str] = field(default_factory=dict)
    play: "Play | None" = None


@dataclass
class Play:
    """An attempt as it is expected to be, with its players."""

    expected: Attempt
    cohort: Cohort
    sent: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    shown: dict[str, dict[str, set[str]]] = field(default_factory=dict)  # dealer, kind: receivers whose share is public

    @property
    def ref(self) -> dict[str, Any]:
        """Its name on the ledger."""
        training, number, attempt = self.expected.name
        return {"training": training, "round": number, "attempt": attempt}


class Consortium:
    """`members` organisations with one participant each; some of them are adversaries.

    Attributes:
        plan: The plan that it registers and trains.
        reached: What the histories of all examples came to, counted.
        history: What was accepted of a round, to be sent again.
        suspended: Organisations that a vote suspended.
        benched: Those whose participant a vote suspended.
        bases: The attempts that froze survivors on a base state.
        proven: Whom the ledger proved at fault in one of those.
    """

    plan: ClassVar[dict[str, Any]] = {
        "plan": PLAN,
        "name": "tumour",
        "layout": FIELDS,
        "initial_state": INITIAL,
        "schema": SCHEMA,
    }
    founded: ClassVar[dict[tuple[Path, int, str], dict[str, Any]]] = {}
    reached: ClassVar[Counter[str]] = Counter()

    def __init__(
        self, binary: Path, blobs: Path, members: int, adversaries: Iterable[int] = (), cohort: int = 0
    ) -> None:
        self.members, self.adversaries = members, frozenset(adversaries)
        self.honest = [place for place in range(members) if place not in self.adversaries]
        self.size = cohort or members
        self.now = 1_000_000
        self.history: list[tuple[Caller, str, dict[str, Any]]] = []
        self.trainings: dict[str, Training] = {}
        self.rules = 1
        self.suspended: set[int] = set()
        self.benched: set[int] = set()
        self.bases: dict[str, list[Attempt]] = {}
        self.proven: dict[str, set[str]] = {}
        self.settled: set[tuple[str, int]] = set()
        self.attempts: dict[tuple[str, int, int], Play] = {}
        key = (binary, members, self.plan["plan"])
        self.ledger = Ledger(binary, blobs, self.founded.get(key))
        if key not in self.founded:
            self._found()
            self.founded[key] = dict(self.ledger.state)
        self.now += 1_000
        self.start("one")

    def close(self) -> None:
        """End the rules' process."""
        self.ledger.close()

    def _found(self) -> None:
        names = [msp(place) for place in range(self.members)]
        self._must(0, "Found", {"members": names, "regulators": ["RegulatorMSP"], "parameters": PARAMETERS})
        self.give_beacon(range(self.members))
        profile = {"rows": 200, "missing_ppm": 0, "labels": [100, 100], "schema": self.plan["schema"]}
        for place in range(self.members):
            application = {
                "participant": participant(place),
                "key_hash": caller(msp(place), "client").key_hash,
                "stake": STAKE,
                "evidence": [],
                "profile": profile,
            }
            self._must(place, "Apply", application)
            assert self.vote("admit", {"participant": participant(place)}, range(self.members)) == ""
        assert self.vote("register_plan", self.plan, range(self.members)) == ""

    def give_beacon(self, places: Iterable[int]) -> None:
        """Commit to parts of the beacon that is asked for and reveal them; who else is awaited has its time."""
        number, wait = self.ledger.get("beacon")["number"], self.ledger.get("parameters")["beacon_ms"]
        who = [place for place in places if place not in self.suspended]
        values = {place: hashlib.sha256(f"{msp(place)} {number}".encode()).digest() for place in who}
        for place, value in values.items():
            commitment = tagged_hash("fedledger/v1/beacon-commitment", CHANNEL, msp(place), value).hex()
            self._must(place, "CommitBeacon", {"commitment": commitment})
        self.now += wait
        for place, value in values.items():
            self._must(place, "RevealBeacon", {"value": value.hex()})
        self.now += wait

    def _must(self, place: int, function: str, argument: dict[str, Any]) -> Answer:
        answer = self.ledger.submit(caller(msp(place), "admin"), function, argument, self.now)
        assert not answer.code, f"{function} by {place}: {answer.text}"
        return answer

    def send(
        self, place: int, function: str, argument: dict[str, Any], accepted: bool, *, admin: bool = False, skew: int = 0
    ) -> Answer:
        """Send a transaction that must be accepted, or must not."""
        who = caller(msp(place), "admin" if admin else "client")
        answer = self.ledger.submit(who, function, argument, self.now + skew)
        assert accepted == (not answer.code), (
            f"{function} by {place} is {answer.text or 'accepted'}, expected: {'accepted' if accepted else 'refused'}"
        )
        self.reached[answer.code or function] += 1
        return answer

    def conserved(self) -> None:
        """Hold what all accounts, stakes and escrows hold against what was minted."""
        amounts = {
            kind: sum(one["amount"] for _, one in self.ledger.under(kind)) for kind in ("balance", "stake", "escrow")
        }
        supply = self.ledger.get("supply")["amount"]
        assert supply == sum(amounts.values()), f"{amounts} are not the supply {supply}"

    @property
    def voters(self) -> list[str]:
        """Active organisations."""
        return [msp(place) for place in range(self.members) if place not in self.suspended]

    @property
    def prevails(self) -> bool:
        """Whether the honest are a majority of the active organisations."""
        return len(set(self.honest) - self.suspended) >= majority(len(self.voters))

    def vote(self, kind: str, body: dict[str, Any], yes: Collection[int]) -> str:
        """Propose and vote until it is decided; return the code of the refusal, "open", or nothing where it is done."""
        voters = [place for place in yes if place not in self.suspended]
        if not voters:
            return "open"
        admin = [caller(msp(place), "admin") for place in voters]
        request = {"kind": kind, "body": body, "deadline_ms": 0, "reason": "model"}
        answer = self.ledger.submit(admin[0], "Propose", request, self.now)
        proposal, asked = answer.txid, 1
        while not answer.code and answer.event["status"] == "open" and asked < len(admin):
            answer = self.ledger.submit(admin[asked], "Vote", {"proposal": proposal, "approve": True}, self.now)
            asked += 1
        self.reached[f"vote {kind} {answer.code or answer.event['status']}"] += 1
        if not answer.code and answer.event["status"] == "executed":
            assert asked >= majority(len(self.voters)), f"{asked} of {len(self.voters)} decide {kind}"
            return ""
        return answer.code or "open"

    def change_rules(self, yes: Collection[int]) -> None:
        """Vote for version 2 of the rules: for what is opened from now on."""
        if self.vote("set_rules_version", {"version": 2}, yes) == "":
            self.rules = 2

    def start(self, name: str) -> None:
        """Vote a training of the plan."""
        body = {"training": name, "plan": self.plan["plan"], "rounds": ROUNDS, "cohort": self.size}
        voters = self.honest + sorted(self.adversaries)
        answer = self.vote("start_training", body, voters)
        if answer == "FL0114":  # a roll back has asked for a beacon
            self.give_beacon(self.honest)
            answer = self.vote("start_training", body, voters)
        assert answer == ""
        self.trainings[name] = Training(name)

    def move(self, kind: str, place: int, yes: Collection[int]) -> bool:
        """Vote to suspend, reinstate or remove an organisation."""
        if self.vote(kind, {"organisation": msp(place)}, yes):
            return False
        (self.suspended.discard if kind == "reinstate" else self.suspended.add)(place)
        return True

    def bench(self, place: int, yes: Collection[int]) -> bool:
        """Vote to suspend a participant, or to reinstate it."""
        kind = "reinstate" if place in self.benched else "suspend"
        if self.vote(kind, {"participant": participant(place)}, yes):
            return False
        self.benched ^= {place}
        return True

    def active(self, name: str) -> bool:
        """Whether a participant may speak."""
        return place_of(name) not in self.suspended | self.benched

    def replay(self, number: int) -> None:
        """Send again what was accepted once: nothing that is said in a round is accepted twice."""
        if self.history:
            who, function, argument = self.history[number % len(self.history)]
            answer = self.ledger.submit(who, function, argument, self.now)
            assert answer.code, f"{function} is accepted twice"
