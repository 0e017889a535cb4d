"""gateway/RETRIES.md names tests that exist, for every row of the README's table."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
PAGE = (PROJECT / "gateway" / "RETRIES.md").read_text()
FOLDERS = {"test_retry_table.py": "unit/gateway"}


def named():
    """Yield file and test of every name on the page; one without a file is a wire test."""
    for name in re.findall(r"`((?:test_\w+\.py:)?test_\w+)`", PAGE):
        file, _, test = name.rpartition(":")
        folder = FOLDERS.get(file, "contract") if file else "unit/gateway"
        yield PROJECT / "tests" / folder / (file or "test_retry_wire.py"), test


def test_every_named_test_exists():
    missing = [f"{path.name}:{test}" for path, test in named() if f"def {test}(" not in path.read_text()]
    assert not missing
    assert len(list(named())) > 40


def test_every_row_has_a_test_or_says_why_not():
    rows = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("|")][2:]
    assert all(
        "test_" in wire and ("test_" in network or network.strip().startswith("no: ")) for _, wire, network in rows
    )


def test_every_stage_of_the_readmes_table_is_on_the_page():
    readme = (PROJECT / "gateway" / "README.md").read_text()
    rows = re.findall(r"^\| (endorse|submit|commit status|committed as)[^|]*\|", readme, re.MULTILINE)
    assert len(rows) >= 9
    assert set(rows) <= {stage for stage in ("endorse", "submit", "commit status", "committed as") if stage in PAGE}
