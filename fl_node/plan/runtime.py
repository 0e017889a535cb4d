"""What a node sees of a plan: bytes in, bytes out. The framework runs in a child process and is never imported here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from fl_node import codes
from fl_node.data.beside import beside
from fl_node.plan.child import Child
from fl_node.plan.container import Plan, load_plan
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.frames import Message
from fl_node.plan.interface import DataSource, Runtime, UpdateResult, WorkResult
from fl_node.plan.manifest import Manifest
from fl_node.plan.sandbox import Sandbox
from fl_node.plan.state_codec import compare_states

__all__ = ["DataSource", "PlanRuntime", "Runtime", "UpdateResult", "WorkResult", "deviation_e9", "require_framework"]


@dataclass(frozen=True)
class Grant:
    """What a child may read: the file or folder, and its description, that had the name then, not what takes its place.

    Attributes:
        path: The file or folder.
        held: Device and inode of the path and of its `data.yaml`; None where that is not there.
    """

    path: Path
    held: tuple[tuple[int, int] | None, ...]

    @classmethod
    def of(cls, path: Path) -> "Grant | None":
        """Return the grant of a path as it is now, None where there is nothing."""
        if not path.exists():
            return None
        return cls(path, (_identity(path), _identity(beside(path))))


def _identity(path: Path) -> tuple[int, int] | None:
    if not path.exists():
        return None
    found = path.stat()
    return found.st_dev, found.st_ino


def may_read(grant: Grant | None, data: Path | None) -> bool:
    """Tell whether a child with a grant may read rows; what is not there need not be granted."""
    if data is None or not data.exists():
        return True
    return grant is not None and data.is_relative_to(grant.path) and Grant.of(grant.path) == grant


class PlanRuntime:
    """Runs a plan made with TensorFlow Federated. May be used from several threads; calls run one after the other.

    The child process starts at the first call that needs it. A call during which it dies is tried once more.

    Args:
        plan: The .flplan file.
        digest: The digest that the ledger names; the file must have it.
        data: The rows that calls will name; the child starts anew where they name others, which it could not read.
        log: Where the framework writes; nowhere if None.
        sandbox: What the plan's processes may take.

    Raises:
        PlanError: FL3001 … FL3003 for the file, FL3004 where another version of the framework is installed.
    """

    def __init__(
        self,
        plan: Path,
        *,
        digest: str | None = None,
        data: Path | None = None,
        log: Path | None = None,
        sandbox: Sandbox = Sandbox(),  # noqa: B008 - frozen
    ) -> None:
        self._plan: Plan = load_plan(plan, digest)
        require_framework(self._plan.manifest)
        self._log = log
        self._sandbox = sandbox
        self._data = data
        self._grant: Grant | None = None
        self._child: Child | None = None
        self._closing = False
        self._lock = Lock()

    @property
    def manifest(self) -> Manifest:
        """The plan's manifest."""
        return self._plan.manifest

    @property
    def digest(self) -> str:
        """The plan's digest."""
        return self._plan.digest

    @property
    def child_pid(self) -> int | None:
        """The child's process id while it runs; it leads a process group of its own."""
        return self._child.pid if self._child and self._child.alive else None

    def initialize(self) -> bytes:
        """Returns the state before the first round: the blob in the plan, never computed again."""
        return self._plan.initial_state

    def prepare(self, state: bytes) -> None:
        """Starts the child and computes what `work` needs of a state, so that `work` itself is quick.

        Raises:
            PlanError: FL3005, FL3006 (ops), FL3020 (state), FL3040 … FL3042 (child process).
        """
        self._call("prepare", state)

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        """Trains on a participant's rows.

        Raises:
            PlanError: As `prepare`, FL3030 where the result does not fit its slots, and the FL31xx of the data.
        """
        answer = self._call("work", state, data=str(data.path), evaluate_only=False)
        vector = _blob(answer)
        examples = self.manifest.layout.rows(vector)
        return WorkResult(vector, examples, _metrics(answer), _seconds(answer))

    def update(self, state: bytes, aggregate: bytes, counts: Sequence[int]) -> UpdateResult:
        """Computes the next state from the survivors' sum.

        Args:
            state: The base state.
            aggregate: The sum in the layout's bytes.
            counts: The rows that each survivor declared on the ledger: they alone are the divisor of the plan's mean.

        Raises:
            PlanError: As `prepare`, FL3031 … FL3034 for the aggregate, FL3022 for a state that is not finite.
        """
        weighed = self.manifest.weighed(aggregate, counts)
        answer = self._call("update", state, weighed, survivors=len(counts))
        return UpdateResult(_blob(answer), _metrics(answer), _seconds(answer))

    def evaluate(self, state: bytes, data: DataSource) -> dict[str, float]:
        """Measures a state on a participant's hold-out; empty where the plan has no evaluation.

        Raises:
            PlanError: As `work`.
        """
        if not self.manifest.evaluation:
            return {}
        answer = self._call("work", state, data=str(data.path), evaluate_only=True)
        prefix = "evaluation/"
        metrics = _metrics(answer)
        return {name.removeprefix(prefix): metrics[name] for name in metrics if name.startswith(prefix)}

    def compare_states(self, first: bytes, second: bytes) -> float:
        """Returns the relative deviation of two states, within the plan's tolerance; see `state_codec`.

        Raises:
            PlanError: FL3021 where they lie further apart.
        """
        return compare_states(first, second, self.manifest.tolerance)

    def adopt(self, child: Child, data: Path | None = None) -> None:
        """Loads the plan into a child process that runs already, in place of the plan that it held.

        Args:
            child: The process.
            data: The rows that it may read, where the caller gave it some.

        Raises:
            PlanError: FL3005, FL3006 (ops), FL3040 … FL3042 (child process).
        """
        computations = self._plan.computations
        blobs = (self.manifest.canonical(), *(computations[name] for name in ("prepare", "work", "update")))
        self._child = child
        self._grant = Grant.of(data) if data else None
        child.call(Message({"op": "load"}, blobs), self._sandbox.call_s)

    def close(self) -> None:
        """Ends the child process with everything that it started; a call under way fails with FL3040."""
        self._closing = True
        if self._child:
            self._child.interrupt()
        with self._lock:
            if self._child:
                self._child.kill()
            self._child = None
            self._closing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, op: str, *blobs: bytes, **header: Any) -> Message:
        request = Message({"op": op, **header}, blobs)
        with self._lock:
            self._want(Path(header["data"]) if "data" in header else None)
            try:
                return self._running().call(request, self._sandbox.call_s)
            except PlanError as error:
                if error.code != codes.RUNTIME_DIED or self._closing:
                    raise
            # Every call is a pure function of its bytes, so that doing it again in a new child is safe.
            return self._running().call(request, self._sandbox.call_s)

    def _want(self, rows: Path | None) -> None:
        """Take rows for a call: in what was named at first, or in its place."""
        if rows and not (self._data and rows.is_relative_to(self._data)):
            self._data = rows

    def _running(self) -> Child:
        if self._child and self._child.alive and may_read(self._grant, self._data):
            return self._child
        if self._child:
            self._child.kill()
        rows = [self._data] if self._data else []
        child = Child(self._sandbox, data=rows, protobuf=self.manifest.protobuf, log=self._log)
        try:
            self.adopt(child, self._data)
        except BaseException:
            child.kill()
            raise
        return child


