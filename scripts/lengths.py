"""Checks that functions have at most 40 lines, Python and Go; says which files have over 250 lines (tests 400)."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES = 250
TEST_FILE_LINES = 400
FUNCTION_LINES = 40
GO_FUNCTION = re.compile(r"^func (?:\([^)]*\) )?(\w+).*\{$")


def main() -> int:
    """Print every file and function that is long; return 1 if there is a function too long."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.go"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in listed if (ROOT / name).exists()}
    written = {name: text for name, text in texts.items() if not _generated(text.splitlines())}
    for name, text in written.items():
        for advice in long_file(name, text):
            print(advice)
    problems = [problem for name, text in written.items() for problem in long_functions(name, text)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def long_file(name: str, text: str) -> Iterator[str]:
    """Yield advice where a file is long: it may do two things."""
    lines = len(text.splitlines())
    limit = TEST_FILE_LINES if name.startswith("tests/") or name.endswith("_test.go") else FILE_LINES
    if lines > limit:
        yield f"{name}: {lines} lines, more than {limit}; does it do one thing?"


def long_functions(name: str, text: str) -> Iterator[str]:
    """Yield the functions of a file that are too long."""
    functions = _python_functions(text) if name.endswith(".py") else _go_functions(text.splitlines())
    for function, start, length in functions:
        if length > FUNCTION_LINES:
            yield f"{name}:{start}: {function} has {length} lines, at most {FUNCTION_LINES}"


def _generated(lines: list[str]) -> bool:
    return any("Code generated" in line and "DO NOT EDIT" in line for line in lines[:5])


def _python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield name, line and length of the body without its docstring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - body[0].lineno + 1


def _go_functions(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    start, name = 0, ""
    for number, line in enumerate(lines, start=1):
        if found := GO_FUNCTION.match(line):
            start, name = number, found[1]
        elif line == "}" and name:
            yield name, start, number - start - 1
            name = ""


if __name__ == "__main__":
    sys.exit(main())
