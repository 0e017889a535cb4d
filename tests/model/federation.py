"""What members say in a round, honest or not, to the real rules and to the expectation beside them.

The two must agree on whether a transaction is accepted, and on what follows from it.
"""

import hashlib
from collections.abc import Collection, Iterable
from typing import Any

from tests.model.consortium import INITIAL, PLAN, Play, msp, place_of
from tests.model.expected import ATTEST, KEYS, SHARES, SPEAK, UNMASK, UPDATES, Complaint
from tests.model.ledger import caller
from tests.model.players import EXAMPLES, LAYOUT, Laid, digest, in_range, plain_vector
from tests.model.rounds import Rounds


class Federation(Rounds):
    """A consortium whose participants speak."""

    def say(
        self, play: Play, name: str, fields: dict[str, Any], *, good: bool = True, skew: int = 0, phase: str = ""
    ) -> bool:
        """Send a member's word of a phase; it is accepted where it is due, once, and good."""
        expected, phase = play.expected, phase or play.expected.phase
        spoken = name in expected.spoke.get(phase, ())
        accepted = (
            good and phase == expected.phase and name in expected.may_speak() and not spoken and self.active(name)
        )
        argument = play.ref | fields
        self.send(place_of(name), SPEAK[phase], argument, accepted, skew=skew)
        if accepted:
            expected.say(name, self.now + skew)
            play.sent[name, phase] = argument
            self.history.append((caller(msp(place_of(name)), "client"), SPEAK[phase], argument))
        return accepted

    def publish_keys(self, play: Play, name: str, **how: Any) -> None:
        """Phase Keys: two fresh keys."""
        self.say(play, name, play.cohort.keys(name), phase=KEYS, **how)
        self.flow(play)

    def commit_shares(
        self, play: Play, name: str, spoil: Iterable[tuple[str, str]] = (), unsealed: Collection[str] = (), **how: Any
    ) -> None:
        """Phase Shares: deal; `spoil` what is wrong under the root, `unsealed` who cannot open its part."""
        expected, spoil = play.expected, list(spoil)
        if expected.phase != SHARES or name not in expected.u1 or name in expected.spoke[SHARES]:
            self.say(play, name, {"seed_commitment": PLAN, "shares_root": PLAN, "sealed": PLAN}, phase=SHARES, **how)
            return
        fields = play.cohort.deal(name, expected.u1, [one for one in spoil if one[1] != "commitment"])
        if ("", "commitment") in spoil:
            fields["seed_commitment"] = digest("another seed")
        fields["sealed"] = self.ledger.put(play.cohort.bundle(name, expected.u1))
        if self.say(play, name, fields, phase=SHARES, **how):
            player = play.cohort.players[name]
            player.unsealed = set(unsealed) & set(expected.u1) - {name}
            expected.dealers[name] = player.spoiled | {one for one in spoil if one[1] == "commitment"}
            play.shown[name] = {"mask": set(), "seed": set()}
        self.flow(play)

    def commit_update(
        self,
        play: Play,
        name: str,
        plain: bytearray | None = None,
        *,
        examples: int = EXAMPLES,
        masked: bool = True,
        **how: Any,
    ) -> None:
        """Phase Updates: mask, store and commit a vector; `change` replaces fields of what is sent."""
        expected, change = play.expected, how.pop("change", {})
        fields = {"plan": PLAN, "base_state": expected.base, "length": LAYOUT.length, "examples": examples}
        if expected.phase != UPDATES or name not in expected.u2 or name in expected.spoke[UPDATES]:
            self.say(play, name, fields | {"digest": PLAN} | change, phase=UPDATES, **how)
            return
        number = place_of(name)
        if plain is None:
            plain = plain_vector([number * 1_000 + expected.name[1] * 10 + slot for slot in range(3)], examples)
        blob = play.cohort.mask(name, expected.u1, expected.u2, plain)
        if not masked:  # the masks are left out: what it adds to the sum is its vector less its masks
            _unmask(play.cohort.players[name].plain, blob)
            blob = bytes(plain)
        if self.say(play, name, fields | {"digest": self.ledger.put(blob)} | change, phase=UPDATES, **how):
            expected.examples[name] = examples

    def reveal(
        self, play: Play, name: str, dealers: Collection[str] | None = None, *, wrong: str = "", **how: Any
    ) -> None:
        """Phase Unmask: shares of the allowed kind, of all dealers whose message opened or of some.

        By version 2 of the rules who reveals all lays keys for the next attempt; wrong ones are taken, or weak.
        """
        expected = play.expected
        if name not in expected.u2:
            self.say(play, name, {"shares": []}, phase=UNMASK, good=False)
            return
        chosen = [d for d in expected.u2 if name not in play.cohort.players[d].unsealed]
        chosen = chosen if dealers is None else [dealer for dealer in chosen if dealer in dealers]
        shares = [play.cohort.reveal(name, dealer, expected.kind_of(dealer)) for dealer in chosen]
        if wrong == "kind" and shares:
            other = "mask" if shares[0]["kind"] == "seed" else "seed"
            shares[0] = play.cohort.reveal(name, chosen[0], other)
            play.shown[chosen[0]][other].add(name)  # refused, and yet others have seen it
        elif wrong == "value" and shares:
            shares[0]["value"] = shares[0]["value"][:-2] + ("00" if shares[0]["value"][-2:] != "00" else "01")
        elif wrong == "twice" and shares:
            shares.append(shares[0])
        good = bool(shares) and not wrong
        fields: dict[str, Any] = {"shares": shares}
        laid = self._laid(play, name, wrong) if dealers is None or wrong else None
        if laid is not None:
            fields["next"] = laid.keys
        if self.say(play, name, fields, phase=UNMASK, good=good, **how):
            expected.revealed[name] = set(chosen)
            for dealer in chosen:
                play.shown[dealer][expected.kind_of(dealer)].add(name)
            if laid is not None:
                self._training(play).laid[name] = laid
        self.flow(play)

    def _laid(self, play: Play, name: str, wrong: str) -> Laid | None:
        """Return keys for the next attempt, None where there are none to lay."""
        if wrong in {"taken key", "weak key"}:
            own = play.cohort.keys(name)
            return Laid(None, own if wrong == "taken key" else own | {"seal_key": "00" * 32})
        if wrong == "early keys":  # under rules that know none
            return Laid(None, {"seal_key": PLAN, "mask_key": INITIAL})
        return Laid.drawn(play.expected.name, name) if play.expected.flows and not wrong else None

    def complain(self, play: Play, name: str, dealer: str, skew: int = 0) -> None:
        """Say that a dealer's message does not open, truly or not."""
        expected = play.expected
        accepted = (
            expected.phase == UPDATES
            and {name, dealer} <= set(expected.u2)
            and name != dealer
            and (dealer, name) not in expected.complaints
            and self.active(name)
        )
        argument = play.ref | {"kind": "bad_seal", "accused": dealer, "evidence": {"proposal": "", "signature": ""}}
        self.send(place_of(name), "ReportFault", argument, accepted, skew=skew)
        if accepted:
            expected.complaints[dealer, name] = Complaint(max(self.now + skew, expected.began))

    def answer(self, play: Play, dealer: str, to: str, *, wrong: bool = False) -> None:
        """Show the shares of a member that complained."""
        expected = play.expected
        complaint = expected.complaints.get((dealer, to))
        allowed = expected.phase == UPDATES and complaint is not None and not complaint.answered
        accepted = allowed and expected.answerable(dealer) and not wrong and self.active(dealer)
        fields = play.cohort.answer(dealer, to) if dealer in expected.u2 and to in expected.u1 else {}
        fields = fields or {"to": to, "mask": "", "seed": "", "path": []}
        if wrong:
            fields["mask"], fields["seed"] = fields["seed"], fields["mask"]
        self.send(place_of(dealer), "AnswerComplaint", play.ref | fields, accepted)
        if accepted and complaint is not None:
            complaint.answered = True
            for kind in ("mask", "seed"):
                play.shown[dealer][kind].add(to)

    def propose(self, play: Play, name: str, *, wrong: str = "", skew: int = 0) -> bool:
        """Propose the result; only a true sum with its true count is accepted, with whatever state."""
        expected, at_ms = play.expected, self.now + skew
        total = play.cohort.total(expected.survivors) if expected.survivors else bytes(LAYOUT.length)
        fields = {
            "aggregate": digest("lie") if wrong == "sum" else hashlib.sha256(total).hexdigest(),
            "state": digest("lie") if wrong == "state" else self.state_after(play),
            "metrics": {"loss": "0.5"},
            "examples": int.from_bytes(total[:8], "little") + (wrong == "count"),
        }
        accepted = (
            expected.may_propose(name, at_ms)
            and self.active(name)
            and wrong in {"", "state"}
            and in_range(total, len(expected.survivors))
        )
        argument = play.ref | fields
        self.send(place_of(name), "ProposeAggregate", argument, accepted, skew=skew)
        if accepted:
            expected.propose(name, fields["state"], at_ms, msp(place_of(name)))
            self.history.append((caller(msp(place_of(name)), "client"), "ProposeAggregate", argument))
            self._same(play)
        return accepted

    def attest(self, play: Play, place: int, *, honest: bool = True, skew: int = 0) -> None:
        """Attest to the open proposal: by the true state, or the other way round."""
        expected = play.expected
        truth = self.state_after(play) if expected.survivors else INITIAL
        agree = (expected.proposed == truth) == honest
        state = expected.proposed if agree else truth if honest else digest(f"lie of {place}")
        fields = {"number": expected.number, "state": state or INITIAL, "agree": agree, "deviation_e9": 0}
        open_ = expected.phase == ATTEST and bool(expected.proposer) and not (agree and msp(place) in expected.denials)
        accepted = open_ and msp(place) not in expected.verdicts and place not in self.suspended
        argument = play.ref | fields
        self.send(place, "Attest", argument, accepted, admin=True, skew=skew)
        if accepted:
            expected.verdicts[msp(place)] = agree
            expected.agreed[msp(place)] = agree
            self.history.append((caller(msp(place), "admin"), "Attest", argument))

    def deny(self, play: Play, place: int, *, lie: bool = False) -> None:
        """Attest that no state follows from the sum; once, and not beside one's own agreement."""
        expected, word = play.expected, digest("lie")
        if expected.survivors and not lie:
            word = hashlib.sha256(play.cohort.total(expected.survivors)).hexdigest()
        free = msp(place) not in expected.denials and not expected.agreed.get(msp(place), False)
        accepted = expected.phase == ATTEST and free and place not in self.suspended
        self.send(place, "AttestNoState", play.ref | {"aggregate": word, "code": "FL3010"}, accepted, admin=True)
        if accepted:
            expected.denials[msp(place)] = word

    def report_garbage(self, play: Play, name: str) -> bool:
        """Report that the sum lies outside its range; accepted where it does."""
        expected = play.expected
        accepted = (
            expected.phase == ATTEST and name in expected.survivors and self.active(name) and not self.sound(play)
        )
        argument = play.ref | {"kind": "garbage", "accused": "", "evidence": {"proposal": "", "signature": ""}}
        self.send(place_of(name), "ReportFault", argument, accepted)
        if accepted:
            expected.end("FL0428")
            self._moved(play, ATTEST)
            self._same(play)
        return accepted


def _unmask(plain: bytearray, masked: bytes) -> None:
    """Make `plain` what an update of the bare vector adds: the vector less the masks, word by word."""
    for segment in LAYOUT.segments:
        size = segment.word // 8
        for at in range(segment.start, segment.end, size):
            word, hidden = (int.from_bytes(one[at : at + size], "little") for one in (plain, masked))
            plain[at : at + size] = ((2 * word - hidden) % (1 << segment.word)).to_bytes(size, "little")
