"""Writes the vectors beside this file; `--check` compares instead and fails on the first difference.

Randomness is fixed, so that the same code gives the same bytes. The cases themselves stand in the `*_cases.py` files.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import encoding_cases

HERE = Path(__file__).parent

VECTORS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "canonical": encoding_cases.canonical_cases,
    "tagged_hash": encoding_cases.tagged_hash_cases,
}


def render(cases: list[dict[str, Any]]) -> str:
    """Returns the cases as JSON, one case a line, so that a change shows in a diff as the case that changed."""
    lines = (json.dumps(case, sort_keys=True, ensure_ascii=True) for case in cases)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main(arguments: list[str]) -> int:
    """Writes or checks every vector file and returns the exit code."""
    stale = []
    for name, cases in VECTORS.items():
        path, text = HERE / f"{name}.json", render(cases())
        if "--check" not in arguments:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        print(f"vectors differ from their generator: {', '.join(stale)}", file=sys.stderr)  # noqa: T201
    return len(stale) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
