"""The timeline in the terminal: phases as letters and blocks, whom they wait for, of a round seen as it goes."""

import io
from typing import Any

import pytest
from rich.console import Console

from fl_node.commands.timeline import FULL, WAITING, Seen, bar, drawn, length
from fl_node.commands.train import table_of
from fl_node.commands.watching import Progress
from fl_node.ledger.records import Round

COHORT = ("a", "b", "c", "d")
D = "ab" * 32


def record(phase: str, **came: Any) -> dict[str, Any]:
    every: dict[str, Any] = {"cohort": COHORT, "u1": COHORT, "u2": COHORT, "survivors": COHORT, "phase": phase}
    return every | {name: came.get(name, ()) for name in ("keys", "shares", "updates", "revealed", "attestations")}


@pytest.fixture
def seen() -> Seen:
    found = Seen()
    for at_ms, one in (
        (0, record("Keys")),
        (1000, record("Keys", keys=COHORT)),
        (1500, record("Shares", keys=COHORT)),
        (2000, record("Shares", keys=COHORT, shares=COHORT)),
        (2500, record("Updates", keys=COHORT, shares=COHORT)),
        (3000, record("Updates", keys=COHORT, shares=COHORT, updates=("a", "b", "c"))),
    ):
        found.see(one, at_ms)
    return found


def test_a_round_under_way_says_who_is_not_there_yet(seen: Seen):
    assert [(phase.name, phase.began_ms, phase.ended_ms) for phase in seen.phases] == [
        ("Keys", 0, 1500),
        ("Shares", 1500, 2500),
        ("Updates", 2500, None),
    ]
    assert drawn(seen.phases, 10_500, 10_500).plain.endswith("\nUpdates: d, not there yet")
    assert length(seen.phases, 10_500) == 10_500


def test_a_phase_that_waits_is_drawn_thin_and_every_phase_has_a_letter(seen: Seen):
    text = bar(seen.phases, 10_000, 10_000, 40).plain
    assert text == "K" + FULL * 5 + "S" + FULL * 3 + "U" + FULL + WAITING * 28
    assert len(bar(seen.phases, 10_000, 1, 40).plain) == 40


def test_what_a_watch_missed_is_not_made_up():
    found = Seen()
    found.see(record("Unmask"), 7000)
    assert [(phase.name, phase.began_ms) for phase in found.phases] == [("Unmask", 7000)]


def test_an_attempt_that_has_ended_stands_still(seen: Seen):
    seen.see(record("Final", keys=COHORT, shares=COHORT, updates=COHORT), 4000)
    assert seen.phases[-1].ended_ms == 4000
    assert length(seen.phases, 99_000) == 4000
    seen.see(record("Final"), 5000)
    assert seen.phases[-1].ended_ms == 4000


def view(phase: str) -> Round:
    digests = dict.fromkeys(("plan", "base_state", "layout_digest", "session"), D)
    return Round(
        training="t", round=2, attempt=1, phase=phase, threshold=3, cohort=COHORT, voters=4, majority=3, **digests
    )


def test_train_watch_shows_each_attempt_with_its_timeline():
    progress = Progress(view("Keys"))
    console = Console(width=120, file=io.StringIO())
    console.print(table_of({"t/2/1": progress}))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Keys: a, b, c and 1 more, not there yet" in shown
    assert "timeline" in shown
