"""A carrier's own blob service and its ledger in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from fl_node import codes
from fl_node.blobs.words import Turn, Word, Words
from fl_node.blobs.words_service import MOST_COUNT
from fl_node.errors import NodeError
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import WORDS, Round
from fl_node.round import carrying
from fl_node.round.carrying import Carrying, CarryingDependencies
from tests.unit.round.test_duty import NAMES
from tests.waiting import until

QUICK_MS, SLOW_MS = 10, 3_600_000
"""How long a question may take: the first where a test does not depend on it, the second where none is asked twice."""
MEMBER_MSPS = {f"hospital-{name}": f"{name.upper()}MSP" for name in (*NAMES, "e")}
"""Of e nobody is in the cohort."""


@dataclass
class World:
    """A carrier's own blob service and its ledger, which takes what it is not told to refuse."""

    kept: Words = field(default_factory=Words)
    questions: list[tuple[str, int]] = field(default_factory=list)
    refusals: list[LedgerError] = field(default_factory=list)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    failing: bool = False
    organisation: str = "hospital-b"
    threshold: int = 3
    passed_on: list[set[str]] = field(default_factory=list)
    takers: tuple[str, ...] = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")
    asked: list[tuple[str, ...]] = field(default_factory=list)
    """Who is asked to endorse each transaction; nobody by name where any may."""

    members = tuple(SimpleNamespace(name=name, msp_id=msp) for name, msp in MEMBER_MSPS.items())

    @property
    def consortium(self) -> Any:
        by_name = {member.name: member for member in self.members}
        return SimpleNamespace(members=self.members, threshold=self.threshold, organisation=by_name.__getitem__)

    @property
    def ledger(self) -> Any:
        return self

    handing = mirror = ledger

    def say(self, name: str, text: str, shown: Round, *, by: str = "", blob: str = "") -> None:
        """Hand a word in for a participant, through its own organisation or another."""
        turn = Turn(shown.training, shown.round, shown.attempt, WORDS[shown.phase])
        self.kept.put(turn, Word(f"hospital-{by or name}", name, text, f"signature of {text}", blob=blob))

    async def pass_on(self, digests: set[str], needed: int) -> list[str]:
        assert needed == self.threshold
        self.passed_on.append(digests)
        if len(self.takers) < needed:
            raise NodeError(codes.TOO_FEW_COPIES, "too few took a blob")
        return list(self.takers)

    async def words(self, path: str, count: int, wait_ms: int) -> list[Word]:
        assert 1 <= count <= MOST_COUNT
        assert wait_ms == carrying.LISTEN_MS
        self.questions.append((path, count))
        if self.failing:
            raise NodeError(codes.BLOB_SERVICE_SILENT, "it gives no words")
        training, number, attempt, function = path.split("/")
        turn = Turn(training, int(number), int(attempt), function)
        await self.kept.wait(turn, count, wait_ms / 1000)
        return self.kept.of(turn)

    async def submit(self, function: str, /, *, organisations: tuple[str, ...], patient: bool, **argument: Any) -> None:
        assert (function, patient) == ("CarryWords", False)
        self.asked.append(organisations)
        self.submitted.append(argument)
        if self.refusals:
            raise self.refusals.pop(0)

    @property
    def carried(self) -> list[list[str]]:
        """The proposals of each transaction that was tried."""
        return [[word["proposal"] for word in argument["words"]] for argument in self.submitted]


async def heard(made: Carrying, at: Round, count: int) -> None:
    """Listen until so many words lie here."""
    made.gather(at)
    await until(lambda: made.gathered(at)[0] == count)


def listening() -> int:
    """Return how many tasks listen for words."""
    return sum(getattr(task.get_coro(), "__name__", "") == "_listen" for task in asyncio.all_tasks())


@contextlib.asynccontextmanager
async def carriage(world: World) -> AsyncIterator[Carrying]:
    """Carry in a world until the end of a test; no task may be left."""
    made = Carrying(cast("CarryingDependencies", world), world.told.append)
    yield made
    await made.close()
    assert listening() == 0, "a task is left"
