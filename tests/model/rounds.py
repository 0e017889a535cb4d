"""Rounds of trainings: opened, advanced, settled, interrupted, each step as expected; what must hold at their ends."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from fl_node.secagg.session import Session
from tests.model.consortium import (
    COHORT_MIN,
    INITIAL,
    PLAN,
    STAKE,
    Consortium,
    Play,
    Training,
    msp,
    participant,
    place_of,
)
from tests.model.expected import FINAL, UNMASK, UPDATES, VOID, Attempt
from tests.model.ledger import CHANNEL, caller
from tests.model.players import BARREN, LAYOUT, Cohort, Laid, digest, in_range


class Rounds(Consortium):
    """A consortium with its trainings."""

    def open(self, training: Training, place: int, skew: int = 0) -> str:
        """Open the next round or attempt; return the refusal's code."""
        busy = training.play is not None and not training.play.expected.ended
        if busy or training.stopped or place in self.suspended:
            self.send(place, "OpenRound", {"training": training.name}, accepted=False, skew=skew)
            return "busy"
        who = caller(msp(place), "client")
        answer = self.ledger.submit(who, "OpenRound", {"training": training.name}, self.now + skew)
        self.reached[answer.code or "OpenRound"] += 1
        if answer.code:
            assert answer.code in {"FL0301", "FL0114"}, f"OpenRound: {answer.text}"
            return answer.code
        training.round, training.attempt = (
            (training.round, training.attempt + 1) if training.retry else (training.round + 1, 1)
        )
        name = (training.name, training.round, training.attempt)
        record = self.ledger.get("round", *name)
        assert record is not None, f"{answer.event} was opened, not {name}"
        self._check_opened(training, record)
        cohort = tuple(member["participant"] for member in record["cohort"])
        attempt = Attempt(
            name,
            record["base_state"],
            record["epoch"],
            cohort,
            tuple(record["aggregators"]),
            record["lifted"],
            self.now + skew,
            flows=record["rules"] > 1,
        )
        session = Session(
            CHANNEL, *name, bytes.fromhex(PLAN), bytes.fromhex(attempt.base), LAYOUT, cohort, attempt.threshold
        )
        assert session.digest.hex() == record["session"]
        laid = {member: training.laid.pop(member) for member in cohort if member in training.laid}
        training.play = Play(attempt, Cohort(session, {member: keys.secrets for member, keys in laid.items()}))
        self.attempts[name] = training.play
        self._check_laid(training.play, laid)
        self.flow(training.play)
        self._same(training.play)
        return ""

    def _check_laid(self, play: Play, laid: Mapping[str, Laid]) -> None:
        """Whoever has laid keys has spoken in Keys; nobody else, and each key serves one attempt."""
        shown = {parts[3]: record for parts, record in self.ledger.under("keys", *play.expected.name)}
        assert {name: {kind: keys[kind] for kind in ("seal_key", "mask_key")} for name, keys in shown.items()} == {
            name: keys.keys for name, keys in laid.items()
        }
        assert not any(self.ledger.get("laid", play.expected.name[0], name) for name in play.expected.cohort)
        for name in laid:
            play.expected.say(name, play.expected.now)
            self.reached["keys laid ready"] += 1

    def flow(self, play: Play) -> None:
        """Move on where the last word has ended a phase."""
        before = play.expected.phase
        if play.expected.flow():
            self.reached["flows"] += 1
            self._moved(play, before)
            self._same(play)

    def _check_opened(self, training: Training, record: dict[str, Any]) -> None:
        names = [member["participant"] for member in record["cohort"]]
        assert record["base_state"] == training.head
        assert record["lifted"] == training.lifted
        training.lifted = False
        assert names == sorted(set(names))
        assert sorted(record["aggregators"]) == names
        assert 4 <= len(names) <= self.size
        assert not {place_of(name) for name in names} & (self.suspended | self.benched)
        self._check_kept_out(training, record, set(names))

    def _check_kept_out(self, training: Training, record: dict[str, Any], names: set[str]) -> None:
        """Whoever is kept out is blamed, and complaints alone leave the threshold of the whole cohort.

        In version 2 nobody comes in their place but to make the smallest cohort.
        """
        kept = {member["participant"] for member in record["kept_out"]}
        blamed = {parts[2] for parts, _ in self.ledger.under("blame", training.name, record["epoch"])}
        assert not kept & names
        assert not kept or kept & blamed
        assert set(record["in_place"]) <= names
        whole = len(names) + len(kept) - len(record["in_place"])
        least = 2 * whole // 3 + 1
        assert len(names) >= least
        if record["rules"] > 1:
            assert not record["in_place"] or len(names) == max(COHORT_MIN, least)
            self.reached["kept out in version 2"] += bool(kept)
        assert record["rules"] == self.rules

    def _same(self, play: Play) -> None:
        """Hold the rules' record of the attempt against what is expected."""
        expected = play.expected
        standing = expected.flows and not expected.ended  # its record may be of an earlier phase
        status = self.ledger.query("GetRound", play.ref) if standing else self.ledger.get("phase", *expected.name)
        assert (status["phase"], status["void_reason"]) == (expected.phase, expected.code)
        assert status["u1"] == list(expected.u1)
        assert status["u2"] == list(expected.u2)
        assert status["survivors"] == list(expected.survivors)
        assert expected.ended or status["deadline_ms"] == expected.deadline

    def _training(self, play: Play) -> Training:
        return self.trainings[play.expected.name[0]]

    def frozen_sets(self, expected: Attempt) -> list[tuple[set[str], set[str]]]:
        """Return the survivor sets of other attempts on the same base state, and whom the ledger proved at fault."""
        others = [one for one in self.bases.get(expected.base, ()) if one is not expected]
        return [(set(one.survivors), self.proven.get(expected.base, set())) for one in others]

    def advance(self, play: Play, place: int, skew: int = 0) -> bool:
        """Send Advance; it moves as expected or not at all."""
        expected = play.expected
        if place in self.suspended:
            self.send(place, "Advance", play.ref, accepted=False, skew=skew)
            return False
        before = expected.phase
        moved = not expected.ended and expected.advance(self.now + skew, self.frozen_sets(expected), self.voters)
        answer = self.send(place, "Advance", play.ref, accepted=True, skew=skew)
        assert answer.event["phase"] == expected.phase, (
            f"{before} moves to {answer.event['phase']}, not {expected.phase}"
        )
        if moved:
            self._moved(play, before)
        self._same(play)
        return moved

    def _moved(self, play: Play, before: str) -> None:
        expected = play.expected
        self.reached[f"{before} to {expected.phase} {expected.code}".strip()] += 1
        if before == UPDATES and expected.phase == UNMASK:
            self.bases.setdefault(expected.base, []).append(expected)
        if expected.ended:
            self._ended(play)
        self.check_secrets(play)

    def _ended(self, play: Play) -> None:
        expected, training = play.expected, self._training(play)
        training.retry = expected.phase == VOID
        if expected.code == "FL0427":
            self.proven.setdefault(expected.base, set()).update(expected.blamed)
        if expected.phase == FINAL:
            self._check_final(play, training)
        self._check_outcomes(play)
        if expected.phase == FINAL:
            paid = {parts[2] for parts, reward in self.ledger.under("reward", *expected.name[:2]) if reward["amount"]}
            done = set(expected.survivors) - expected.missed
            assert paid <= done, f"{paid - done} did not finish and are paid"
            record = self.ledger.get("round", *expected.name)
            unpaid = set(record["in_place"]) if record["rules"] > 1 else set()  # they work for their reputation
            assert not paid & unpaid
            unpaid |= set(map(participant, self.adversaries))
            assert done - paid <= unpaid, f"{done - paid} finished and are not paid"

    def _check_final(self, play: Play, training: Training) -> None:
        expected, number = play.expected, play.expected.name[1]
        assert number not in training.finals, f"round {number} is Final twice"
        proposed = self.ledger.get("proposed", *expected.name, expected.number)
        total = play.cohort.total(expected.survivors)
        assert proposed["aggregate"] == hashlib.sha256(total).hexdigest(), "a Final that is not the survivors' sum"
        assert in_range(total, len(expected.survivors))
        assert len(expected.survivors) >= max(expected.threshold, 3)
        training.head = training.finals[number] = proposed["state"]
        assert training.head == self.state_after(play), "a Final state that no honest majority computed"

    def _check_outcomes(self, play: Play) -> None:
        """Nobody honest is at fault, or a dropout unless it missed something."""
        name = play.expected.name
        honest = {participant(place) for place in self.honest}
        for parts, outcome in self.ledger.under("outcome", *name):
            if parts[3] in honest:
                assert outcome["outcome"] != "fault", f"{parts[3]} is honest and slashed for a fault in {name}"
                assert outcome["outcome"] != "dropout" or parts[3] in play.expected.missed, f"{parts[3]} missed nothing"
        for parts, blame in self.ledger.under("blame", name[0]):
            assert not (blame["proven"] and parts[2] in honest), f"{parts[2]} is honest and blamed with proof"
        for parts, flag in self.ledger.under("flag", *name):
            assert parts[3] not in honest or flag["kind"] in {"dropout", "bad-seals", "exposure"}, (
                f"{flag} on the honest"
            )

    def check_secrets(self, play: Play) -> None:
        """No honest member's masks can be removed with what the ledger shows and the adversaries hold."""
        adversaries = {participant(place) for place in self.adversaries} & set(play.expected.cohort)
        if len(adversaries) >= play.expected.threshold:
            return  # more than the threat model bears
        for name in play.expected.u2:
            if name in adversaries:
                continue
            held = {kind: play.shown[name][kind] | adversaries & set(play.expected.u1) for kind in ("mask", "seed")}
            known = [kind for kind, receivers in held.items() if len(receivers) >= play.expected.threshold]
            assert len(known) < 2, f"both secrets of {name} are known in {play.expected.name}"
            assert not known or known == [play.expected.kind_of(name)], f"the wrong secret of {name} is known"

    def state_after(self, play: Play) -> str:
        """Return the state that follows from the true sum."""
        total = play.cohort.total(play.expected.survivors)
        return digest(f"{play.expected.name} {hashlib.sha256(total).hexdigest()}")

    def sound(self, play: Play) -> bool:
        """Whether the survivors' sum lies in its range."""
        return in_range(play.cohort.total(play.expected.survivors), len(play.expected.survivors))

    def barren(self, play: Play) -> bool:
        """Whether no state follows from the sum, although it lies in its range."""
        first = LAYOUT.segments[-1].start
        vectors = [play.cohort.players[name].plain for name in play.expected.survivors]
        return any(int.from_bytes(vector[first : first + 4], "little") == BARREN for vector in vectors)

    def settle(self, training: Training, number: int, place: int) -> None:
        """Settle a round that has ended for good, once."""
        play = training.play
        latest = play is not None and number == training.round
        open_ = (
            latest
            and play is not None
            and (not play.expected.ended or (play.expected.phase == VOID and training.retry))
        )
        accepted = 1 <= number <= training.round and not open_ and (training.name, number) not in self.settled
        accepted = accepted and place not in self.suspended
        stakes = {name: self.ledger.get("stake", name)["amount"] for name in map(participant, self.honest)}
        self.send(place, "Settle", {"training": training.name, "round": number}, accepted)
        if accepted:
            self.settled.add((training.name, number))
            for name, staked in stakes.items():
                missed = any(
                    name in one.expected.missed
                    for key, one in self.attempts.items()
                    if key[:2] == (training.name, number)
                )
                assert missed or self.ledger.get("stake", name)["amount"] == staked, f"{name} loses stake for nothing"

    def fill_up(self, place: int) -> None:
        """Settle what can be settled, and stake up to twice the minimum again."""
        for training in self.trainings.values():
            for number in range(1, training.round + 1):
                if number in training.finals and (training.name, number) not in self.settled:
                    self.settle(training, number, place)
        lacking = STAKE - self.ledger.get("stake", participant(place))["amount"]
        if lacking > 0:
            self.send(place, "Stake", {"participant": participant(place), "amount": lacking}, accepted=True, admin=True)

    def interrupt(self, training: Training, code: str = "FL0429") -> None:
        """A vote has ended the round in flight."""
        play = training.play
        if play is not None and not play.expected.ended:
            before = play.expected.phase
            play.expected.end(code)
            self._moved(play, before)
            self._same(play)

    def stop(self, training: Training, yes: Collection[int]) -> bool:
        """Vote to stop a training."""
        if self.vote("stop_training", {"training": training.name}, yes):
            return False
        self.interrupt(training)
        training.stopped, training.retry = True, False
        return True

    def roll_back(self, training: Training, number: int, yes: Collection[int]) -> bool:
        """Vote to go back to a round's state, 0 for the initial one."""
        if self.vote("roll_back_training", {"training": training.name, "round": number}, yes):
            return False
        self.interrupt(training)
        training.head = training.finals[number] if number else INITIAL
        training.stopped = training.retry = False
        return True

    def lift(self, training: Training, yes: Collection[int]) -> bool:
        """Vote to lift the differencing rule for one attempt."""
        if self.vote("lift_differencing", {"training": training.name}, yes):
            return False
        training.lifted = True
        return True
