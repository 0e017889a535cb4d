"""What goes with a model and follows from its passport and its plan: cards, an ML-BOM, a description of the rows.

All say what the organisations signed, in forms that people and tools know; none says more.
"""

import json
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from fedledger_passport.contents import subjects
from fl_node.data.schema import Column, Schema
from fl_node.plan.container import Plan
from fl_node.release.card import markdown, page

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
    cards = {"README.md": markdown(digest, statement, plan), "card.html": page(digest, statement, plan)}
    return found | {name: text.encode() for name, text in cards.items()}


def ml_bom(digest: str, statement: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """Return a CycloneDX ML-BOM of the model, its files, its plan and the framework that trained it."""
    said = statement["predicate"]
    final = said["final"]
    facts = {"passport": digest, "genesis": said["genesis"], "lineage": said["lineage"]["root"]}
    facts |= {f"parent:{at}": one["passport"] for at, one in enumerate(said["parents"], 1)}
    facts |= {"chaincode": said["code"]["source"]} if said["code"]["source"] else {}
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
