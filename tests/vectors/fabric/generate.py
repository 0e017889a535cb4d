"""Writes the inputs of the vectors beside this file; `--check` compares instead. Answers that were measured stay.

An answer belongs to a case's inputs: a case that changes loses it, and the tests fail until it is measured again.
"""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import identity_cases
import policy_cases
import read_cases
import signature_cases
import update_cases
from load import load

HERE = Path(__file__).resolve().parent
FABRIC = "3.1.5"
LONG = 200
"""Values above this length stand once in a file."""

VECTORS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "identities": identity_cases.identity_cases,
    "signatures": signature_cases.signature_cases,
    "policies": policy_cases.policy_cases,
    "reads": read_cases.read_cases,
    "updates": update_cases.update_cases,
}


def with_answers(cases: list[dict[str, Any]], measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the cases with the answers that were measured for the same name and inputs."""
    answers = {_text({**case, "answer": None}): case["answer"] for case in measured}
    return [{**case, "answer": answers.get(_text({**case, "answer": None}))} for case in cases]


def render(cases: list[dict[str, Any]]) -> str:
    """Returns the cases as JSON, one a line; long values that several cases share stand above them, once."""
    counts = Counter(_text(value) for case in cases for value in _parts(case))
    shared = {_name(text): json.loads(text) for text, count in counts.items() if count > 1 and len(text) > LONG}
    short = [_replaced(case, shared) for case in cases]
    above = ",\n".join(f"{json.dumps(name)}: {_text(value)}" for name, value in sorted(shared.items()))
    lines = ",\n".join(_text(case) for case in short)
    return f'{{"fabric": "{FABRIC}", "shared": {{\n{above}\n}}, "cases": [\n{lines}\n]}}\n'


def _parts(value: Any) -> Iterator[Any]:
    """Yields the values of a case that may be shared: texts, and lists as a whole."""
    for inner in value.values():
        if isinstance(inner, list) and inner and "signature" in inner[0]:
            for each in inner:
                yield from _parts(each)
        elif isinstance(inner, str | list):
            yield inner


def _replaced(value: Any, shared: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(inner, shared) for key, inner in value.items()}
    if isinstance(value, str | list) and _name(_text(value)) in shared:
        return _name(_text(value))
    if isinstance(value, list):
        return [_replaced(inner, shared) for inner in value]
    return value


def _name(text: str) -> str:
    return "@" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def main(arguments: list[str]) -> int:
    """Writes or checks every file and returns the exit code."""
    stale = []
    for name, cases in VECTORS.items():
        path = HERE / f"{name}.json"
        measured = load(name) if path.exists() else []
        text = render(with_answers(cases(), measured))
        if "--check" not in arguments:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        print(f"vectors differ from their generator: {', '.join(stale)}", file=sys.stderr)  # noqa: T201
    return len(stale) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
