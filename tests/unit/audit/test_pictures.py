"""What pages draw, as values: phases and who was waited for, the matrix, lineage, metrics by unit, lines over time."""

from itertools import pairwise
from typing import Any

import pytest

from audit.report.bars import arrivals, bars, span
from audit.report.charts import MOST_SERIES, panels
from audit.report.dashboard.app import url
from audit.report.dashboard.search import search
from audit.report.lineage import lineage_rows
from audit.report.matrix import matrix
from audit.report.measures import number, unit
from audit.report.model import model, model_rounds, qr, release_of, releases_of
from audit.report.over_time import balances_over_time, participants_over_time
from audit.report.report import render
from audit.report.timeline import Phase, timelines, waits
from audit.report.training import figures, picture
from audit.report.view import round_rows, survivors
from audit.verify.verdict import Origin, Verdict


@pytest.fixture
def training(story: dict[str, Any]) -> dict[str, Any]:
    return dict(story["trainings"][0])


@pytest.fixture
def phases(story: dict[str, Any], training: dict[str, Any]) -> dict[str, list[Phase]]:
    return timelines(story["history"], training)


def test_a_round_is_told_as_phases_that_follow_one_another(phases: dict[str, list[Phase]]) -> None:
    for found in phases.values():
        assert [phase.name for phase in found] == ["Keys", "Shares", "Updates", "Unmask", "Attest"]
        assert [phase.ended_ms for phase in found[:-1]] == [phase.began_ms for phase in found[1:]]
        assert found[-1].ended_ms is not None


def test_a_phase_says_whom_it_waited_for(phases: dict[str, list[Phase]]) -> None:
    waited = {(where, phase.name): phase.waited_for for where, found in phases.items() for phase in found}
    assert waited["tumour/2/1", "Updates"] == "hospital-d, who did not come"
    assert [place for place, text in waited.items() if "did not come" in text] == [("tumour/2/1", "Updates")]
    slow = Phase("Updates", 0, 9000, 5000, {"a": 1000, "b": 2000, "c": 8000})
    assert (slow.waited_for, slow.late) == ("c, 6.0 s after the others", ("c",))
    assert Phase("Updates", 0, 9000, 5000, {"a": 1000, "b": 1200}).waited_for == ""
    minute = Phase("Updates", 0, 60_000, 0, {"a": 1000, "b": 50_000, "c": 52_000})
    assert minute.waited_for == "", "two seconds of a minute"
    under_way = Phase("Keys", 0, None, 5000, {"a": 1}, ("b", "c", "d", "e"))
    assert under_way.waited_for == "b, c, d and 1 more, not there yet"


def test_who_was_waited_for_in_several_phases_is_said_once() -> None:
    def phase(name: str, *absent: str) -> Phase:
        return Phase(name, 0, 9000, 5000, {"a": 1}, absent)

    found = waits([phase("Keys", "d"), phase("Shares"), phase("Updates", "c"), phase("Unmask", "d")])
    assert found == [("Keys, Unmask", "d, who did not come"), ("Updates", "c, who did not come")]


def test_many_survivors_are_told_by_who_is_not_among_them() -> None:
    names = [f"p{at}" for at in range(9)]
    assert survivors({"cohort": names[:4], "survivors": names[:3]}) == "p0, p1, p2"
    assert survivors({"cohort": names, "survivors": names}) == "all 9 drawn"
    assert survivors({"cohort": names, "survivors": names[1:]}) == "8, all but p0"


def test_whoever_waits_has_a_thin_piece_from_the_last_arrival_on(phases: dict[str, list[Phase]]) -> None:
    drawn, scale = bars(phases, 0)
    assert scale == max(own.seconds for own in drawn.values())
    for own in drawn.values():
        assert all(piece.x + piece.width <= 100.01 for piece in own.pieces)
    waiting = [piece for piece in drawn["tumour/2/1"].pieces if piece.waited]
    assert [(piece.name, piece.label) for piece in waiting] == [("Updates", "Updates")]
    assert 0 < waiting[0].waited < waiting[0].width
    assert not [piece for piece in drawn["tumour/1/1"].pieces if piece.waited]


