"""The report: whole, in one file, and deaf to what a ledger would have it do."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from audit.report.ai_act import AI_ACT
from audit.report.report import render
from audit.report.view import contributions, exposures, round_rows
from audit.verify.story import lineage_breaks
from audit.verify.verdict import Rule, Verdict

HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">"\'$\\frac{1}{0}$\x1b[2J\u202eKO'


class Elements(HTMLParser):
    """Collects every element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _verdict() -> Verdict:
    verdict = Verdict(channel="fedchannel", height=9, transactions=12, genesis_hash="ab" * 32, last_hash="cd" * 32)
    verdict.held_rule(Rule.ORDER, 9)
    return verdict


def _elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(page)
    return parser.found


def _hostile(value: Any) -> Any:
    """Put hostile text wherever a story holds text that a participant chooses."""
    if isinstance(value, dict):
        return {k: HOSTILE if k in CHOSEN else _hostile(v) for k, v in value.items()}
    return [_hostile(v) for v in value] if isinstance(value, list) else value


CHOSEN = {"reason", "name", "detail", "msp_id", "kind", "proposer", "status", "participant", "schema", "mode"}


def test_the_report_has_every_section_with_the_verdict_first(page: str) -> None:
    titles = re.findall(r"<h[12][^>]*>([^<]+)</h[12]>", page)
    assert titles == [
        "Verdict",
        "Trainings",
        "Models",
        "Contributions, rewards and reputation",
        "Members and votes",
        "Flags and exposure",
        "Monitor",
        "Retention",
        "Record-keeping under the EU AI Act",
        "How to check this report",
    ]
    assert "rolled back" in page
    assert "refuted-aggregate" in page


def test_the_report_names_no_outside_asset(page: str) -> None:
    sources = [attributes.get(n) for _, attributes in _elements(page) for n in ("src", "href") if n in attributes]
    assert [source for source in sources if not str(source).startswith("#")] == []
    assert not [tag for tag, _ in _elements(page) if tag in ("script", "link", "iframe", "object", "img")]


def test_what_a_ledger_says_stays_text(story: dict[str, Any]) -> None:
    hostile = _hostile(story)
    for training in hostile["trainings"]:
        for one in training["rounds"]:
            if one["proposal"]:
                one["proposal"]["metrics"] = {HOSTILE: "0.5", "$loss$": "0.25"}
    verdict = _verdict()
    verdict.failed_rule(Rule.LINEAGE, HOSTILE)
    page = render(hostile, verdict)
    assert [c for c in page if not c.isprintable() and c != "\n"] == []
    elements = _elements(page)
    assert not [tag for tag, _ in elements if tag == "script"]
    assert not [attributes for _, attributes in elements if any(name.startswith("on") for name in attributes)]
    assert not [tag for tag, _ in elements if tag in ("img", "frac")]
    assert "alert(1)" in page


def test_a_failed_audit_says_so_first(story: dict[str, Any]) -> None:
    verdict = _verdict()
    verdict.failed_rule(Rule.LINEAGE, "round 2 starts elsewhere", 7)
    page = render(story, verdict)
    assert "<title>Audit of fedchannel: FAILED</title>" in page
    assert page.index("1 breach was found") < page.index("Trainings</h2>")


def test_what_seven_groups_contributed_stands_in_a_table_beside_equal_shares(story: dict[str, Any]) -> None:
    one = next(one for one in story["trainings"][0]["rounds"] if one["phase"] == "Final")
    one["groups"] = [[f"p{group}{place}" for place in range(3)] for group in range(7)]
    one["contribution"] = [65_536 * group for group in range(6)] + [-32_768]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", render(story, _verdict()))
    table = [re.sub("<[^>]+>", " ", row).split() for row in rows if "p00" in row or "p51" in row or "p62" in row]
    assert [row[2:] for row in table] == [
        ["p00,", "p01,", "p02", "+0.0000", "0", "%", "14", "%"],
        ["p50,", "p51,", "p52", "+5.0000", "33", "%", "14", "%"],
        ["p60,", "p61,", "p62", "-0.5000", "0", "%", "14", "%"],
    ]


def test_a_channel_without_a_federation_still_has_its_verdict() -> None:
    page = render({"channel": "fedchannel", "founded": False, "events": []}, _verdict())
    assert "Every rule holds in 9 blocks" in page


@pytest.mark.parametrize("article", ["12(1)", "18(1)", "19(1)", "26(6)"])
def test_the_act_is_answered_or_said_to_be_open(page: str, article: str) -> None:
    row = next(row for row in AI_ACT if row.article == article)
    assert row.missing
    assert f'<th scope="row">{article}</th>' in page


def test_rounds_say_what_became_of_them(story: dict[str, Any]) -> None:
    (training,) = story["trainings"]
    rows = {(row["round"], row["attempt"]): row for row in round_rows(training, story)}
    assert rows[2, 1]["missing"] == ["hospital-d"]
    assert rows[2, 1]["recomputed"]
    assert [step["status"] for step in rows[1, 1]["steps"]] == ["done"] * 6
    kept = [row["round"] for row in rows.values() if row["kept"]]
    assert kept == [step["round"] for step in training["lineage"]["steps"]]
    assert rows[1, 1]["times"]["Final"] > rows[1, 1]["times"]["Shares"] > rows[1, 1]["opened_ms"]


def test_contributions_add_up_to_what_was_paid(story: dict[str, Any]) -> None:
    rows = contributions(story)
    rewards = [r["amount"] for t in story["trainings"] for one in t["rounds"] for r in one["rewards"]]
    assert sum(row["rewards"] for row in rows) == sum(rewards)
    assert {entry["participant"] for entry in exposures(story)} == {"hospital-d"}


@pytest.mark.parametrize("other", ["00" * 32, "ff" * 32])
def test_a_break_in_the_lineage_is_named(story: dict[str, Any], other: str) -> None:
    (training,) = story["trainings"]
    assert lineage_breaks(training) == []
    training["lineage"]["steps"][0]["base_state"] = other
    assert [text.split(" starts")[0] for text in lineage_breaks(training)] == ["round 1"]
    training["lineage"]["state"] = "11" * 32
    assert len(lineage_breaks(training)) == 2


def test_a_step_to_a_model_of_no_round_or_of_another_is_a_break(story: dict[str, Any]) -> None:
    (training,) = story["trainings"]
    step = training["lineage"]["steps"][-1]
    final = next(r for r in training["rounds"] if (r["round"], r["attempt"]) == (step["round"], step["attempt"]))
    final["proposal"]["state"] = "22" * 32
    assert lineage_breaks(training) == [f"round {step['round']} is not one that ended with {step['state'][:16]}"]
    final["phase"] = "Void"
    assert lineage_breaks(training) == [f"round {step['round']} is not one that ended with {step['state'][:16]}"]
