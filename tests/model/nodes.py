"""Real nodes on the real rules in one process: no network, one clock that a test moves, one folder of blobs for all.

Attendance, duty, deeds, attempts, journals, mirror, workshop and secure aggregation are the nodes' own code; the rules
are `chaincode/cmd/replay`. In the place of the framework stands a plan of plain arithmetic; its states are encoded as
real ones are.
"""

import asyncio
import contextlib
import hashlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import numpy as np
import pytest

from fl_node import clock, codes
from fl_node.blobs.content import Content, whole
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.seen import Seen
from fl_node.blobs.store import About, BlobStore
from fl_node.blobs.words import Turn, Word, Words
from fl_node.errors import NodeError
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Ledger, LedgerError
from fl_node.ledger.records import OVER, Plan, Round
from fl_node.metrics import Health, Metrics
from fl_node.plan.interface import DataSource, UpdateResult, WorkResult
from fl_node.plan.pool import Workshop
from fl_node.plan.state_codec import Leaf, compare_states, encode_state
from fl_node.round import carrying, proposing, speaking
from fl_node.round.carry_out import CarryOutDependencies, Deeds
from fl_node.round.consent import Consent
from fl_node.round.known import GovernanceCache
from fl_node.round.loop import Attendance, LoopDependencies
from fl_node.round.speaking import Speaking, SpeakingDependencies
from fl_node.secagg.layout import Vector
from tests.faults import synthetic
from tests.model.consortium import Consortium, msp, participant
from tests.model.ledger import CHANNEL, Answer, caller

MEMBERS = 4
NAMES = tuple(map(participant, range(MEMBERS)))
TRAINING, TOLERANCE = "one", 1e-6
TURN_MS, IDLE_MS = 1_000, 5_000
TURNS = 90
"""An attempt takes no more turns than this, in each of which every node looks once: 20 where all are honest."""


class Rules(Ledger):
    """A node's client of the ledger, with the rules' process in the place of a gateway."""

    def __init__(self, world: "World", place: int) -> None:
        self.world, self.place = world, place
        self.profile = cast("Any", SimpleNamespace(channel=CHANNEL, msp_id=msp(place)))
        self._plans: dict[str, Plan] = {}

    async def query(self, function: str, /, *, organisations: tuple[str, ...] = (), **arguments: Any) -> Any:
        del organisations
        answer, error = self.world.ledger.ask(function, arguments)
        if error:
            raise LedgerError(error[:6], error)
        return answer

    async def submit(
        self, function: str, /, *, organisations: tuple[str, ...] = (), patient: bool = True, **arguments: Any
    ) -> Any:
        del organisations, patient
        return self._committed(function, arguments).result

    async def endorsed(self, function: str, /, **arguments: Any) -> Any:
        async def committed() -> bool:  # its rules are asked when it is ordered: nothing else happens between
            await self.submit(function, **arguments)
            return True

        return SimpleNamespace(committed=committed)

    async def move(self, function: str, /, **arguments: Any) -> bool:
        return self._committed(function, arguments).result.get("moved") is not False

    async def word(self, function: str, /, **arguments: Any) -> dict[str, str]:
        self.world.said[self.world.names[self.place], function].append(arguments)
        return caller(msp(self.place), "client").word(function, arguments)

    def _committed(self, function: str, argument: dict[str, Any]) -> Answer:
        answer = self.world.ledger.submit(caller(msp(self.place), "client"), function, argument, self.world.now)
        if answer.code:
            raise LedgerError(answer.code, answer.text.removeprefix(f"{answer.code}: "))
        self.world.committed += bool(answer.writes)
        self.world.accepted[function] += 1
        self.world.said[self.world.names[self.place], function].append(argument)
        return answer


class Shelf:
    """Every organisation's blob service at once: what one has put, all have."""

    def __init__(self, store: BlobStore, names: Sequence[str] = NAMES) -> None:
        self.urls, self._store = dict.fromkeys(names, ""), store

    async def spread(self, digest: str, data: Content, needed: int, *_: object) -> list[str]:
        assert needed <= len(self.urls)
        assert self._store.put(whole(data), About("shelf")) == digest
        return list(self.urls)

    async def announce(self, _: object, needed: int) -> None:
        assert needed <= len(self.urls)

    async def push(self, organisation: str, digest: str, data: Content, **_: object) -> None:
        assert organisation in self.urls
        assert self._store.put(whole(data), About("shelf")) == digest

    async def everywhere(self, _: object, needed: int, __: str) -> list[str]:
        assert needed <= len(self.urls)
        return list(self.urls)

    async def fetch(self, digest: str, *_: object) -> None:
        await self.pull(digest)

    async def pull(self, digest: str, *_: object) -> bytes:
        if self._store.size(digest) is None:
            raise NodeError(codes.BLOB_MISSING, "nobody has this blob", where=digest)
        return self._store.read(digest)


