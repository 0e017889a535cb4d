"""Every page that a document links to, or a comment cites, is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
CITED = re.compile(r"(?<![\w/.])(docs/[\w/-]+(?:\.md)?)")
DECISION = re.compile(r"[Dd]ecision (\d+)")


def tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in listed]


def there(cited: str) -> bool:
    """Tell whether a page is there by its name, or is a decision named by its number alone."""
    path = ROOT / cited
    return path.exists() or path.with_name(path.name + ".md").exists() or any(path.parent.glob(f"{path.name}-*.md"))


@pytest.mark.parametrize("page", tracked("*.md"), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path):
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_that_code_and_documents_cite_is_there():
    missing = {
        (str(path.relative_to(ROOT)), cited)
        for path in tracked("*.py", "*.go", "*.md", "*.toml", ".importlinter", "scripts/*")
        for cited in CITED.findall(path.read_text())
        if not there(cited) and path != Path(__file__)
    }
    assert missing == set()


def test_every_decision_that_is_cited_by_number_is_there():
    numbers = {page.name[:4] for page in tracked("docs/decisions/*.md")}
    assert len(numbers) == len(tracked("docs/decisions/*.md")), "two decisions share a number"
    for path in tracked("*.py", "*.go", "*.md"):
        for number in DECISION.findall(path.read_text()):
            assert f"{int(number):04}" in numbers, f"{path.relative_to(ROOT)} cites decision {number}"


def test_a_page_that_is_missing_is_noticed():
    assert there("docs/decisions/0012")
    assert not there("docs/decisions/0099")
    assert not there("docs/architecture.md")
