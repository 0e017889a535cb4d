"""Checks the Go code with gosec, and the files of the repository for secrets.

Bandit's rules for Python are ruff's `S` rules, which scripts/check runs too. Advisories need the network: see
scripts/advisories.
"""

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GOSEC = "github.com/securego/gosec/v2/cmd/gosec@v2.22.8"
ACCEPTED = ROOT / "scripts" / "accepted_findings.toml"
SECRETS = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{60,}"),
    "a token in an address": re.compile(r"https?://[^\s/:@\"'{]+:[^\s/@\"'{]{6,}@"),
    "a cloud or forge token": re.compile(
        r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[abp]-[0-9A-Za-z-]{20,})\b"
    ),
}
TEST_KEYS = ("tests/vectors/", "tests/unit/gateway/official/")
"""Keys that were made for tests and are published with them."""


def main() -> int:
    """Print every finding that is not accepted, and every accepted one that is gone; return 1 if there is any."""
    problems = [*secrets(), *static_findings()]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def static_findings() -> Iterator[str]:
    """Yield gosec's findings less the accepted ones, and accepted ones that no finding needs."""
    accepted = tomllib.loads(ACCEPTED.read_text(encoding="utf-8"))["gosec"]
    needed = set()
    for finding in _gosec():
        file = str(Path(finding["file"]).relative_to(ROOT))
        reasons = [i for i, entry in enumerate(accepted) if _matches(entry, finding["rule_id"], file)]
        needed.update(reasons)
        if not reasons:
            yield f"{file}:{finding['line']}: {finding['rule_id']} {finding['details']}"
    for i, entry in enumerate(accepted):
        if i not in needed:
            yield f"{ACCEPTED.name}: nothing is found any more of {entry['rule']} in {entry['file']}: remove the entry"


def _matches(entry: dict[str, str], rule: str, file: str) -> bool:
    return fnmatch.fnmatch(rule, entry["rule"]) and fnmatch.fnmatch(file, entry["file"])


def _gosec() -> list[dict[str, Any]]:
    command = [str(ROOT / "scripts" / "go"), "run", GOSEC, "-quiet", "-fmt=json", "-exclude-generated", "./..."]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        raise SystemExit(f"gosec did not run: {done.stderr.strip()[-400:]}")
    return list(json.loads(done.stdout)["Issues"] or [])


def secrets() -> Iterator[str]:
    """Yield files of the repository that hold what looks like a secret."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, listed):
        path = ROOT / name
        if name.startswith(TEST_KEYS) or not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        for what, pattern in SECRETS.items():
            for found in pattern.finditer(text):
                yield f"{name}:{text.count(chr(10), 0, found.start()) + 1}: looks like {what}"


if __name__ == "__main__":
    sys.exit(main())