class Hands:
    """Every organisation's service of words at once, as one node has it; who waits does so on the world's clock."""

    def __init__(self, world: "World", own: str) -> None:
        self.world, self.own = world, own

    async def hand(self, organisation: str, path: str, word: dict[str, str], _: float) -> None:
        path, _, speaker = path.rpartition("/")
        said = Word(self.own, speaker, word["proposal"], word["signature"], blob=word.get("blob", ""))
        self.world.words[organisation].put(turn_of(path), said)
        self.world.committed += 1  # there is something to do without waiting
        self.world.stir()

    async def words(self, path: str, count: int, wait_ms: int) -> list[Word]:
        kept, until = self.world.words[self.own], self.world.now + wait_ms
        while len(kept.of(turn_of(path))) < count and self.world.now < until:
            await self.world.stirred.wait()
        return kept.of(turn_of(path))


def turn_of(path: str) -> Turn:
    """Return what a path without a participant names."""
    training, number, attempt, function = path.split("/")
    return Turn(training, int(number), int(attempt), function)


class Runner(synthetic.SyntheticRunner):
    """The synthetic plan with states as real plans have them; remembers what its client work gave."""

    plain = b""

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        result = super().work(state, data)
        vector = self.misdone(result.vector)
        self.plain = bytes(vector)  # the node masks the vector itself
        return WorkResult(vector, result.examples, result.metrics, result.seconds)

    def misdone(self, vector: Vector) -> Vector:
        return vector

    def update(self, state: bytes, aggregate: Vector, counts: Sequence[int]) -> UpdateResult:
        result = super().update(state, aggregate, counts)
        values = synthetic.LAYOUT.unpack(self.manifest.weighed(aggregate, counts), len(counts))[1]
        mean = (values / len(counts)).astype(np.float32)
        trace = np.frombuffer(result.state, np.uint8)
        leaves = [Leaf("mean", mean), Leaf("trace", trace), Leaf("steps", np.array(3, np.int64))]
        return UpdateResult(encode_state(leaves), result.metrics, 0.0)

    def compare_states(self, first: bytes, second: bytes) -> float:
        return compare_states(first, second, TOLERANCE)


class Member:
    """One node without its process: what it holds open, and its attendance of the training."""

    def __init__(self, world: "World", place: int, rules: type[Rules], runner: type[Runner]) -> None:
        name, folder = world.names[place], world.folder / world.names[place]
        store, metrics, shelf = world.store, Metrics(), cast("Any", Shelf(world.store, world.names))
        data = folder.with_suffix(".csv")
        data.write_text("\n".join(["number", *[str(place % 9 + 1)] * synthetic.ROWS]) + "\n")
        self.journal = Journal(folder / "journal", folder.with_suffix(".key"))
        self.mirror = Mirror(store, shelf, name, metrics)
        self.runners: list[Runner] = []
        self.workshop = Workshop(world.plans, self.mirror, data, self._opener(runner))
        organisations = {one: SimpleNamespace(name=one, msp_id=msp(at)) for at, one in enumerate(world.names)}
        node = SimpleNamespace(
            organisation=name, consent=world.consent, ledger=rules(world, place), blobs=shelf, mirror=self.mirror,
            handing=Hands(world, name), seen=Seen(),
            consortium=SimpleNamespace(
                threshold=3, members=list(organisations.values()), organisation=organisations.__getitem__
            ),
            workshop=self.workshop, journal=self.journal, store=store, metrics=metrics, health=Health(), me=name,
            witnesses=SimpleNamespace(confirm=_no_other_peer), msp=msp(place), governance_cache=GovernanceCache(),
            restored_ms=0,
        )  # fmt: skip
        node.speaking = Speaking(cast("SpeakingDependencies", node))
        self.node = cast("CarryOutDependencies", node)
        self.attendance: Attendance | None = None

    def _opener(self, runner: type[Runner]) -> Any:
        def opened(path: Path, digest: str) -> Runner:
            self.runners.append(runner(path, digest))
            return self.runners[-1]

        return opened

    async def look(self) -> None:
        """Do what is due once, as far as it goes without waiting for others."""
        if self.attendance is None:
            plan = (training := await self.node.ledger.training(TRAINING)).plan
            await self.workshop.warm(plan)
            self.attendance = Attendance(cast("LoopDependencies", self.node), Deeds(self.node), training)
        while await self.attendance._step():
            pass
        work = [one.task for one in self.workshop._work.values()]
        await asyncio.gather(*work, return_exceptions=True)
        await asyncio.sleep(0)  # who carries listens

    async def close(self) -> None:
        if self.attendance is not None:
            await self.attendance.deeds.close()
        await self.mirror.close()
        await self.workshop.close()
        self.journal.close()


async def _no_other_peer(*_: object) -> None:
    """There is one ledger only: no peer shows another."""


