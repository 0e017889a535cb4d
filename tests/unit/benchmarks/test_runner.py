"""The benchmarks' runner: what it makes of the figures that benchmarks print."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.growth import at, draw, fitted
from benchmarks.runner import turns
from benchmarks.runner.__main__ import app
from benchmarks.runner.catalogue import BENCHMARKS, Benchmark, Figure
from benchmarks.runner.goals import NEEDED, ROWS, Taken, as_markdown, plot_goals, show_goals
from benchmarks.runner.show import plot, show

SLOW = Benchmark(
    "slow",
    "How long?",
    ("slow", "--rounds", "9"),
    ("slow",),
    (
        Figure("total", ("seconds", "total"), goal=2.0),
        Figure("rate", ("rates", 1), "tx/s", 100, "more"),
        Figure("peer's", ("peer", "seconds")),
    ),
)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take turns whose figures are 3, 1 and 2 seconds, and remember the arguments of each."""
    given: list[str] = []

    def once(command: list[str], **_: Any) -> Any:
        given.append(" ".join(command[1:]))
        seconds = [3.0, 1.0, 2.0][(len(given) - 1) % 3]
        text = json.dumps({"seconds": {"total": seconds}, "rates": [0, 40.0 * seconds]})
        return type("Done", (), {"returncode": 0, "stdout": text, "stderr": ""})

    monkeypatch.setattr("benchmarks.runner.turns.subprocess.run", once)
    return given


def test_the_median_of_the_turns_stands_beside_its_goal(said: list[str]):
    (found,) = turns.report([SLOW], 3, False, lambda _: None)["benchmarks"]
    total, rate, absent = found["figures"]
    assert (total["median"], total["least"], total["most"], total["reached"]) == (2.0, 1.0, 3.0, True)
    assert (rate["median"], rate["reached"]) == (80.0, False)
    assert absent["median"] is None
    assert said == ["-m benchmarks.slow --rounds 9"] * 3


def test_turns_of_several_benchmarks_take_their_turn(said: list[str]):
    other = Benchmark("other", "And this?", ("other",), ("other",), ())
    turns.report([SLOW, other], 2, False, lambda _: None)
    assert [text.split()[1] for text in said] == ["benchmarks.slow", "benchmarks.other"] * 2


