"""A federation on hosts of its own, set up by the commands of docs/deploy.md in the order in which people give them."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import yaml

from network.build import build_chaincode
from network.topology import Chaincode
from tests.faults import synthetic
from tests.hosts import page
from tests.hosts.hosts import PATIENCE_S, Host, end, hosts
from tests.hosts.keys import KeyWatch
from tests.hosts.page import MEMBERS
from tests.hosts.wire import Wire

LATER = "hospital-e"
SECTIONS = dict.fromkeys(MEMBERS, "A founding member") | {
    "orderer": "An orderers' organisation",
    "regulator": "A regulator",
}
LATER_SECTION = "A member that comes later"
PAUSE_S = 1.5  # each look is a command of its own, which costs a second of a processor
TOO_FEW = "too few to order: run this again"
NOT_YET = (
    "proposal vote",
    "update adopt",
    "wallet transfer",
    "member apply",
    "plan register",
    "train start",
    "audit genesis",
)
"""What waits for the others' part, which the page says; it is repeated until they have done it."""


@dataclass
class Federation:
    """The organisations' hosts, the wire between them, and what runs in the foreground there."""

    hosts: Mapping[str, Host]
    wire: Wire
    fabric: bool
    keys: KeyWatch
    given: dict[str, list[str]] = field(default_factory=dict)
    running: dict[tuple[str, str], subprocess.Popen[str]] = field(default_factory=dict)

    def __getitem__(self, organisation: str) -> Host:
        return self.hosts[organisation]

    def give(self, organisation: str, command: str) -> str:
        """Give a command of the page on an organisation's host; one that ends with & goes on running."""
        self.given.setdefault(organisation, []).append(command)
        command = command if self.fabric else command.replace(" --fabric", "")
        if command.endswith("&"):
            self.start(organisation, command.removesuffix("&"))
            return ""
        if any(words in command for words in NOT_YET):
            return again(lambda: self[organisation].do(command))
        return self[organisation].do(command)

    def start(self, organisation: str, command: str) -> None:
        """Start what runs in the foreground of a host, such as its node."""
        self.running[organisation, command.split()[1]] = self[organisation].start(command)

    def stop(self, organisation: str, what: str) -> None:
        """End what `start` started."""
        end(self.running.pop((organisation, what)))

    def everywhere(self, commands: Mapping[str, str]) -> dict[str, str]:
        """Give each organisation its command, all at the same time."""
        with ThreadPoolExecutor() as pool:
            return dict(zip(commands, pool.map(self.give, commands, commands.values()), strict=True))

    def post(self) -> None:
        """Carry everybody's export to everybody, as e-mail would."""
        for name in SECTIONS:
            self.send(name, f"{name}.export", *SECTIONS)

    def send(self, sender: str, file: str, *receivers: str) -> None:
        """Carry a file from one host to others."""
        for receiver in receivers:
            if receiver != sender:
                shutil.copy(self[sender].disk / file, self[receiver].disk)

    def finals(self) -> int:
        """Return how many rounds are Final, as the regulator's own peer tells."""
        return [phase for _, phase in self.attempts()].count("Final")

    def attempts(self) -> list[tuple[int, str]]:
        """Return (round, phase) of every attempt of the training, oldest first."""
        status = json.loads(again(lambda: self["regulator"].do("fedledger train status first --json")))
        return [(attempt["round"], attempt["phase"]) for attempt in status["attempts"]]

    def survivors(self) -> list[str]:
        """Return who survived in the last round that is Final."""
        status = json.loads(again(lambda: self["regulator"].do("fedledger train status first --json")))
        final = [attempt for attempt in status["attempts"] if attempt["phase"] == "Final"]
        return sorted(final[-1]["survivors"])

    def wait_for_rounds(self, more: int) -> None:
        """Wait until so many more rounds are Final than now."""
        wanted = self.finals() + more
        until(lambda: self.finals() >= wanted, self.attempts)


@contextmanager
def federation(base: Path, *, fabric: bool, ordering: str) -> Iterator[Federation]:
    """Found a federation by the page, let it train, and take it down at the end."""
    build_chaincode(Chaincode().package)  # brings the modules it needs: a host has no line to where they come from
    with hosts((*SECTIONS, LATER), base) as (made, wire), KeyWatch(made.values()) as keys:
        founded = Federation(made, wire, fabric, keys)
        try:
            _lay_out(founded, ordering)
            _set_up(founded)
            _train(founded)
            yield founded
        finally:
            for process in founded.running.values():
                end(process)
            with ThreadPoolExecutor() as pool:
                list(pool.map(_down, made.values()))


