"""The commands of docs/deploy.md, read out of the page, so that page and test cannot drift apart."""

import re
from functools import cache
from typing import Final

from tests.hosts.hosts import ROOT

PAGE: Final = ROOT / "docs" / "deploy.md"
RUNBOOKS: Final = PAGE.parent / "runbooks"
MEMBERS: Final = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")


@cache
def sections() -> dict[str, str]:
    """Return the page's text by heading."""
    _, *parts = re.split(r"^## +", PAGE.read_text(), flags=re.MULTILINE)
    return {heading.strip(): text for heading, _, text in (part.partition("\n") for part in parts)}


def blocks(section: str) -> list[list[str]]:
    """Return the commands of a section, block by block."""
    found = re.findall(r"^```sh\n(.*?)^```", sections()[section], re.MULTILINE | re.DOTALL)
    return [[line.strip() for line in block.splitlines() if line.strip()] for block in found]


def of_others(section: str) -> list[list[tuple[str, str]]]:
    """Return what other organisations do meanwhile, as (organisation, command), block by block."""
    return _of_several(sections()[section])


def runbook(name: str) -> list[list[tuple[str, str]]]:
    """Return what several organisations do by a page of docs/runbooks, as (organisation, command), block by block."""
    return _of_several((RUNBOOKS / f"{name}.md").read_text())


def successor() -> str:
    """Return what an orderer's successor writes into its entry of the definition, by its page."""
    (line,) = re.findall(r"^`(orderers: \[\{.*?\}\])`", (RUNBOOKS / "orderer-gone.md").read_text(), re.MULTILINE)
    return str(line)


def _of_several(text: str) -> list[list[tuple[str, str]]]:
    found = re.findall(r"^```members\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [
        [(who, command) for who, _, command in (line.partition(": ") for line in block.splitlines())] for block in found
    ]


def definition() -> str:
    """Return the consortium's definition."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```", sections()["Before"], re.MULTILINE | re.DOTALL)
    return str(text)


def counted() -> dict[str, int]:
    """Return how many commands the page's table says that each section has."""
    rows = re.findall(r"^\|[^|]+\| (\d+) \| \[([^\]]+)\]", PAGE.read_text(), re.MULTILINE)
    return {heading: int(number) for number, heading in rows}


def of_member(command: str, name: str) -> str:
    """Return a command of the page's hospital-a as another member gives it: everybody's successors move on too."""
    place = MEMBERS.index(name)
    return re.sub(r"hospital-[a-d]", lambda found: MEMBERS[(MEMBERS.index(found[0]) + place) % len(MEMBERS)], command)
