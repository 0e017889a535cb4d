"""What an honest majority does that follows the documentation: speak when due, advance, vote what is recommended."""

from collections.abc import Callable, Sequence

from tests.model.consortium import Play, Training, msp, participant, place_of
from tests.model.expected import ATTEST, KEYS, LEASE, LENGTH, SHARES, UNMASK, UPDATES
from tests.model.federation import Federation
from tests.model.players import BARREN, plain_vector

TURNS = 40
"""An attempt takes no more Advances than this: five phases, and a lease or two for each possible aggregator."""

ATTEMPTS = 12
"""A round takes no more attempts than this, whatever the adversaries do."""

PATIENCE = 2
"""After so many void attempts the honest vote out who was named, and lift the rule that stands in the way."""

STRATEGIES = (
    "honest",
    "silent",
    "spoil",
    "commitment",
    "unseal",
    "garbage",
    "bare",
    "barren",
    "complain",
    "contrary",
    "deny",
)


def speak(fed: Federation, play: Play, name: str) -> None:
    """Let an honest member do what is due, as its node does."""
    expected = play.expected
    if name in expected.may_speak() and name not in expected.spoke[expected.phase] and fed.active(name):
        {KEYS: fed.publish_keys, SHARES: fed.commit_shares, UPDATES: fed.commit_update, UNMASK: fed.reveal}[
            expected.phase
        ](play, name)


def settle_seals(fed: Federation, play: Play, names: list[str]) -> None:
    """Complain of messages that do not open; answer those who complain."""
    expected = play.expected
    for name in names:
        for dealer in expected.u2:
            if (
                name in play.cohort.players[dealer].unsealed
                and (dealer, name) not in expected.complaints
                and fed.active(name)
            ):
                fed.complain(play, name, dealer)
    for (dealer, to), complaint in sorted(expected.complaints.items()):
        if dealer in names and not complaint.answered and expected.answerable(dealer) and fed.active(dealer):
            fed.answer(play, dealer, to)


def conclude(fed: Federation, play: Play, names: list[str]) -> None:
    """Propose when it is one's turn, attest, or report a sum that is garbage."""
    expected = play.expected
    if not fed.sound(play):
        reporter = next((name for name in names if name in expected.survivors), "")
        if reporter:
            fed.report_garbage(play, reporter)
        return
    barren = fed.barren(play)
    for name in [] if barren else names:
        if expected.may_propose(name, fed.now):
            fed.propose(play, name)
    for place in fed.honest:
        if barren and msp(place) not in expected.denials:
            fed.deny(play, place)
        elif not barren and expected.proposer and msp(place) not in expected.verdicts:
            fed.attest(play, place)


def act(fed: Federation, play: Play, names: list[str]) -> None:
    """Let some of the honest do what is due before the sum."""
    for name in names:
        speak(fed, play, name)
    if play.expected.phase == UPDATES:
        settle_seals(fed, play, names)


def honest_turn(fed: Federation, play: Play) -> None:
    """Let every honest member do all that is due now."""
    names = [name for name in play.expected.cohort if place_of(name) in fed.honest]
    (conclude if play.expected.phase == ATTEST else act)(fed, play, names)


def misbehave(fed: Federation, play: Play, name: str, strategy: str) -> None:
    """Let an adversary speak in its way where it may; in phases that its way is not about, as the honest do."""
    expected, phase = play.expected, play.expected.phase
    if strategy == "silent" or not fed.active(name):
        return
    others = [other for other in expected.u1 if other != name]
    ways: dict[tuple[str, str], Callable[[], object]] = {
        (SHARES, "spoil"): lambda: fed.commit_shares(
            play, name, spoil=[(to, kind) for to in others for kind in ("mask", "seed")]
        ),
        (SHARES, "commitment"): lambda: fed.commit_shares(play, name, spoil=[("", "commitment")]),
        (SHARES, "unseal"): lambda: fed.commit_shares(play, name, unsealed=others),
        (UPDATES, "garbage"): lambda: fed.commit_update(play, name, plain_vector([0, 0, 0], one=77)),
        (UPDATES, "barren"): lambda: fed.commit_update(play, name, plain_vector([BARREN, 0, 0])),
        (UPDATES, "bare"): lambda: fed.commit_update(play, name, masked=False),
    }
    if name in expected.may_speak() and name not in expected.spoke[phase]:
        ways.get((phase, strategy), lambda: speak(fed, play, name))()
    if phase == UPDATES and strategy == "complain" and name in expected.u2:
        for dealer in expected.u2:
            if dealer != name and (dealer, name) not in expected.complaints:
                fed.complain(play, name, dealer)
    if phase == ATTEST:
        if strategy == "deny" and msp(place_of(name)) not in expected.denials:
            fed.deny(play, place_of(name))
            return
        if strategy == "contrary" and expected.may_propose(name, fed.now) and fed.sound(play):
            fed.propose(play, name, wrong="state")
        if expected.proposer and msp(place_of(name)) not in expected.verdicts:
            fed.attest(play, place_of(name), honest=strategy != "contrary")