class World(Consortium):
    """A federation of the synthetic plan whose participants are nodes, with a round that is open.

    Attributes:
        idle_ms: How much time passes after a turn in which nothing was said.
        first: Who may propose first, and carries words: the adversary, if there is one.
        words: What lies in each organisation's service to be carried.
        accepted: How many transactions of each function the rules have taken.
        said: Participant and function → the arguments of what it has said, by itself or to a carrier.
    """

    title: ClassVar[str] = "ends"
    plan: ClassVar[dict[str, Any]] = synthetic.registration(title)
    names: ClassVar[tuple[str, ...]] = NAMES
    consent: ClassVar[Consent] = Consent()
    idle_ms: ClassVar[int] = IDLE_MS

    def __init__(self, binary: Path, folder: Path, rules: type[Rules] = Rules, runner: type[Runner] = Runner) -> None:
        self.folder, self.committed, self.stirred = folder, 0, asyncio.Event()
        self.words = {name: Words(lambda: self.now / 1000) for name in self.names}
        self.accepted: Counter[str] = Counter()
        self.said: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self.store = BlobStore(folder / "blobs")
        self.store.put(synthetic.plan_of(self.title), About("shelf"))
        self.plans = folder / "plans"
        self.plans.mkdir()
        super().__init__(binary, folder / "blobs", len(self.names))
        self.prepare()
        self._must(0, "OpenRound", {"training": TRAINING})
        self.first = self.view().aggregators[0]
        kinds = {self.first: (rules, runner)}
        self.nodes = [Member(self, at, *kinds.get(name, (Rules, Runner))) for at, name in enumerate(self.names)]

    def prepare(self) -> None:
        """Vote what shall hold before the first round is opened."""

    def between(self) -> None:
        """Do what happens between two turns."""

    def stir(self) -> None:
        """Let all who wait for words look whether they have come, or whether the time is over."""
        self.stirred.set()
        self.stirred.clear()

    def view(self, attempt: int = 0) -> Round:
        """Return an attempt of the first round, by default the newest."""
        number = 1 if attempt else 0
        answer, error = self.ledger.ask("GetRound", {"training": TRAINING, "round": number, "attempt": attempt})
        assert not error, error
        return Round.model_validate(answer)

    async def ended(self, attempt: int) -> tuple[Round, int]:
        """Let every node look in turn until an attempt is over; return it and after how many turns.

        Raises:
            AssertionError: it takes more than TURNS.
        """
        for turn in range(TURNS):
            before = self.committed
            self.between()
            for node in self.nodes:
                await node.look()
                if (found := self._over(attempt)) is not None:
                    return found, turn
            self.now += TURN_MS if self.committed > before else self.idle_ms
            self.stir()
        raise AssertionError(f"{self.view().name} is still in {self.view().phase} after {TURNS} turns")

    def _over(self, attempt: int) -> Round | None:
        status = self.ledger.get("phase", TRAINING, 1, attempt)
        return self.view(attempt) if status and status["phase"] in OVER else None

    def follows(self, total: bytes, view: Round) -> UpdateResult:
        """Return what follows from the survivors' true sum; raises as the plan does."""
        runner = self.nodes[0].runners[0]
        return runner.update(runner.initialize(), total, view.counts)


@contextlib.asynccontextmanager
async def world(binary: Path, folder: Path, *kinds: Any, of: type[World] = World) -> AsyncIterator[World]:
    """Run a world on its own clock; a blob that nobody has is waited for shortly."""
    made = of(binary, folder, *kinds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "time", SimpleNamespace(time_ns=lambda: made.now * 1_000_000))
        for waits in (speaking, carrying):
            patch.setattr(waits, "time", SimpleNamespace(monotonic=lambda: made.now / 1000))
        patch.setattr(proposing, "PATIENCE_S", 0.02)
        try:
            yield made
        finally:
            for node in made.nodes:
                await node.close()
            made.close()


def summed(vectors: Iterable[bytes]) -> bytes:
    """Add vectors word by word, each word in its ring."""
    total = bytearray(synthetic.LAYOUT.size)
    for vector in vectors:
        for segment in synthetic.LAYOUT.flat.segments:
            words = segment.view(total)
            words += segment.view(vector)
    return bytes(total)


def difference(first: bytes, second: bytes) -> bytes:
    """Subtract vectors word by word, each word in its ring."""
    left = bytearray(first)
    for segment in synthetic.LAYOUT.flat.segments:
        words = segment.view(left)
        words -= segment.view(second)
    return bytes(left)


def within(total: bytes, survivors: int) -> bool:
    """Whether every word of a sum lies where so many honest vectors can bring it."""
    segments = synthetic.LAYOUT.flat.segments
    return all(int(one.view(total).max()) <= one.maximum * survivors for one in segments)


def digest(data: bytes) -> str:
    """Return a blob's name."""
    return hashlib.sha256(data).hexdigest()
