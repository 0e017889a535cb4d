"""The report: one page that stands alone, from verified blocks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from audit.report.ai_act import AI_ACT
from audit.report.charts import Panel, panels
from audit.report.lineage import place
from audit.report.model import model, model_rounds
from audit.report.over_time import balances_over_time, participants_over_time
from audit.report.render import PAGES, anchor, environment, verdict_view
from audit.report.view import contributions, exposures, group_contributions
from audit.verify.verdict import Verdict
from network.files import replace_file

FOUNDED = (
    ("trainings", "Trainings"),
    ("models", "Models"),
    ("contributions", "Contributions"),
    ("members", "Members and votes"),
    ("flags", "Flags"),
    ("monitor", "Monitor"),
    ("retention", "Retention"),
)
ALWAYS = (("ai-act", "EU AI Act"), ("again", "How to check"))


def render(story: dict[str, Any], verdict: Verdict, monitored: Sequence[dict[str, Any]] = ()) -> str:
    """Return the report as HTML without outside assets; what the ledger says is escaped."""
    templates = environment(lambda kind, name: "#" + anchor(kind, name))
    founded = story["founded"]
    view, models = verdict_view(verdict), list(_models(story)) if founded else []
    return templates.get_template("report.html").render(
        story=story,
        verdict=view,
        style=Markup((PAGES / "static" / "style.css").read_text()),  # noqa: S704 - this project's own file
        sections=[("main", "Verdict"), *(FOUNDED if founded else ()), *ALWAYS],
        shares=contributions(story) if founded else [],
        exposed=exposures(story) if founded else [],
        models=models,
        paged={t["training"]: [own["round"] for own, other, _ in models if other is t] for _, t, _ in models},
        standing=participants_over_time(story, view["epsilon"]) if founded else None,
        balances=balances_over_time(story) if founded else None,
        monitored=monitored,
        groups=group_contributions(story) if founded else [],
        ai_act=AI_ACT,
    )


def _models(story: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[Panel]]]:
    """Yield the models that have a page each, with their training and charts."""
    for training in story["trainings"]:
        for number in model_rounds(story, training):
            shown = model(story, training, number)
            if shown is not None:
                wanted = {place(row).partition("/")[2] for row in shown["path"]}
                yield shown, training, panels(training, wanted)


def write(path: Path, story: dict[str, Any], verdict: Verdict, monitored: Sequence[dict[str, Any]] = ()) -> None:
    """Write the report, whole or not at all; `monitored` is what the monitor found of each training."""
    replace_file(path, render(story, verdict, monitored))
