"""Asks real Fabric the cases beside this file and writes its answers; `--check` compares them instead.

    FABRIC_BIN=… .venv/bin/python tests/vectors/fabric/record.py [--check] [identities signatures policies updates …]

An orderer answers, and a peer behind it for reads.

Whether somebody signed as a policy asks is seen by a change that the policy guards: the orderer takes it or not. What
cannot be asked so (a key that nobody can sign with, a path that no configuration may name) is left as it was measured.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2])]

import asking  # noqa: E402
import blocks  # noqa: E402
from generate import VECTORS, render, with_answers  # noqa: E402
from load import load  # noqa: E402
from ordering import Ordering, ordering  # noqa: E402

Measured = dict[str, Any]
ASKED: dict[str, Callable[[Ordering], Iterator[tuple[str, Measured | None]]]] = {
    "identities": asking.identities,
    "signatures": asking.signatures,
    "policies": asking.policies,
    "updates": asking.updates,
    "reads": blocks.reads,
}
WORDING = {"message", "reason"}


def answers(running: Ordering, name: str) -> tuple[dict[str, Measured], list[str]]:
    """Return the orderer's answers to the cases of a file, and the names of cases that cannot be asked."""
    given = dict(ASKED[name](running))
    return {case: a for case, a in given.items() if a is not None}, [case for case, a in given.items() if a is None]


def differences(name: str, measured: dict[str, Measured]) -> list[str]:
    """Return in which cases an answer is other than the one in the file; how a refusal is worded does not count."""
    written = {case["name"]: case["answer"] for case in load(name)}
    return [
        f"{name}: {case}: {field} is {value!r}, written is {(written[case] or {}).get(field)!r}"
        for case, answer in measured.items()
        for field, value in answer.items()
        if field not in WORDING and value != (written[case] or {}).get(field)
    ]


def write(name: str, measured: dict[str, Measured]) -> None:
    """Write a file with new answers, where they were measured."""
    path = HERE / f"{name}.json"
    cases = with_answers(VECTORS[name](), load(name) if path.exists() else [])
    path.write_text(render([{**case, "answer": measured.get(case["name"], case["answer"])} for case in cases]))


def main(arguments: list[str]) -> int:
    """Record or compare and return the exit code."""
    names = [each for each in arguments if each != "--check"] or list(ASKED)
    found = []
    with ordering() as running:
        for name in names:
            measured, left = answers(running, name)
            print(f"{name}: {len(measured)} asked; not to be asked: {left}", flush=True)  # noqa: T201
            found += differences(name, measured) if (HERE / f"{name}.json").exists() else []
            if "--check" not in arguments:
                write(name, measured)
    print("\n".join(found))  # noqa: T201
    return len(found) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
