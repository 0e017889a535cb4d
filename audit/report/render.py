"""Templates with everything from the ledger escaped, and the filters that both report and dashboard use."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from audit.report import measures, view
from audit.report.model import qr
from audit.report.training import figures, picture
from audit.text import visible
from audit.verify.verdict import TITLES, Finding, Rule, Verdict

PAGES = Path(__file__).resolve().parent / "pages"
Url = Callable[[str, str], str]
ORIGINS = {
    "blocks": "all of that channel's blocks were audited",
    "passport": "its passport was checked",
    "": "nothing of that channel was at hand",
}
"""What an audit saw of the model that a plan began from (`audit.verify.parents`), in words."""
MOST_ROWS = 200
"""Findings of a kind that a page lists; `audit verify --json` lists all."""


def environment(url: Url) -> jinja2.Environment:
    """Return the templates; `url(kind, name)` says where a link leads."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # What is no markup of a template's own is text that others wrote.
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["url"] = url
    made.filters |= {
        "when": view.when,
        "anchor": anchor,
        "about": about,
        "voters": voters,
        "drawn": drawn,
        "card": card,
        "picture": picture,
        "figures": figures,
        "number": measures.number,
        "percent": percent,
        "slug": slug,
        "qr": qr,
        "survivors": view.survivors,
    }
    return made


def slug(text: str) -> str:
    """Return a text as a part of an element's name."""
    return re.sub(r"[^a-z0-9-]", "-", text)


def anchor(kind: str, name: str) -> str:
    """Return where a report shows something, as a fragment of an address."""
    return f"{kind}-{slug(name)}"


def percent(value: float) -> str:
    """Return a place or a width on a scale, as a drawing takes it."""
    return f"{value:.2f}%"


def about(proposal: dict[str, Any]) -> str:
    """Say in short what a proposal is about."""
    shown = {k: v for k, v in sorted(proposal["body"].items()) if not isinstance(v, dict | list)}
    nested = proposal["body"].get("parameters")
    if isinstance(nested, dict):
        shown |= nested
    return ", ".join(f"{k} {str(v)[:16] if len(str(v)) == DIGEST else v}" for k, v in shown.items())


DIGEST = 64
"""Length of a SHA-256 digest in hex."""


def voters(proposal: dict[str, Any], approve: bool) -> str:
    """Name who voted one way."""
    return ", ".join(sorted(msp for msp, vote in proposal["votes"].items() if vote["approve"] == approve))


def drawn(draw: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a draw's candidates with their weights, in the order drawn, those left out last."""
    order = {name: place for place, name in enumerate(draw["order"])}
    rows = [
        {**c, "weight": draw["weights"].get(c["participant"], 0), "placed": c["participant"] in order}
        for c in draw["candidates"]
    ]
    return sorted(rows, key=lambda row: order.get(row["participant"], len(order)))


def card(training: dict[str, Any], story: dict[str, Any]) -> dict[str, Any]:
    """Return what a model card says of a training beyond its own fields."""
    rows = view.round_rows(training, story)
    finals = [row for row in rows if row["phase"] == "Final"]
    kept = [row for row in finals if row["kept"]]
    plan = next((p for p in story["plans"] if p["plan"] == training["plan"]), {"name": "", "schema": ""})
    return {
        "plan_name": plan["name"],
        "schema": plan["schema"],
        "participants": sorted({name for row in kept for name in row["survivors"]}),
        "mode": str(training["rounds"][-1]["mode"] if training["rounds"] else story["parameters"]["mode"]),
        "metrics": kept[-1]["metrics"] if kept else [],
        "recomputed": sum(row["recomputed"] for row in finals),
        "finals": len(finals),
    }


def verdict_view(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as a page shows it."""
    return {
        "ok": verdict.ok,
        "word": verdict.word,
        "height": verdict.height,
        "transactions": verdict.transactions,
        "genesis_hash": verdict.genesis_hash,
        "last_hash": verdict.last_hash,
        "held": [
            {"code": rule.value, "rule": TITLES[rule], "times": verdict.held[rule.value]}
            for rule in Rule
            if rule.value in verdict.held
        ],
        "failures": [_row(f) for f in verdict.failures[:MOST_ROWS]],
        "warnings": [_row(f) for f in verdict.warnings[:MOST_ROWS]],
        "unchecked": [_row(f) for f in verdict.unchecked[:MOST_ROWS]],
        "counts": {
            "failures": len(verdict.failures),
            "warnings": len(verdict.warnings),
            "unchecked": len(verdict.unchecked),
        },
        "beyond": verdict.beyond,
        "origins": {
            origin.plan: {**origin.parent, "seen": ORIGINS[origin.seen]} for origin in reversed(verdict.origins)
        },
        "privacy": [spent.text for spent in verdict.privacy],
        "epsilon": [
            {"training": spent.training, "unit": spent.unit, "steps": spent.steps, "text": spent.text}
            for spent in verdict.privacy
        ],
    }


def _row(finding: Finding) -> dict[str, Any]:
    title = TITLES[Rule(finding.code)]
    return {"code": finding.code, "rule": title, "block": finding.block, "txid": finding.txid, "text": finding.text}
