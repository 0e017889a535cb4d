"""One's own peer watched: its new blocks fetched, verified and replayed, and what they tell kept for the pages."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from audit.evidence.blobs import gather
from audit.evidence.fetch import fetch
from audit.fabric.state import State
from audit.monitor.read import Monitor
from audit.report.render import verdict_view
from audit.verify.derive import Blobs
from audit.verify.replay import ComparedState, Replayer, ReplayError
from audit.verify.run import Options, complete, read, resume, rules_program
from audit.verify.story import Reader, tell
from audit.verify.verdict import Verdict
from audit.verify.verify import Auditor
from network.connection import Profile
from network.errors import FedledgerError

PAUSE_SECONDS = 1.0
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Snapshot:
    """What the pages show: the story and the verdict at one height. `problem` says why no newer one could be had."""

    story: dict[str, Any] = field(default_factory=lambda: {"channel": "", "founded": False, "events": []})
    verdict: dict[str, Any] = field(default_factory=lambda: verdict_view(Verdict()))
    looked_ms: int = 0
    problem: str = ""

    @property
    def version(self) -> str:
        """What changes whenever the pages change."""
        return "-".join(str(n) for n in (self.verdict["height"], *self.verdict["counts"].values()))

    @property
    def word(self) -> str:
        """The verdict in short."""
        return str(self.verdict["word"]) if self.verdict["height"] or self.verdict["failures"] else "nothing read yet"


async def _problem(work: Awaitable[object]) -> str:
    """Wait for work and return what went wrong with it, "" for nothing."""
    try:
        await work
    except (FedledgerError, OSError, sqlite3.Error) as error:
        return str(error)
    return ""


class Watcher:
    """Keeps `snapshot` up to date; everything that touches the audit's state runs on one thread of its own."""

    def __init__(self, profile: Profile, folder: Path, options: Options) -> None:
        self._profile, self._folder, self._options = profile, folder, options
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="audit")
        self._scratch = TemporaryDirectory(prefix="audit-blobs-")
        self._state: State | None = None
        self._replayer: Replayer | None = None
        self._auditor: Auditor | None = None
        self._monitor = Monitor(Blobs(None))
        self.snapshot = Snapshot()

    async def run(self) -> None:
        """Watch until cancelled; a peer or a folder that cannot be read is said on the pages, and tried again."""
        try:
            self._keep(await _problem(self._on_thread(self._look)))
            while True:
                problem = await _problem(fetch(self._profile, self._folder))
                self._keep(await _problem(self._on_thread(self._look)) or problem)
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await asyncio.shield(self._on_thread(self._close))
            self._thread.shutdown()

    async def _on_thread(self, work: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _keep(self, problem: str) -> None:
        old = self.snapshot
        self.snapshot = Snapshot(old.story, old.verdict, int(time.time() * 1000), problem)

    def _look(self) -> None:
        """Verify what is new; a chain that broke is looked at again, since its folder may have been repaired."""
        auditor, state, replayer = self._open()
        before = auditor.height
        try:
            read(auditor, self._folder)
        except ReplayError:
            self._restart()
            raise
        if auditor.height != before or not self.snapshot.looked_ms or auditor.broken:
            verdict = complete(auditor, state, replayer)
            story = tell(Reader(replayer, verdict.channel, self._options.chaincode), state)
            story["monitored"] = self._monitor.look(story)
            self.snapshot = Snapshot(story, verdict_view(verdict), int(time.time() * 1000))

    def _open(self) -> tuple[Auditor, State, Replayer]:
        rules = rules_program()
        if self._state is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._state = resume(self._folder, None, self._options, rules)
        if self._auditor is not None and self._auditor.broken:
            self._restart()
        if self._replayer is None:
            compared = ComparedState.of(self._state, self._options.chaincode)
            self._replayer = Replayer(rules, compared, gather(self._options.blobs, Path(self._scratch.name)))
            self._monitor = Monitor(Blobs(self._replayer.blobs))
        if self._auditor is None:
            self._auditor = Auditor(
                self._state,
                chaincode=self._options.chaincode,
                pinned=self._options.genesis,
                replayer=self._replayer,
            )
        return self._auditor, self._state, self._replayer

    def _restart(self) -> None:
        """Begin again where the audit stands: the rules may have run a part of a block that did not count."""
        if self._auditor is not None:
            self._auditor.save()
            self._auditor = None
        self._stop_replay()

    def _stop_replay(self) -> None:
        if self._replayer is not None:
            self._replayer.close()
            self._replayer = None

    def _close(self) -> None:
        self._restart()
        if self._state is not None:
            self._state.close()
        self._scratch.cleanup()