def definition(ordering: str) -> str:
    """Return the page's definition; three of its organisations order by Raft."""
    value = yaml.safe_load(page.definition())
    if ordering == "raft":
        value["ordering"] = "raft"
        for organisation in value["organisations"]:
            if organisation["name"] == "hospital-c":
                del organisation["orderers"]
    return yaml.safe_dump(value, sort_keys=False)


def again(step: Callable[[], str]) -> str:
    """Do a step until it succeeds."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return step()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_S)


def until(holds: Callable[[], bool], told: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, told()
        time.sleep(PAUSE_S)


def _lay_out(founded: Federation, ordering: str) -> None:
    """Put what the page takes for granted on every host: the definition, and a member's plan and rows."""
    for name in SECTIONS:
        (founded[name].disk / "consortium.yaml").write_text(definition(ordering))
    for number, name in enumerate((*MEMBERS, LATER), start=1):
        (founded[name].disk / "tumour.flplan").write_bytes(synthetic.plan_of("tumour"))
        rows = "\n".join(["number", *[str(number)] * synthetic.ROWS])
        (founded[name].disk / "rows.csv").write_text(rows + "\n")


def _set_up(founded: Federation) -> None:
    """Let every organisation give its first three blocks of commands: begin, exchange, join."""
    begin, exchange, join = ({name: _block(name, number) for name in SECTIONS} for number in range(3))
    said = _in_step(founded, begin)
    read_out = {name: _fingerprint(text) for name, text in said.items()}
    founded.post()
    for text in _in_step(founded, exchange).values():
        for name, fingerprint in read_out.items():
            assert f"{name}: {fingerprint}" in text
    if founded.fabric:
        _join_in_turn(founded, join)
    else:
        _in_step(founded, join)


def _join_in_turn(founded: Federation, join: Mapping[str, list[str]]) -> None:
    """Join one after the other, as people do who act on different days; those whom it asks to do it again do."""
    waiting = list(join)
    while waiting:
        said = {name: founded.give(name, *join[name]) for name in waiting}
        fewer = [name for name in waiting if TOO_FEW in said[name]]
        assert len(fewer) < len(waiting), said
        waiting = fewer


def _train(founded: Federation) -> None:
    """Let members found, start their nodes, admit one another, and vote for plan and training."""
    for number in (3, 4):
        _in_step(founded, {name: _block(name, number) for name in MEMBERS})
    propose, vote = _block("hospital-a", 5), page.blocks(SECTIONS["hospital-a"])[6]
    for proposing, voting in zip(propose, vote, strict=True):
        founded.give("hospital-a", proposing)
        founded.everywhere(dict.fromkeys(MEMBERS[1:3], voting))


def add_member(founded: Federation) -> None:
    """Let a member come later, by the page's section for it; a file that several sign goes from one to the next."""
    begin, join, take_part = page.blocks(LATER_SECTION)
    let_in, vote = page.of_others(LATER_SECTION)
    host = founded[LATER]
    value = yaml.safe_load((founded["hospital-b"].run / "consortium" / "consortium.yaml").read_text())
    value["organisations"].append({"name": LATER, "role": "member", "host": host.name})
    (host.disk / "consortium.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    for command in begin:
        founded.give(LATER, command)
    founded.send(LATER, f"{LATER}.export", "hospital-a")
    for who, command in let_in:
        founded.give(who, command)
        if "add.update" in command:
            founded.send(who, "add.update", *SECTIONS)
    for name in SECTIONS:
        founded.send(name, f"{name}.export", LATER)
    shutil.copy(founded["hospital-b"].run / "consortium" / "channel.block", host.disk)
    for command in (*join, *take_part):
        founded.give(LATER, command)
    for who, command in vote:
        founded.give(who, command)


def _block(organisation: str, number: int) -> list[str]:
    block = page.blocks(SECTIONS[organisation])[number]
    return [page.of_member(command, organisation) for command in block] if organisation in MEMBERS else block


def _in_step(founded: Federation, blocks: Mapping[str, list[str]]) -> dict[str, str]:
    """Give the commands of several organisations' blocks, one after the other in each, together at all."""
    said = dict.fromkeys(blocks, "")
    for commands in zip_longest(*blocks.values()):
        given = {name: command for name, command in zip(blocks, commands, strict=True) if command}
        for name, text in founded.everywhere(given).items():
            said[name] += text
    return said


def _fingerprint(text: str) -> str:
    found = re.search(r"^fingerprint ((?:[0-9a-f]{4} ?){10})$", text, re.MULTILINE)
    assert found, text
    return found[1]


def _down(host: Host) -> None:
    if (host.run / "org.yaml").exists():
        host.do("fedledger network down")
