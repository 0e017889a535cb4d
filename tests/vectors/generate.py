"""Writes the vectors beside this file; `--check` compares instead and fails on the first difference.

Randomness is fixed, so that the same code gives the same bytes. The cases themselves stand in the `*_cases.py` files.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arithmetic_cases
import encoding_cases
import group_cases
import privacy_cases
import secagg_cases
import vector_cases

HERE = Path(__file__).parent

VECTORS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "canonical": encoding_cases.canonical_cases,
    "tagged_hash": encoding_cases.tagged_hash_cases,
    "session": secagg_cases.session_cases,
    "threshold": secagg_cases.threshold_cases,
    "public_key": secagg_cases.public_key_cases,
    "shamir": secagg_cases.shamir_cases,
    "merkle": secagg_cases.merkle_cases,
    "keys": secagg_cases.key_cases,
    "sealed": secagg_cases.sealed_cases,
    "bundle": secagg_cases.bundle_cases,
    "reveal": secagg_cases.reveal_cases,
    "layout": vector_cases.layout_cases,
    "cohort": vector_cases.cohort_cases,
    "packing": vector_cases.packing_cases,
    "keystream": vector_cases.keystream_cases,
    "sum": vector_cases.sum_cases,
    "robust": group_cases.robust_cases,
    "groups": group_cases.group_cases,
    "privacy": privacy_cases.privacy_cases,
    "server_step": arithmetic_cases.step_cases,
    "quantise": arithmetic_cases.quantise_cases,
    "measure": arithmetic_cases.measure_cases,
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