def drive(fed: Federation, play: Play, ways: Sequence[str], attempt: int = 0) -> None:
    """Take an attempt to its end; with each attempt the adversaries change places in `ways`."""
    for _ in range(TURNS):
        if play.expected.ended:
            return
        phase = play.expected.phase
        for number, place in enumerate(sorted(fed.adversaries)):
            if participant(place) in play.expected.cohort and not play.expected.ended:
                misbehave(fed, play, participant(place), ways[(number + attempt) % len(ways)])
        honest_turn(fed, play)
        if play.expected.ended or fed.advance(play, fed.honest[0]) or play.expected.phase != phase:
            continue  # in the next phase adversaries speak in time as well
        fed.now = max(fed.now + LEASE, play.expected.deadline)
        if play.expected.phase == UPDATES and play.expected.complaints:
            fed.now = max(fed.now, max(one.at_ms for one in play.expected.complaints.values()) + LENGTH[SHARES])
        honest_turn(fed, play)
        if not play.expected.ended:
            fed.advance(play, fed.honest[0])
    raise AssertionError(f"{play.expected.name} does not end: {play.expected.phase} after {TURNS} turns")


def finish(fed: Federation, training: Training, ways: Sequence[str]) -> None:
    """Bring a training one round further, or end it by vote where too few are honest to make a cohort.

    Args:
        fed: The federation; its honest members are a majority.
        training: It has not been stopped.
        ways: What the adversaries do, one after the other and in turn.

    Raises:
        AssertionError: Neither is possible.
    """
    before, codes = len(training.finals), []
    for attempt in range(ATTEMPTS):
        if training.play is None or training.play.expected.ended:
            refusal = fed.open(training, fed.honest[0])
            if refusal:
                codes.append(refusal)
                if remedy(fed, training, codes):
                    continue
                break
        play = training.play
        assert play is not None
        drive(fed, play, ways, attempt)
        if len(training.finals) > before:
            return
        codes.append(play.expected.code)
        remedy(fed, training, codes)
    enough = len(fed.honest) >= 4  # the smallest cohort: with fewer nothing can be trained without the adversaries
    assert not enough, f"{training.name} gets no Final by {codes}, although {len(fed.honest)} are honest"
    assert fed.stop(training, fed.honest), f"{training.name} cannot be stopped after {codes}"
    fed.reached["stopped for want of honest members"] += 1


def remedy(fed: Federation, training: Training, codes: list[str]) -> bool:
    """Vote what the documentation recommends after such ends; return False where nothing is left to vote."""
    if codes[-1] == "FL0114":
        fed.give_beacon(fed.honest)
        return codes.count("FL0114") <= PATIENCE
    if codes[-1] == "FL0301":
        for place in fed.honest:
            fed.fill_up(place)
            assert place not in fed.benched or fed.bench(place, fed.honest)
        if codes.count("FL0301") > PATIENCE or len(fed.voters) < 4:
            return False
        head = next((number for number, state in training.finals.items() if state == training.head), 0)
        return fed.roll_back(training, head, fed.honest)
    if codes.count("FL0424") >= PATIENCE and codes[-1] == "FL0424":
        assert fed.lift(training, fed.honest)
    if len(codes) >= PATIENCE and len(fed.honest) >= 4:
        for place in sorted(fed.adversaries - fed.suspended):
            assert fed.move("suspend", place, fed.honest)
    return True
