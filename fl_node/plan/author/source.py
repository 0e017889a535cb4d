"""Writes a researcher's file from a draft: Python that she reads, changes and builds."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from fl_node.data.schema import Column, Missing, Schema
from fl_node.plan.author import jax_source, tff_source
from fl_node.plan.author.draft import Draft

WRITERS: Final = {"jax": jax_source, "tff": tff_source}
"""By a framework's word: its imports, its network and its plan."""

WIDTH: Final = 120

HEAD: Final = '''"""A first plan, drafted from {rows} rows by `fedledger plan new`; it holds none of them.

    fedledger plan try {name}.py --data ROWS.csv --split 4
    fedledger plan build {name}.py -o {name}.flplan

SCHEMA is what the rows of every member must look like: agree with the others on columns, ranges and categories. Ranges
are wider than the rows seen and rounded; means and deviations are rounded, and only have to be near everybody's.
A row of a member that lies beyond a range refuses all its data (docs/data.md).
"""
'''


def plan_name(text: str) -> str:
    """A plan's name from any text: [a-z0-9-], at most 40 letters."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "plan"


def write_source(draft: Draft, name: str, framework: str) -> str:
    """Returns the text of a Python file that describes a plan.

    Args:
        draft: The schema and the task.
        name: The plan's name, [a-z0-9-].
        framework: `jax` or `tff`.
    """
    writer = WRITERS[framework]
    parts = [
        HEAD.format(rows=draft.rows, name=name),
        writer.imports(draft, _schema_imports(draft.schema)),
        "",
        *_schema(draft),
        "",
        "",
        writer.body(draft, name),
    ]
    return "\n".join(parts)


def _schema_imports(schema: Schema) -> str:
    window = ", Window" if schema.window else ""
    label = ", Label" if schema.label else ""
    return f"from fl_node.data.schema import Column{label}, Missing, Schema{window}"


def _schema(draft: Draft) -> Iterator[str]:
    schema = draft.schema
    yield "SCHEMA = Schema("
    yield "    columns=("
    for column in schema.columns:
        yield from _noted(_call("Column", column, " " * 8), draft.notes.get(column.name))
    for name, reason in draft.left_out.items():
        yield f"        # {json.dumps(name)} is left out: {reason}"
    yield "    ),"
    if schema.label:
        yield from _noted(_call("Label", schema.label, " " * 4, "label="), draft.notes.get(schema.label.name))
    yield from _call("Missing", schema.missing, " " * 4, "missing=")
    if schema.window:
        yield from _call("Window", schema.window, " " * 4, "window=")
    yield ")"


def _noted(lines: list[str], note: str | None) -> Iterator[str]:
    if note and len(lines) == 1:
        yield f"{lines[0]}  # {note}"
        return
    if note:
        yield f"{lines[0]}  # {note}"
        yield from lines[1:]
        return
    yield from lines


def _call(name: str, model: Column | Any, indent: str, before: str = "") -> list[str]:
    """A call that makes a model, on one line where it fits."""
    fields = type(model).model_fields
    always = {"rows"} if isinstance(model, Missing) else set()
    said = {
        each: getattr(model, each)
        for each, about in fields.items()
        if each in always or about.is_required() or getattr(model, each) != about.default
    }
    arguments = [f"{each}={_literal(value)}" for each, value in said.items()]
    line = f"{indent}{before}{name}({', '.join(arguments)}),"
    if len(line) <= WIDTH:
        return [line]
    return [f"{indent}{before}{name}(", *(f"{indent}    {argument}," for argument in arguments), f"{indent}),"]


def _literal(value: Any) -> str:
    if isinstance(value, tuple):
        inner = ", ".join(_literal(each) for each in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