def _blob(answer: Message) -> bytes:
    if len(answer.blobs) != 1:
        raise plan_error(codes.RUNTIME_FAILED, f"an answer with {len(answer.blobs)} blobs")
    return answer.blobs[0]


def _metrics(answer: Message) -> dict[str, float]:
    """The metrics of an answer; a plan that has taken its process over may answer anything."""
    found = answer.header.get("metrics")
    if not isinstance(found, dict) or not all(type(value) in {int, float} for value in found.values()):
        raise plan_error(codes.RUNTIME_FAILED, "an answer without metrics")
    return {name: float(value) for name, value in found.items()}


def _seconds(answer: Message) -> float:
    found = answer.header.get("seconds")
    return float(found) if type(found) is float else 0.0


def require_framework(manifest: Manifest) -> None:
    """Checks that exactly the plan's version of its framework is installed, without importing it.

    Raises:
        PlanError: FL3004.
    """
    try:
        installed = version(manifest.framework)
    except PackageNotFoundError:
        installed = "none"
    if installed != manifest.framework_version:
        raise plan_error(
            codes.OTHER_FRAMEWORK,
            f"the plan needs {manifest.framework} {manifest.framework_version}, found {installed}",
        )


def deviation_e9(deviation: float) -> int:
    """A deviation as `Attest` takes it: in 10⁻⁹, rounded up."""
    return math.ceil(deviation * 1e9)
