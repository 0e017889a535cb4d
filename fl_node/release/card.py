"""A model card of a passport, as Markdown and as one HTML page without outside assets: the same sections in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from fedledger_passport.contents import subjects
from fl_node.plan.container import Plan

HINT: Final = "passport.json has this with the organisations' signatures; fedledger-passport verify checks it."
STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}"
    "body{color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid #ccc;overflow-wrap:anywhere}th{font-weight:600}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}th,td{border-color:#555}}"
)


@dataclass(frozen=True)
class Section:
    """A part of the card: a table, with or without a head, or a list.

    Attributes:
        title: Its heading; empty for the first.
        head: The columns' names; empty for a list.
        rows: The table's cells, or one text a line.
    """

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def sections(digest: str, statement: dict[str, Any], plan: Plan) -> list[Section]:
    """Return what a card says; `digest` is that of the passport's statement."""
    said = statement["predicate"]
    flags = [(f"round {flag['round']}: {flag['kind']} {flag['participant']}".rstrip(),) for flag in said["flags"]]
    spent = sorted(said["privacy"]["spent"].items())
    made = [
        Section("", ("Fact", ""), _facts(digest, said, plan)),
        Section("Files", ("File", "SHA-256"), list(subjects(statement).items())),
        Section("Measured by the participants", ("Measure", "Value"), sorted(said["metrics"].items())),
        Section("What it reads", ("Column", "Type"), [(one.name, one.type) for one in plan.manifest.schema_.columns]),
        Section("Privacy spent", ("Participant", f"ε at δ {said['privacy']['delta']}"), spent),
        Section("Where it began", ("Model", "Passport"), [(_parent(one), one["passport"]) for one in said["parents"]]),
        Section("Anomalies that the ledger records", (), flags or [("None.",)]),
        Section("What nobody proved", (), [(text,) for text in said["not_proven"]]),
        Section("What no audit makes again", (), [(text,) for text in said["not_audited"]]),
    ]
    return [one for one in made if one.rows]


def title_of(statement: dict[str, Any]) -> tuple[str, str]:
    """Return a card's title and the sentence below it."""
    said = statement["predicate"]
    final = said["final"]
    sentence = (
        f"Round {final['round']} of the training {final['training']}, by a federation whose data stayed where it is."
    )
    return f"{said['plan']['name']}: release {said['release']}", sentence


def _facts(digest: str, said: dict[str, Any], plan: Plan) -> list[tuple[str, str]]:
    steps = said["lineage"]["steps"]
    code = said["code"]["source"] or "not named"
    facts = {
        "released": datetime.fromtimestamp(said["released_ms"] / 1000, UTC).strftime("%Y-%m-%d"),
        "federation": f"{said['channel']}, first block {said['genesis']}",
        "organisations": ", ".join(said["organisations"]),
        "trained": f"{len(steps)} rounds; the last of {len(said['cohort'])} drawn, {len(said['survivors'])} in the sum",
        "examples of the last round": str(said["examples"]),
        "framework": f"{plan.manifest.framework} {plan.manifest.framework_version}",
        "plan": said["plan"]["sha256"],
        "differential privacy": _promise(said["privacy"]),
        "result agreed to by": ", ".join(said["attested_by"]),
        "chaincode": f"rules version {said['rules']}, sources {code}",
        "passport": digest,
    }
    return list(facts.items())


def _promise(privacy: dict[str, Any]) -> str:
    if not privacy["unit"]:
        return "none"
    cost = f"ε {privacy['epsilon']}, δ {privacy['delta']} in {privacy['rounds']} rounds"
    return f"of every {privacy['unit']}: {cost}, clipped to {privacy['clip']}"


def _parent(parent: dict[str, Any]) -> str:
    told = f"{parent['release']} of {parent['channel']}, signed by {', '.join(parent['signed_by'])}"
    return told + ("; withdrawn since" if parent["withdrawn_ms"] else "")


def markdown(digest: str, statement: dict[str, Any], plan: Plan) -> str:
    """Return the card in Markdown."""
    title, sentence = title_of(statement)
    lines = [f"# {_plain(title)}", "", sentence]
    for one in sections(digest, statement, plan):
        lines += ["", f"## {one.title}"] if one.title else []
        lines.append("")
        if one.head:
            lines += [_line(one.head), "|" + "---|" * len(one.head)]
        lines += [_line(row) if one.head else f"- {_plain(row[0])}" for row in one.rows]
    return "\n".join([*lines, "", HINT]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _plain(text: str) -> str:
    """A name that others chose, so that it stays within its cell."""
    return str(text).replace("|", "\\|").replace("\n", " ")


def page(digest: str, statement: dict[str, Any], plan: Plan) -> str:
    """Return the card as an HTML page; whatever others wrote is escaped."""
    title, sentence = title_of(statement)
    parts = [f"<h1>{escape(title)}</h1><p>{escape(sentence)}</p>"]
    for one in sections(digest, statement, plan):
        parts.append(f"<h2>{escape(one.title)}</h2>" if one.title else "")
        parts.append(_table(one) if one.head else _list(one))
    body = "\n".join([*parts, f"<p>{escape(HINT)}</p>"])
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n'


def _table(one: Section) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in one.head)
    rows = [
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in row[1:])
        + "</tr>"
        for row in one.rows
    ]
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{chr(10).join(rows)}\n</tbody></table>"


def _list(one: Section) -> str:
    return "<ul>" + "".join(f"<li>{escape(row[0])}</li>" for row in one.rows) + "</ul>"
