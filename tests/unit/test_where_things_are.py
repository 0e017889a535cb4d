"""docs/where-things-are.md names functions that exist, in an order in which each leads to the next."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "where-things-are.md"
ROW = re.compile(r"^\| (\d+) \| `([^:`]+):([\w.]+)` \| [^|]+ \| ([^|]*)\|$", re.MULTILINE)

LINK = re.compile(r"(?:(?P<how>called by|calls)|`(?P<shared>\w+)` of) (?P<number>\d+)")


@dataclass(frozen=True)
class Hop:
    number: int
    file: str
    function: str
    by: str

    @property
    def name(self) -> str:
        return self.function.rsplit(".", 1)[-1]

    @property
    def source(self) -> str:
        text = (ROOT / self.file).read_text()
        return go_source(text, self.name) if self.file.endswith(".go") else python_source(text, self.function)


def python_source(text: str, function: str) -> str:
    body: list[ast.stmt] = ast.parse(text).body
    node: ast.stmt | None = None
    for part in function.split("."):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        node = next((item for item in body if isinstance(item, kinds) and item.name == part), None)
        assert isinstance(node, kinds), f"there is no {function}"
        body = node.body
    return ast.get_source_segment(text, node) or ""


def go_source(text: str, function: str) -> str:
    found = re.search(rf"^func (?:\([^)]*\) )?{function}(?:\[[^]]*\])?\(.*?^\}}", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no {function}"
    return found[0]


def hops() -> list[Hop]:
    rows = ROW.findall(PAGE.read_text())
    return [Hop(int(number), file, function, by.strip()) for number, file, function, by in rows]


def leads(way: list[Hop], hop: Hop) -> bool:
    """Tell whether an earlier hop leads to this one in the way that the page says."""
    link = LINK.fullmatch(hop.by)
    assert link, f"hop {hop.number}: {hop.by!r} is no way to be led to"
    earlier = way[int(link["number"]) - 1]
    assert earlier.number < hop.number
    if link["how"] == "called by":
        return mentions(earlier.source, hop.name)
    if link["how"] == "calls":
        return mentions(hop.source, earlier.name)
    return mentions(earlier.source, link["shared"]) and mentions(hop.source, link["shared"])


def mentions(source: str, word: str) -> bool:
    return re.search(rf"(?<!\w){word}(?!\w)", source, re.IGNORECASE) is not None


def test_the_way_has_at_most_thirty_hops_numbered_in_order():
    numbers = [hop.number for hop in hops()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 25 <= len(numbers) <= 30
    assert hops()[0].file == "fl_node/data/read.py"
    assert hops()[-1].function == "finish"


@pytest.mark.parametrize("number", range(2, len(hops()) + 1))
def test_each_hop_is_led_to_as_the_page_says(number: int):
    way = hops()
    hop = way[number - 1]
    assert leads(way, hop), f"nothing leads to {hop.function} by {hop.by!r}"


def test_a_hop_to_a_function_that_is_gone_or_leads_elsewhere_is_found():
    with pytest.raises(AssertionError, match="there is no"):
        python_source("def one(): pass", "two")
    with pytest.raises(AssertionError, match="there is no"):
        go_source("func one() {\n}\n", "two")
    way = hops()
    assert not leads(way, Hop(2, way[1].file, way[1].function, "called by 1"))
    assert not leads(way, Hop(2, way[1].file, way[1].function, "`CommitUpdate` of 1"))