def test_what_was_taken_is_kept_after_each_turn(said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    written = tmp_path / "figures.json"
    seen: list[int] = []
    once = turns.subprocess.run

    def looking(*command: Any, **how: Any) -> Any:
        report = json.loads(written.read_text()) if written.exists() else {"benchmarks": [{"turns": []}]}
        seen.append(len(report["benchmarks"][0]["turns"]))
        return once(*command, **how)

    monkeypatch.setattr("benchmarks.runner.turns.subprocess.run", looking)
    asked = CliRunner().invoke(app, ["start", "--turns", "3", "--json", str(written)])
    assert (asked.exit_code, seen) == (0, [0, 1, 2])
    assert len(json.loads(written.read_text())["benchmarks"][0]["turns"]) == len(said)


def test_a_smoke_run_says_nothing_of_goals(said: list[str]):
    (found,) = turns.report([SLOW], 1, True, lambda _: None)["benchmarks"]
    assert [each.get("reached") for each in found["figures"]] == [None, None, None]
    assert said == ["-m benchmarks.slow"]


def test_it_is_shown_and_drawn(said: list[str], tmp_path):
    report = turns.report([SLOW], 3, False, lambda _: None)
    console = Console(record=True, width=120)
    show(report, console)
    text = console.export_text()
    assert "How long?" in text
    assert "yes" in text
    (drawn,) = plot(report, tmp_path)
    assert drawn.read_text().startswith("<?xml")
    assert said


def test_what_fails_is_told_and_what_is_unknown_is_refused(monkeypatch: pytest.MonkeyPatch):
    runner = CliRunner()
    refused = runner.invoke(app, ["nosuch"])
    assert (refused.exit_code, "there is no nosuch" in refused.output) == (2, True)
    monkeypatch.setattr("benchmarks.start.COMMAND", ["false"])
    monkeypatch.setattr("benchmarks.runner.turns.sys.executable", "false")
    failed = runner.invoke(app, ["start", "--smoke"])
    assert (failed.exit_code, "start: " in failed.output) == (1, True)


def test_every_benchmark_has_a_name_of_its_own_and_a_module():
    assert len({each.name for each in BENCHMARKS}) == len(BENCHMARKS)
    for each in BENCHMARKS:
        assert (turns.ROOT / "benchmarks" / f"{each.command[0]}.py").exists()
        assert each.smoke[0] == each.command[0]


def test_every_goal_is_a_figure_of_a_benchmark():
    by_name = {each.name: each for each in BENCHMARKS}
    for row in ROWS:
        assert row.figure in {figure.name for figure in by_name[row.benchmark].figures}, row


def test_goals_are_shown_though_a_benchmark_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def once(command: list[str], **_: Any) -> Any:
        fails = command[2] == "benchmarks.postgres"
        return type("Done", (), {"returncode": int(fails), "stdout": '{"help_seconds": 0.1}', "stderr": "no server"})

    monkeypatch.setattr("benchmarks.runner.turns.subprocess.run", once)
    chosen = [each for each in BENCHMARKS if each.name in NEEDED]
    with pytest.raises(turns.FailedTurnError):
        turns.report(chosen, 1, False, lambda _: None)
    console = Console(width=200, record=True, file=io.StringIO())
    report = turns.report(chosen, 1, False, lambda _: None, tolerant=True)
    show_goals(report, console)
    said = console.export_text()
    assert all(row.name in said for row in ROWS)
    assert "postgres: no server" in said.replace("postgres: postgres", "postgres")
    help_row = next(line for line in as_markdown(report).splitlines() if "fedledger --help" in line)
    assert "| 0.1 | 0.15 | s | yes |" in help_row
    plot_goals(report, tmp_path / "plots" / "goals.svg")
    assert "</svg>" in (tmp_path / "plots" / "goals.svg").read_text()


def test_a_figure_of_which_more_is_better_is_as_far_from_its_goal_the_other_way():
    def of(median: float | None, better: str) -> float | None:
        return Taken(ROWS[0], {"median": median, "goal": 3.0, "better": better}, (), "").share

    assert (of(1.5, "less"), of(1.5, "more"), of(None, "less")) == (0.5, 2.0, None)


def test_growth_is_fitted_and_no_term_is_below_zero():
    sizes = [(4, 10_000), (10, 10_000), (20, 10_000), (4, 1_000_000), (10, 1_000_000)]
    terms = fitted([(n, d, 0.5 + 0.1 * n + 1e-7 * n * d) for n, d in sizes])
    assert at(terms, 50, 1_000_000) == pytest.approx(0.5 + 5.0 + 5.0)
    falling = fitted([(n, 10_000, 10.0 - 0.1 * n) for n in (4, 10, 20)])
    assert min(falling[name] for name in ("constant", "n", "n²", "n·d")) >= 0


def test_growth_is_drawn(tmp_path: Path):
    sizes = [(4, 10_000), (10, 10_000), (4, 1_000_000)]
    spent = {"node": 4.0, "peer": 6.0, "chaincode": 2.0}
    measured = [
        {
            "participants": n,
            "organisations": n,
            "slots": d,
            "median_seconds": {"total": 1.0 + n},
            "processor_seconds_per_round": spent,
        }
        for n, d in sizes
    ]
    fit = fitted([(n, d, 1.0 + n) for n, d in sizes])
    report = {"measured": measured, "seconds": fit, "processor_seconds_of_an_organisation": dict.fromkeys(spent, fit)}
    draw(report, tmp_path / "plots" / "growth.svg")
    assert "</svg>" in (tmp_path / "plots" / "growth.svg").read_text()