def test_an_attempt_under_way_grows_until_now(training: dict[str, Any], story: dict[str, Any]) -> None:
    one = training["rounds"][-1] | {"phase": "Updates", "updates": {}, "u2": ["hospital-a"]}
    entries = [
        e for e in story["history"] if e["kind"] != "phase" or e["value"]["phase"] in ("Keys", "Shares", "Updates")
    ]
    found = timelines(entries, training | {"rounds": [one]})["tumour/4/1"]
    assert found[-1].ended_ms is None
    assert span(found, found[-1].began_ms + 7000) - span(found, found[-1].began_ms + 2000) == 5000
    assert [(a.how, a.phase) for a in arrivals(found, found[-1].began_ms)["hospital-a"]][-1] == ("missing", "Updates")


def test_a_phase_that_no_record_ends_is_over_with_the_last_word_in_it(
    training: dict[str, Any], story: dict[str, Any], phases: dict[str, list[Phase]]
) -> None:
    records = ("Keys", "Unmask", "Final")
    entries = [e for e in story["history"] if e["kind"] != "phase" or e["value"]["phase"] in records]
    rounds = [one | {"rules": 2} for one in training["rounds"]]
    whole = timelines(entries, training | {"rounds": rounds})["tumour/1/1"]
    assert [phase.name for phase in whole] == [phase.name for phase in phases["tumour/1/1"]]
    for phase, after in pairwise(whole):
        if phase.name in ("Keys", "Shares", "Unmask"):
            assert phase.ended_ms == after.began_ms == max(phase.came.values())
    first = timelines(entries, training)["tumour/1/1"]  # version 1 has no phase without a record
    assert [phase.name for phase in first] == ["Keys", "Unmask"]


def test_a_phase_that_was_never_reached_is_not_told_of(training: dict[str, Any], story: dict[str, Any]) -> None:
    kept = [e for e in story["history"] if e["kind"] not in ("proposed", "attest", "no-state")]
    entries = [e for e in kept if e["kind"] != "phase" or e["value"]["phase"] in ("Keys", "Unmask", "Final")]
    ended = training["rounds"][0] | {"rules": 2, "phase": "Void"}
    found = timelines(entries, training | {"rounds": [ended]})["tumour/1/1"]
    assert [phase.name for phase in found] == ["Keys", "Shares", "Updates", "Unmask"]


def test_the_matrix_says_what_became_of_each(story: dict[str, Any], training: dict[str, Any], phases: Any) -> None:
    found = matrix(training, story["history"], phases)
    assert found.rows["hospital-d"] == ["finished", "dropped", "fault", "finished"]
    assert found.rows["hospital-a"] == ["finished"] * 4
    assert list(found.marks) == ["finished", "dropped", "fault"]


def test_whoever_finished_after_a_deadline_was_late(story: dict[str, Any], training: dict[str, Any]) -> None:
    for entry in story["history"]:
        if entry["kind"] == "phase" and entry["value"]["phase"] == "Keys":
            entry["value"]["deadline_ms"] = entry["time_ms"] + 1
    found = matrix(training, story["history"], timelines(story["history"], training))
    assert found.rows["hospital-a"] == ["late"] * 4
    assert found.rows["hospital-d"] == ["late", "dropped", "fault", "late"]


def test_the_lineage_holds_every_model_once_and_branches_where_a_vote_rolled_back(training: dict[str, Any]) -> None:
    rows = lineage_rows(training)
    assert [row.one["round"] if row.one else 0 for row in rows] == [0, 1, 2, 3, 4]
    assert [row.kept for row in rows] == [True, True, True, False, True]
    assert [row.lane for row in rows] == [0, 0, 0, 1, 0]
    assert rows[2].starts == {0, 1}, "round 3 was rolled back, and round 4 follows from round 2"
    assert 0 in rows[3].above
    assert 0 in rows[3].below
    assert [row.kept for row in lineage_rows(training, kept_only=True)] == [True] * 4


