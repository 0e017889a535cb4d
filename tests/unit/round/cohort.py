"""Four nodes' own part in one attempt, over a ledger and blob services in memory; one of them can die at any step.

Attendance, deeds, attempts, participant, journal, blob stores and bindings are the real ones. The client work gives
another vector each time that it runs, as training on other hardware would.
"""

import asyncio
import contextlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from fl_node.blobs.content import Content, length_of, whole
from fl_node.blobs.first_digest import Binding
from fl_node.blobs.seen import Seen
from fl_node.blobs.store import About, BlobStore
from fl_node.blobs.words import Word
from fl_node.errors import RefusalError
from fl_node.journal.journal import Journal
from fl_node.journal.recordfile import MAGIC, RecordFile
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Parameters, Reveal, Round, Training
from fl_node.metrics import Health, Metrics
from fl_node.privacy.integers import NOTHING
from fl_node.round import ahead
from fl_node.round.carry_out import CarryOutDependencies, Deeds
from fl_node.round.consent import Consent
from fl_node.round.known import GovernanceCache
from fl_node.round.loop import Attendance, LoopDependencies
from fl_node.round.speaking import Speaking, SpeakingDependencies
from tests.unit.round.chain import DEEDS, FIELDS, NAMES, SESSION, STATE, TRAINING, VICTIM, Chain, Killed

ENDORSERS = 3


class World:
    """The chain, everyone's blob stores, what has left each node, and the steps of the victim."""

    def __init__(self, folder: Path, fatal: int = 0, *, laid: bool = False, carrier: str = "") -> None:
        self.folder, self.fatal = folder, fatal
        self.chain = Chain()
        if carrier:
            self.chain.leave_to(carrier)
        self.words: defaultdict[str, list[Word]] = defaultdict(list)
        self.carried: set[str] = set()
        self.more = asyncio.Event()
        self.steps: list[str] = []
        self.left: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.vectors: defaultdict[str, list[bytes]] = defaultdict(list)
        self.stores = {name: BlobStore(folder / name / "blobs", owner=name) for name in NAMES}
        self.snapshots: list[Path] = []
        self.backing_up = self.restored = False
        self.nodes = {name: Member(self, name) for name in NAMES}
        if laid:
            self.chain.give({name: self.lay(name) for name in NAMES})

    def lay(self, name: str) -> dict[str, str]:
        """Let a node lay keys ready, as it did in the attempt before."""
        before = self.chain.view().model_copy(update={"round": 0, "rules": 2})
        keys = ahead.lay(self.nodes[name].journal, before, rounds=2)
        assert keys is not None
        return {"seal_key": keys.seal.hex(), "mask_key": keys.mask.hex()}

    def step(self, who: str, what: str) -> None:
        """Die here, if it is the time."""
        if who == VICTIM:
            self.steps.append(what)
            if len(self.steps) == self.fatal:
                raise Killed

    def said(self, deed: str) -> int:
        """Return in how many versions a deed of the victim has left it."""
        return len(self.left[VICTIM, deed])

    def snapshot(self) -> None:
        """Back up what the victim's disk holds."""
        copy = self.folder / f"snapshot-{len(self.snapshots)}"
        shutil.copytree(self.folder / VICTIM, copy)
        self.snapshots.append(copy)

    def restart(self, backup: int | None = None, *, blobs: bool = False) -> None:
        """Start the victim again, on its journal or its whole disk as a backup has it."""
        self.nodes[VICTIM].close()
        self.backing_up = False
        self.restored = backup is not None and backup < len(self.snapshots)
        for part in ("journal", *(("blobs",) if blobs else ())) if self.restored else ():
            shutil.rmtree(self.folder / VICTIM / part)
            shutil.copytree(self.snapshots[cast("int", backup)] / part, self.folder / VICTIM / part)
        self.stores[VICTIM] = BlobStore(self.folder / VICTIM / "blobs", owner=VICTIM)
        self.nodes[VICTIM] = Member(self, VICTIM)

    async def run(self, backup: int | None = None, *, blobs: bool = False) -> None:
        """Let everyone look in turn until the attempt is over for all; a phase in which nothing moves ends late."""
        idle = 0
        for _ in range(80):
            before = (self.chain.phase, str(self.chain.records), len(self.steps))
            for name in NAMES:
                try:
                    await self.nodes[name].look()
                except Killed:
                    self.restart(backup, blobs=blobs)
            if all(node.seen("Final") for node in self.nodes.values()):
                break
            idle = idle + 1 if before == (self.chain.phase, str(self.chain.records), len(self.steps)) else 0
            self.chain.late = idle > 2
            if idle > 1:
                for node in self.nodes.values():
                    node.lose_patience()
        for node in self.nodes.values():
            node.close()


