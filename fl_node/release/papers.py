"""What goes with a model and follows from its passport and its plan: a card, an ML-BOM, a description of the rows.

All three say what the organisations signed, in forms that people and tools know; none says more.
"""

import json
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from fedledger_passport.contents import subjects
from fl_node.data.schema import Column, Schema
from fl_node.plan.container import Plan

CYCLONEDX: Final = "1.6"
CROISSANT: Final = "http://mlcommons.org/croissant/1.0"
FILES: Final = "participants"
TYPES: Final = {"float": "sc:Float", "integer": "sc:Integer", "boolean": "sc:Boolean", "date": "sc:Date"}
"""A column's type → Croissant's; every other is text there."""


def papers(digest: str, statement: dict[str, Any], plan: Plan) -> dict[str, bytes]:
    """Return name → bytes of the papers of a passport; `digest` is that of its statement."""
    made = {
        "bom.cdx.json": ml_bom(digest, statement, plan),
        "croissant.json": croissant(statement, plan.manifest.schema_),
    }
    found = {name: json.dumps(value, indent=2).encode() + b"\n" for name, value in made.items()}
    return found | {"README.md": card(digest, statement, plan).encode()}


def ml_bom(digest: str, statement: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """Return a CycloneDX ML-BOM of the model, its files, its plan and the framework that trained it."""
    said = statement["predicate"]
    final = said["final"]
    facts = {"passport": digest, "genesis": said["genesis"], "lineage": said["lineage"]["root"]}
    facts |= {"channel": said["channel"], "training": final["training"], "round": final["round"]}
    performance = [{"type": name, "value": value} for name, value in sorted(said["metrics"].items())]
    model = {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": said["plan"]["name"],
        "version": said["release"],
        "modelCard": {
            "quantitativeAnalysis": {"performanceMetrics": performance},
            "considerations": {"technicalLimitations": [f"It is not proven {text}." for text in said["not_proven"]]},
        },
        "properties": [{"name": f"fedledger:{name}", "value": str(value)} for name, value in facts.items()],
    }
    parts = [_part("file", name, found) for name, found in subjects(statement).items()]
    parts.append(_part("data", "plan", said["plan"]["sha256"]))
    framework = {"name": plan.manifest.framework, "version": plan.manifest.framework_version}
    parts.append({"type": "framework", "bom-ref": "framework"} | framework)
    moment = datetime.fromtimestamp(said["released_ms"] / 1000, UTC)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": CYCLONEDX,
        "serialNumber": f"urn:uuid:{uuid.UUID(digest[:32], version=4)}",
        "version": 1,
        "metadata": {"timestamp": moment.isoformat(timespec="seconds"), "component": model},
        "components": parts,
        "dependencies": [{"ref": "model", "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _part(kind: str, name: str, digest: str) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {"type": kind, "bom-ref": f"{kind}/{name}", "name": name, "hashes": hashes}


def croissant(statement: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """Return a Croissant description of the rows that each participant keeps: their columns, never their values."""
    said = statement["predicate"]
    columns = [*schema.columns, *schema.label_columns]
    fields = [_field(column) for column in {column.name: column for column in columns}.values()]
    context = {
        "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/", "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo",
        "recordSet": "cr:recordSet", "field": "cr:field", "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "source": "cr:source", "fileSet": "cr:fileSet", "extract": "cr:extract", "column": "cr:column",
        "includes": "cr:includes",
    }  # fmt: skip
    text = (
        "The rows that each participant of a federation keeps. They are nowhere to be had: only their columns are told."
    )
    files = {
        "@type": "cr:FileSet", "@id": FILES, "name": FILES, "encodingFormat": "text/csv", "includes": "*.csv",
        "description": "Each participant's own file. None can be downloaded.",
    }  # fmt: skip
    return {
        "@context": context,
        "@type": "sc:Dataset",
        "name": said["plan"]["name"],
        "description": text,
        "version": "1.0.0",
        "datePublished": datetime.fromtimestamp(said["released_ms"] / 1000, UTC).strftime("%Y-%m-%d"),
        "conformsTo": CROISSANT,
        "distribution": [files],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "rows", "name": "rows", "field": fields}],
    }


def _field(column: Column) -> dict[str, Any]:
    bounds = [f"{word} {text}" for word, text in (("from", column.minimum), ("to", column.maximum)) if text is not None]
    told = ", ".join(bounds) or ("one of " + ", ".join(column.values) if column.values else column.type)
    kind = TYPES.get(column.type, "sc:Text")
    return {
        "@type": "cr:Field", "@id": f"rows/{column.name}", "name": column.name, "description": told, "dataType": kind,
        "source": {"fileSet": {"@id": FILES}, "extract": {"column": column.name}},
    }  # fmt: skip


def card(digest: str, statement: dict[str, Any], plan: Plan) -> str:
    """Return a model card in Markdown."""
    said = statement["predicate"]
    final, steps, privacy = said["final"], said["lineage"]["steps"], said["privacy"]
    facts = {
        "released": datetime.fromtimestamp(said["released_ms"] / 1000, UTC).strftime("%Y-%m-%d"),
        "federation": f"{said['channel']}, first block {said['genesis']}",
        "organisations": ", ".join(said["organisations"]),
        "trained": f"{len(steps)} rounds; the last of {len(said['cohort'])} drawn, {len(said['survivors'])} in the sum",
        "examples of the last round": said["examples"],
        "framework": f"{plan.manifest.framework} {plan.manifest.framework_version}",
        "plan": said["plan"]["sha256"],
        "differential privacy": _promise(privacy),
        "result agreed to by": ", ".join(said["attested_by"]),
        "passport": digest,
    }
    lines = [f"# {_plain(said['plan']['name'])}: release {said['release']}", ""]
    lines += [
        f"Round {final['round']} of the training {final['training']}, by a federation whose data stayed where it is.",
        "",
    ]
    lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]
    lines += ["", "## Files", "", "| File | SHA-256 |", "|---|---|"]
    lines += [f"| {name} | `{found}` |" for name, found in subjects(statement).items()]
    lines += ["", "## Measured by the participants", "", "| Measure | Value |", "|---|---|"]
    lines += [f"| {_plain(name)} | {value} |" for name, value in sorted(said["metrics"].items())]
    lines += ["", "## What it reads", "", "| Column | Type |", "|---|---|"]
    lines += [f"| {_plain(column.name)} | {column.type} |" for column in plan.manifest.schema_.columns]
    flags = [f"- round {flag['round']}: {flag['kind']} {flag['participant']}".rstrip() for flag in said["flags"]]
    lines += ["", "## Anomalies that the ledger records", "", *(flags or ["None."])]
    lines += ["", "## What nobody proved", "", *(f"- {text}" for text in said["not_proven"])]
    lines += [
        "",
        "`passport.json` has this with the organisations' signatures; `fedledger-passport verify` checks it.",
    ]
    return "\n".join(lines) + "\n"


def _promise(privacy: dict[str, Any]) -> str:
    if not privacy["unit"]:
        return "none"
    cost = f"ε {privacy['epsilon']}, δ {privacy['delta']} in {privacy['rounds']} rounds"
    return f"of every {privacy['unit']}: {cost}, clipped to {privacy['clip']}"


def _plain(text: str) -> str:
    """A name that others chose, so that it stays within its cell."""
    return text.replace("|", "\\|").replace("\n", " ")
