"""The report: one page that stands alone, from verified blocks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from audit.report.ai_act import AI_ACT
from audit.report.charts import reputation_chart
from audit.report.render import PAGES, anchor, data_url, environment, verdict_view
from audit.report.view import contributions, exposures
from audit.verify.verdict import Verdict
from network.files import replace_file

FOUNDED = (
    ("members", "Members and votes"),
    ("trainings", "Trainings and models"),
    ("contributions", "Contributions"),
    ("flags", "Flags"),
    ("monitor", "Monitor"),
    ("retention", "Retention"),
)
ALWAYS = (("ai-act", "EU AI Act"), ("again", "How to check"))


def render(story: dict[str, Any], verdict: Verdict, monitored: Sequence[dict[str, Any]] = ()) -> str:
    """Return the report as HTML without outside assets; what the ledger says is escaped."""
    templates = environment(lambda _kind, name: "#" + anchor(name))
    founded = story["founded"]
    return templates.get_template("report.html").render(
        story=story,
        verdict=verdict_view(verdict),
        style=Markup((PAGES / "static" / "style.css").read_text()),  # noqa: S704 - this project's own file
        sections=[("main", "Verdict"), *(FOUNDED if founded else ()), *ALWAYS],
        shares=contributions(story) if founded else [],
        exposed=exposures(story) if founded else [],
        reputation=data_url(reputation_chart(story["participants"])) if founded else "",
        monitored=monitored,
        ai_act=AI_ACT,
    )


def write(path: Path, story: dict[str, Any], verdict: Verdict, monitored: Sequence[dict[str, Any]] = ()) -> None:
    """Write the report, whole or not at all; `monitored` is what the monitor found of each training."""
    replace_file(path, render(story, verdict, monitored))