def test_lanes_of_branches_do_not_lie_on_one_another(training: dict[str, Any]) -> None:
    extra = [
        training["rounds"][2] | {"round": n, "proposal": {**training["rounds"][2]["proposal"], "state": f"{n:064x}"}}
        for n in (5, 6)
    ]
    rows = lineage_rows(training | {"rounds": training["rounds"] + extra})
    assert [row.lane for row in rows] == [0, 0, 0, 1, 0, 2, 3]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("evaluation/accuracy", "accuracy"),
        ("train/loss", "loss"),
        ("loss/num_examples", "count"),
        ("train/num_examples", "count"),
        ("binary_accuracy", "accuracy"),
        ("mean_absolute_error", "loss"),
        ("categorical_crossentropy", "loss"),
        ("aggregation/zeroed", "count"),
        ("weight", "other"),
    ],
)
def test_a_metrics_name_says_what_it_is_measured_in(name: str, expected: str) -> None:
    assert unit(name) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.9372549019607843", "0.9373"),
        ("0.93", "0.9300"),
        ("337", "337"),
        ("1e6", "1,000,000"),
        ("12345.678", "12,346"),
        ("0.00001234", "1.23e-05"),
        ("-0.162460729", "-0.1625"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("", ""),
    ],
)
def test_numbers_have_the_digits_that_say_something(value: str, expected: str) -> None:
    assert number(value) == expected


def with_metrics(training: dict[str, Any], metrics: dict[str, str]) -> dict[str, Any]:
    rounds = [one | {"proposal": {**one["proposal"], "metrics": metrics}} for one in training["rounds"]]
    return training | {"rounds": rounds}


def test_what_is_measured_alike_stands_together_and_counts_stand_in_the_table_alone(
    story: dict[str, Any], training: dict[str, Any]
) -> None:
    metrics = {"eval/accuracy": "0.9", "train/accuracy": "0.8", "train/loss": "0.1", "train/num_examples": "40"}
    shown = with_metrics(training, metrics)
    assert [(p.title, p.names) for p in panels(shown)] == [
        ("Accuracy", ("eval/accuracy", "train/accuracy")),
        ("Loss", ("train/loss",)),
    ]
    table = figures(round_rows(shown, story))
    assert (table.groups, table.names) == (
        [("eval", 1), ("train", 3)],
        ["accuracy", "accuracy", "loss", "num_examples"],
    )
    assert table.rows[0][1] == ["0.9000", "0.8000", "0.1000", "40"]


def test_no_panel_has_more_lines_than_colours(training: dict[str, Any]) -> None:
    found = panels(with_metrics(training, {f"class_{n}/accuracy": "0.5" for n in range(12)}))
    assert [len(p.names) for p in found] == [MOST_SERIES, MOST_SERIES, 2]
    assert [p.title for p in found] == ["Accuracy, 1 of 3", "Accuracy, 2 of 3", "Accuracy, 3 of 3"]
    for p in found:
        assert all(f'class="series-{n}"' in p.drawing for n in range(1, len(p.names) + 1))


def test_values_that_no_axis_holds_are_left_to_the_table(training: dict[str, Any], story: dict[str, Any]) -> None:
    shown = with_metrics(training, {"loss": "1e300", "accuracy": "nan"})
    assert panels(shown) == []
    assert picture(shown, story).figures.rows[0][1] == ["nan", "1e+300"]


def test_lines_over_time_end_where_the_ledger_stands(story: dict[str, Any]) -> None:
    table = participants_over_time(
        story, [{"training": "tumour", "unit": "record", "steps": (("tumour/1/1", {"hospital-a": 2.5}),)}]
    )
    last = {column.title: column.last for column in table.columns}
    rewards = [r for t in story["trainings"] for one in t["rounds"] for r in one["rewards"]]
    paid = sum(r["amount"] for r in rewards if r["participant"] == "hospital-d")
    assert last["Rewards"]["hospital-d"] == number(paid)
    assert last["Examples counted"] == {
        "hospital-a": "400",
        "hospital-b": "400",
        "hospital-c": "400",
        "hospital-d": "300",
    }
    assert last["Reputation"]["hospital-d"] == "22.27 %"
    assert last["ε of each record, tumour"] == {"hospital-a": "2.500"}
    assert balances_over_time(story).columns[0].last["HospitalAMSP"] == number(story["balances"]["HospitalAMSP"])