class Member:
    """One node's process."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.journal = Journal(world.folder / name / "journal", world.folder / f"{name}.key")
        self.metrics = Metrics()
        self.profile = SimpleNamespace(channel="channel", msp_id=f"{name}MSP")
        self.store, self.ledger, self.urls = world.stores[name], self, dict.fromkeys(NAMES, "")
        values = np.random.default_rng().integers(0, 1000, 64, dtype="<u4").tobytes()
        self.plain = ((10).to_bytes(8, "little") + values).ljust(SESSION.layout.length, b"\0")
        node = SimpleNamespace(
            organisation=name, consent=Consent(),
            consortium=SimpleNamespace(
                threshold=ENDORSERS, members=[SimpleNamespace(name=n, msp_id=f"{n}MSP") for n in NAMES],
                organisation=lambda n: SimpleNamespace(msp_id=f"{n}MSP"),
            ),
            ledger=self, blobs=self, handing=self, mirror=self, workshop=self, journal=self.journal, store=self.store,
            witnesses=SimpleNamespace(confirm=self.nothing), metrics=self.metrics, health=Health(), me=name,
            seen=Seen(), restored_ms=0, msp=f"{name}MSP", governance_cache=GovernanceCache(),
        )  # fmt: skip
        self.speaking = node.speaking = Speaking(cast("SpeakingDependencies", node))
        self.deeds = Deeds(cast("CarryOutDependencies", node))
        self.attendance = Attendance(cast("LoopDependencies", node), self.deeds, TRAINING)

    async def look(self) -> None:
        self.attendance._memory.not_before_ms = self.attendance._memory.since_ms = 0  # no time passes here
        for _ in range(4):
            if not await self.attendance._step():
                break
        for _ in range(4):
            await asyncio.sleep(0)  # who carries listens

    def seen(self, phase: str) -> bool:
        return self.attendance._memory.phase == phase

    def lose_patience(self) -> None:
        """Let the time pass that a carrier is given."""
        self.speaking._until = dict.fromkeys(self.speaking._until, 0.0)

    def close(self) -> None:
        self.deeds._carrying.forget("t")
        self.journal.close()

    # The ledger.

    async def round(self, *_: object) -> Round:
        return self.world.chain.view()

    async def reveals(self, _: Round) -> dict[str, dict[str, Reveal]]:
        said = self.world.chain.records["reveals"]
        return {
            who: {s["dealer"]: Reveal(kind=s["kind"], value=s["value"]) for s in told["shares"]}
            for who, told in said.items()
        }

    async def plan(self, _: str) -> Any:
        return SimpleNamespace(layout=FIELDS, privacy=None)

    async def training(self, _: str) -> Training:
        return TRAINING

    async def parameters(self) -> Parameters:
        return Parameters(survivor_difference_min=3, share_limit_ppm=700_000, count_bucket=1, time_window_ms=0)

    async def everything(self, _: str) -> list[Any]:
        return [{"participant": name, "msp_id": f"{name}MSP"} for name in NAMES]

    async def submit(
        self, function: str, /, *, organisations: object = (), patient: bool = True, **arguments: Any
    ) -> None:
        del organisations, patient
        if function == "CarryWords":
            self._carried(arguments)
        if function not in DEEDS:
            return
        self._leaves(function, arguments)
        self.world.chain.take(self.name, function, arguments)
        self.world.step(self.name, f"{function} is in a block")

    def _leaves(self, function: str, arguments: dict[str, Any]) -> None:
        self.world.step(self.name, f"before {function} leaves")
        said = {name: value for name, value in arguments.items() if name != "next"}  # other keys may come of a backup
        self.world.left[self.name, function].add(json.dumps(said, sort_keys=True))
        self.world.step(self.name, f"{function} has left and is in no block")

    def _carried(self, arguments: dict[str, Any]) -> None:
        self.world.step(self.name, "before words are carried")
        function = arguments["function"]
        for place, word in enumerate(arguments["words"]):
            who, said = json.loads(word["proposal"])
            if who in self.world.chain.records[DEEDS[function]]:
                raise LedgerError("FL0410", f"word {place}: done already")
            blob = said.get("sealed") or said.get("digest")
            if blob and sum(store.size(blob) is not None for store in self.world.stores.values()) < ENDORSERS:
                raise LedgerError("FL0501", f"word {place}: a blob is not here")
        for word in arguments["words"]:
            who, said = json.loads(word["proposal"])
            self.world.chain.take(who, function, said)
        self.world.carried.add(function)
        if "from" in arguments:
            assert self.world.chain.advance()
        self.world.step(self.name, "words are in a block")

    async def word(self, function: str, /, **arguments: Any) -> dict[str, str]:
        self._leaves(function, arguments)
        return {"proposal": json.dumps([self.name, arguments]), "signature": "signed"}

    async def move(self, function: str, **_: object) -> bool:
        assert function == "Advance"
        return self.world.chain.advance()

    # The blob services and the mirror.

    async def announce(self, binding: Binding, needed: int) -> None:
        assert needed <= len(NAMES)
        for other in NAMES:
            if binding.contradicted_by(self.world.stores[other].bindings.first(self.name, binding.text)):
                raise RefusalError("FL4203", f"{other} knows another {binding.deed}")

    async def spread(self, digest: str, data: Content, needed: int, _: object, binding: Binding | None) -> list[str]:
        if binding:
            await self.announce(binding, needed)
        for other in NAMES:
            await self.push(other, digest, data)
        self.world.step(self.name, "a blob is everywhere")
        return list(NAMES)

    async def push(self, organisation: str, digest: str, data: Content, **_: object) -> None:
        self.world.step(self.name, f"before a blob goes to {organisation}")
        own = self.store.about(digest)
        assert own, "what leaves lies in the own store first"
        self.world.left[self.name, own.note].add(digest)
        self.world.stores[organisation].append(digest, 0, length_of(data), whole(data), About(self.name))

    async def pass_on(self, digests: set[str], needed: int) -> list[str]:
        assert needed <= len(NAMES)
        for other in NAMES:
            self.world.step(self.name, f"before what was left here goes to {other}")
            for digest in (one for one in digests if self.store.size(one) is not None):
                data = self.store.read(digest)
                self.world.stores[other].append(digest, 0, len(data), data, About(self.name))
        return list(NAMES)

    async def hand(self, organisation: str, path: str, word: dict[str, str], _: float) -> None:
        assert organisation in NAMES
        function, _, speaker = path.rpartition("/")
        said = Word(self.name, speaker, word["proposal"], word["signature"], blob=word.get("blob", ""))
        others = [one for one in self.world.words[function] if one.participant != speaker]
        self.world.words[function] = [*others, said]
        self.world.more.set()
        self.world.step(self.name, "a word is with its carrier")

    async def words(self, path: str, count: int, _: int) -> list[Word]:
        while len(self.world.words[path]) < count:
            self.world.more.clear()
            await self.world.more.wait()
        return self.world.words[path]

    async def get(self, digest: str, *_: object) -> bytes:
        return self.world.stores["a"].read(digest)

    async def several(self, *_: object) -> dict[str, bytes]:
        return {}

    def watch(self, _: Round) -> None:
        """Nothing is to be pulled."""

    def retain(self, *_: object) -> None:
        """Nothing expires."""

    # The workshop.

    async def runner(self, _: str) -> Any:
        return SimpleNamespace(
            manifest=SimpleNamespace(
                layout_digest=SESSION.layout.digest.hex(),
                initial_state=STATE,
                promise=None,
                registered=NOTHING,
                zeroing=False,
            )
        )

    def start(self, _: Round) -> Any:
        if not self.world.vectors[self.name] or self.world.vectors[self.name][-1] is not self.plain:
            self.world.vectors[self.name].append(self.plain)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(SimpleNamespace(vector=bytearray(self.plain), examples=10, seconds=0.0, metrics={}))
        return done

    def trained(self, _: Round) -> bool:
        return True

    ready = trained

    def committed(self, _: Round) -> None:
        """The vector is there for ever."""

    def settle(self, _: Round, *, counted: bool) -> None:
        """Nothing was kept."""

    def unfit(self, _: str) -> str:
        return ""

    async def nothing(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def running(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Let the victim die before, within and after every write to its journal and its store; keep backups of each."""
    append, put, disk = RecordFile.append, BlobStore.put, world.folder / VICTIM

    def record(file: RecordFile, entry: dict[str, Any]) -> None:
        who = VICTIM if disk in file.path.parents else ""
        world.step(who, f"before {entry.get('kind')} is in the journal")
        try:
            world.step(who, f"{entry.get('kind')} is half in the journal")
        except Killed:
            begun = b"" if file.path.exists() else MAGIC
            with file.path.open("ab") as torn:
                torn.write(begun + b"\0\0\1\0 half of a record")
            raise
        append(file, entry)
        if who and world.backing_up:
            world.snapshot()
        world.step(who, f"{entry.get('kind')} is in the journal")

    def store(kept: BlobStore, data: bytes, about: About) -> str:
        who = VICTIM if disk in kept.folder.parents else ""
        world.step(who, "before a blob is in the own store")
        digest = put(kept, data, about)
        world.step(who, "a blob is in the own store")
        return digest

    with monkeypatch.context() as patched:
        patched.setattr(RecordFile, "append", record)
        patched.setattr(BlobStore, "put", store)
        patched.setattr("os.fsync", lambda _: None)  # a killed process loses nothing that the system has taken
        yield world
