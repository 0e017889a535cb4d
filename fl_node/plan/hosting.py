"""A plan with its child process: started when it is needed, once more where it died, ended with everything it began."""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from fl_node import codes
from fl_node.data.beside import beside
from fl_node.plan.child import Child
from fl_node.plan.container import Plan
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.frames import Message
from fl_node.plan.frameworks import FRAMEWORKS, Framework, require_version
from fl_node.plan.manifest import Manifest
from fl_node.plan.sandbox import Sandbox
from fl_node.plan.tff.manifest import TffManifest
from fl_node.plan.torch.manifest import TorchManifest


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


class Hosted:
    """A plan whose computations run in a child. May be used from several threads; calls run one after the other.

    The child process starts at the first call that needs it. A call during which it dies is tried once more.

    Args:
        plan: The plan as it was read.
        data: The rows that calls will name; the child starts anew where they name others, which it could not read.
        log: Where the framework writes; nowhere if None.
        sandbox: What the plan's processes may take.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        data: Path | None = None,
        log: Path | None = None,
        sandbox: Sandbox = Sandbox(),  # noqa: B008 - frozen
    ) -> None:
        self._plan = plan
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
    def framework(self) -> Framework:
        """What runs it."""
        return FRAMEWORKS[self.manifest.framework]

    @property
    def computations(self) -> tuple[bytes, ...]:
        """The computations, in the order in which a child loads them."""
        return tuple(self._plan.computations.values())

    @property
    def child_pid(self) -> int | None:
        """The child's process id while it runs; it leads a process group of its own."""
        return self._child.pid if self._child and self._child.alive else None

    def initialize(self) -> bytes:
        """Returns the state before the first round: the blob in the plan, never computed again."""
        return self._plan.initial_state

    def adopt(self, child: Child, data: Path | None = None) -> None:
        """Loads the plan into a child process that runs already, in place of the plan that it held.

        Args:
            child: The process.
            data: The rows that it may read, where the caller gave it some.

        Raises:
            PlanError: FL3005, FL3006 (ops), FL3040 … FL3042 (child process).
        """
        blobs = (self.manifest.canonical(), *self.computations)
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

    def call(self, op: str, *blobs: bytes, **header: Any) -> Message:
        """Asks the child; once more in a new one where it died.

        Raises:
            PlanError: What the child refuses, FL3040 … FL3047.
        """
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
        child = self._child_for([self._data] if self._data else [])
        try:
            self.adopt(child, self._data)
        except BaseException:
            child.kill()
            raise
        return child

    def _child_for(self, rows: list[Path]) -> Child:
        gpu = isinstance(self.manifest, TorchManifest) and self.manifest.device == "gpu"
        if gpu and not self._sandbox.gpu:
            raise plan_error(codes.GPU_FORBIDDEN, "the plan asks for a GPU, and no plan gets one here")
        require_version(self.manifest)
        protobuf = self.manifest.protobuf if isinstance(self.manifest, TffManifest) else "upb"
        module, own = self.framework.worker, self.framework.environment
        return Child(self._sandbox, data=rows, protobuf=protobuf, log=self._log, module=module, own=own, gpu=gpu)


def blob(answer: Message) -> bytes:
    """The one blob of an answer."""
    if len(answer.blobs) != 1:
        raise plan_error(codes.RUNTIME_FAILED, f"an answer with {len(answer.blobs)} blobs")
    return answer.blobs[0]


def metrics(answer: Message) -> dict[str, float]:
    """The metrics of an answer; a plan that has taken its process over may answer anything."""
    found = answer.header.get("metrics")
    if not isinstance(found, dict) or not all(type(value) in {int, float} for value in found.values()):
        raise plan_error(codes.RUNTIME_FAILED, "an answer without metrics")
    return {name: float(value) for name, value in found.items()}


def seconds(answer: Message) -> float:
    """The time in the child, as it says; 0 where it says none."""
    found = answer.header.get("seconds")
    return float(found) if type(found) is float else 0.0