def test_a_models_page_names_what_it_stands_on(story: dict[str, Any], training: dict[str, Any]) -> None:
    assert model_rounds(story, training) == [4]
    found = model(story, training, 4)
    assert found is not None
    assert (found["state"], found["present"]) == (training["lineage"]["state"], True)
    assert [row["round"] for row in found["rows"]] == [1, 2, 4]
    assert [party["rounds"] for party in found["parties"]] == [3, 3, 3, 2]
    assert {vote["kind"] for vote in found["decisions"]} == {
        "admit",
        "register_plan",
        "start_training",
        "roll_back_training",
    }
    assert {(flag["round"], flag["kind"]) for flag in found["flags"]} == {(2, "dropout"), (2, "exposure")}
    assert model(story, training, 3) is None, "it was rolled back"


def released(training: dict[str, Any], signed: tuple[str, ...], withdrawal: Any = None) -> dict[str, Any]:
    predicate = {
        "organisations": ["A", "B", "C", "D"],
        "not_proven": ["that nobody kept a copy of an earlier state"],
        "final": {"training": "tumour", "round": 4},
        "plan": {"framework": "jax"},
        "lineage": {"root": "ab" * 32},
        "privacy": {"unit": "", "epsilon": "", "delta": "", "rounds": 0, "clip": ""},
    }
    statement = {
        "predicate": predicate,
        "subject": [{"name": "state", "digest": {"sha256": training["lineage"]["state"]}}],
    }
    return {
        "release": "tumour-1",
        "training": "tumour",
        "round": 4,
        "released_ms": 5,
        "statement": statement,
        "withdrawal": withdrawal,
        "signatures": {msp: {"time_ms": 7} for msp in signed},
    }


def test_a_release_stands_when_a_majority_has_signed_and_until_it_is_withdrawn(training: dict[str, Any]) -> None:
    assert standing(released(training, ("A", "B"))) == "signatures are missing"
    assert standing(released(training, ("A", "B", "C"))) == "released"
    taken = {"predicate": {"reason": "", "withdrawn_ms": 9}}
    assert standing(released(training, ("A", "B", "C"), taken)) == "withdrawn"


def standing(view: dict[str, Any]) -> str:
    found = release_of(view)
    assert found is not None
    return found.standing


def test_a_release_is_found_by_the_digest_of_its_statement_and_one_that_is_none_is_passed_over(
    story: dict[str, Any], training: dict[str, Any]
) -> None:
    made = released(training, ("A", "B", "C"))
    story["releases"] = [{**made, "statement": None}, {**made, "statement": {"predicate": 7}}, made]
    (release,) = releases_of(story, "tumour", 4)
    assert [hit["href"] for hit in search(story, release.digest, url)] == ["/model/tumour/4"]
    assert release.digest in render(story, Verdict())


def test_the_qr_code_is_labelled_with_the_statements_digest() -> None:
    assert f'aria-label="QR code of sha256:{"ab" * 32}"' in qr("ab" * 32)
    assert qr("ab" * 32) != qr("ac" * 32)


def test_the_lineage_begins_in_the_channel_that_the_first_model_comes_from(
    story: dict[str, Any], training: dict[str, Any]
) -> None:
    parent = {
        "channel": "hospitals",
        "genesis": "ab" * 32,
        "passport": "cd" * 32,
        "release": "tumour-7",
        "training": "first",
        "round": 9,
        "state": "ef" * 32,
    }
    verdict = Verdict(origins=[Origin(training["plan"], "synthetic", parent, "passport")])
    page = render(story, verdict)
    assert "first after round 9, released as tumour-7 in hospitals" in page
    assert "its passport was checked" in page


def test_keys_that_no_rule_would_have_written_are_passed_over(story: dict[str, Any], training: dict[str, Any]) -> None:
    odd = [
        {"kind": kind, "parts": parts, "block": 1, "time_ms": 1, "value": {}}
        for kind in ("phase", "keys", "outcome", "score", "balance", "proposed")
        for parts in ([], ["tumour"], ["tumour", "x", "y", "z"], ["tumour", "1", "1"])
    ]
    story["history"] = odd + story["history"]
    assert render(story, Verdict())
    assert picture(training, story).matrix.rows["hospital-d"] == ["finished", "dropped", "fault", "finished"]
