"""Where a node's plans run: the plan file fetched by its digest, its runtime in a child process, work off the loop."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import structlog

from fl_node import codes
from fl_node.blobs.mirror import Mirror
from fl_node.data.errors import DataError
from fl_node.ledger.records import Round
from fl_node.plan.errors import PlanError
from fl_node.plan.layout import TensorLayout
from fl_node.plan.own import OwnStates
from fl_node.plan.runtime import DataSource, Runtime, UpdateResult, WorkResult, open_plan
from fl_node.plan.sandbox import STOPPED, Sandbox
from fl_node.privacy.accounting import Promise
from fl_node.privacy.integers import Numbers
from fl_node.secagg.layout import Vector
from network.files import write_atomically

log = structlog.get_logger("node")
PLAN_PATIENCE_S: Final = 60.0
UNTRAINABLE: Final = (
    STOPPED
    | {codes.RUNTIME_MISSING, codes.OTHER_FRAMEWORK, codes.SUM_TOO_LARGE}
    | {
        codes.GPU_FORBIDDEN,
        codes.GPU_MISSING,
    }
)
"""The codes of a plan that this node cannot train until it starts anew; it attests to it all the same, if it can."""


class Described(Protocol):
    """What a node must know of a plan, whatever framework runs it."""

    @property
    def layout(self) -> TensorLayout:
        """Return the layout of the sums."""

    @property
    def layout_digest(self) -> str:
        """Return its digest."""

    @property
    def initial_state(self) -> str:
        """Return the initial state's digest."""

    @property
    def promise(self) -> Promise | None:
        """Return what each round gives away, None where nothing is promised."""

    @property
    def registered(self) -> Numbers:
        """Return the same as the ledger has it, in whole numbers."""

    @property
    def contribution(self) -> int:
        """Return for how many groups the sums have room to say what they contributed."""

    @property
    def zeroing(self) -> bool:
        """Tell whether large updates are replaced by zeros."""


class PlanRunner(Runtime, Protocol):
    """A runtime that knows its plan."""

    @property
    def manifest(self) -> Described:
        """Return what the plan is."""


@dataclass(frozen=True)
class Work:
    """Client work for one attempt."""

    attempt: str
    task: "asyncio.Future[WorkResult]"


Opener = Callable[[Path, str], PlanRunner]


def plan_opener(sandbox: Sandbox, data: Path | None) -> Opener:
    """Return what opens plans with the runtime that each names, shut in with the node's rows."""

    def opened(path: Path, digest: str) -> PlanRunner:
        return open_plan(path, digest=digest, data=data, log=path.with_suffix(".log"), sandbox=sandbox)

    return opened


class Workshop:
    """A runtime for each plan in use; client work of several trainings is done one after the other, all else beside it.

    Its methods may be awaited from anywhere.
    """

    def __init__(self, folder: Path, mirror: Mirror, data: Path | None, opener: Opener) -> None:
        self._folder = folder
        self._mirror = mirror
        self._data = data
        self._opener = opener
        self._runners: dict[str, PlanRunner] = {}
        self._lock = asyncio.Lock()
        self._warm: set[str] = set()
        self._unfit: dict[str, str] = {}  # plan → the code of what is known against training it here
        self.on_trained: Callable[[str], None] = lambda _: None
        self._own = OwnStates(folder / "own")
        self._turn = asyncio.Lock()
        self._work: dict[str, Work] = {}

    async def runner(self, plan: str) -> PlanRunner:
        """Return the runtime of a plan, fetching the file where it is not here yet.

        Raises:
            NodeError: FL4704, nobody has the plan file.
            PlanError: the file is no plan, or this machine cannot run it.
        """
        async with self._lock:
            if plan not in self._runners:
                path = self._folder / f"{plan}.flplan"
                if not path.exists():
                    async with asyncio.timeout(PLAN_PATIENCE_S):
                        raw = await self._mirror.get(plan)
                    await asyncio.to_thread(write_atomically, path, raw)
                self._runners[plan] = await asyncio.to_thread(self._opener, path, plan)
            return self._runners[plan]

    async def state(self, plan: str, digest: str) -> bytes:
        """Return a state by its digest: the plan's own initial one, or a blob."""
        runner = await self.runner(plan)
        if digest == runner.manifest.initial_state:
            return runner.initialize()
        return await self._mirror.get(digest)

    def start(self, view: Round) -> "asyncio.Future[WorkResult]":
        """Start client work for an attempt in the background, once, in place of its training's earlier attempts."""
        known = self._work.get(view.training)
        if known is None or known.attempt != view.name:
            self._drop(view.training)
            task = asyncio.create_task(self._train(view))
            task.add_done_callback(lambda _: self.on_trained(view.training))
            known = self._work[view.training] = Work(view.name, task)
        return known.task

    def trained(self, view: Round) -> bool:
        """Tell whether the work for an attempt has ended, well or not, so that nobody waits for its result."""
        known = self._work.get(view.training)
        return known is not None and known.attempt == view.name and known.task.done()

    def committed(self, view: Round) -> None:
        """Let go of the vector that an attempt's work gave: its masked form lies on the disk and on the ledger."""
        known = self._work.get(view.training)
        if known is not None and known.attempt == view.name and known.task.done():
            done: asyncio.Future[WorkResult] = asyncio.get_running_loop().create_future()
            done.set_result(replace(known.task.result(), vector=b""))
            self._work[view.training] = Work(view.name, done)

    def settle(self, view: Round, *, counted: bool) -> None:
        """Take note that an attempt has ended, and whether this node's update is in its result."""
        self._own.settle(view.training, view.round, view.attempt, counted=counted)

    def ready(self, plan: str) -> bool:
        """Tell whether a plan's framework has started, so that an update takes no longer than it must."""
        return plan in self._warm

    def unfit(self, plan: str) -> str:
        """Return the code of what is known against training a plan on the node's rows; empty where nothing is."""
        return codes.NO_DATA if self._data is None else self._unfit.get(plan, "")

    async def update(self, plan: str, state: bytes, aggregate: Vector, counts: Sequence[int]) -> UpdateResult:
        """Compute the next state; see `Runtime.update`."""
        return await asyncio.to_thread((await self.runner(plan)).update, state, aggregate, counts)

    async def evaluate(self, plan: str, state: bytes) -> dict[str, float]:
        """Measure a state on the node's own hold-out; empty without data."""
        if self._data is None:
            return {}
        return await asyncio.to_thread((await self.runner(plan)).evaluate, state, DataSource(self._data))

    async def warm(self, plan: str) -> None:
        """Start the framework before the first round needs it, and try the plan on the node's rows.

        Raises:
            PlanError: the plan does not run here.
            DataError: the rows do not fit it, with file and row; the node then takes no part in its rounds.
            PlanError: FL3043 … FL3047, it was stopped at a limit or its framework is missing; no part either.
        """
        with self._judging(plan):
            runner = await self.runner(plan)
            self._mirror.keep(plan, runner.manifest.initial_state)
            await asyncio.to_thread(runner.prepare, runner.initialize())
            self._warm.add(plan)
            if self._data is not None:
                await asyncio.to_thread(runner.work, runner.initialize(), DataSource(self._data))

    async def close(self) -> None:
        """End every child process."""
        for training in list(self._work):
            self._drop(training)
        for runner in self._runners.values():
            await asyncio.to_thread(runner.close)

    async def _train(self, view: Round) -> WorkResult:
        assert self._data, "a node without data has no part in a cohort"
        runner = await self.runner(view.plan)
        state = await self.state(view.plan, view.base_state)
        async with self._turn:
            with self._judging(view.plan):
                own = await asyncio.to_thread(self._own.before, view.training, view.round)
                result = await asyncio.to_thread(runner.work, state, DataSource(self._data, own))
                if result.own:
                    await asyncio.to_thread(self._own.keep, view.training, view.round, view.attempt, result.own)
                return result

    @contextmanager
    def _judging(self, plan: str) -> Iterator[None]:
        """Remember a plan that cannot be trained here, or that was stopped at a limit: it is not tried again."""
        try:
            yield
        except (DataError, PlanError) as error:
            if isinstance(error, DataError) or error.code in UNTRAINABLE:
                self._unfit[plan] = error.code
                log.warning("this plan is trained here no more", plan=plan, **error.as_json())
            raise

    def _drop(self, training: str) -> None:
        """Forget work that no attempt waits for; what a thread has begun of it ends by itself."""
        if known := self._work.pop(training, None):
            known.task.cancel()
            known.task.add_done_callback(_forget)


def _forget(task: "asyncio.Future[WorkResult]") -> None:
    if not task.cancelled():
        task.exception()
