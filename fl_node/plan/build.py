"""Building a plan from the node's side: the compiler runs in a child process, this one stays small."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fl_node import codes
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.child import Child
from fl_node.plan.container import Plan, read_plan
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.frames import Message
from fl_node.plan.frameworks import TFF, Framework
from network.files import replace_file

DEFAULT_FUNCTION: Final = "plan"
TIMEOUT_SECONDS: Final = 900.0

TOO_DEEP: Final = "DecodeError"
"""What the default protobuf parser says to deeply nested computations; the pure-Python one, slower, takes them."""


@dataclass(frozen=True)
class Built:
    """A plan that was built: its bytes, its content, and how many seconds the compiler and the whole took."""

    raw: bytes
    plan: Plan
    compile_seconds: float
    seconds: float


def build(
    source: str,
    *,
    framework: Framework = TFF,
    goal: Goal | None = None,
    clip: str | None = None,
    log: Path | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> Built:
    """Builds a plan.

    Args:
        source: `FILE.py` or `FILE.py:function`; the function's default name is `plan`.
        framework: Whose compiler builds it.
        goal: Differential privacy to build for.
        clip: What rows, or updates, are clipped to, in the place of the file's own; decimal text.
        log: Where the framework writes; nowhere if None.
        timeout: Seconds that it may take.

    Raises:
        PlanError: The compiler's refusals, FL3005 … FL3015, FL3050; FL3047 where the framework is not installed.
    """
    started = time.perf_counter()
    if goal and not issubclass(framework.manifest, AveragingManifest):
        raise plan_error(codes.NOT_PRIVATE, f"plans of {framework.title} get no noise", "framework")
    file, _, function = source.partition(":")
    header: dict[str, Any] = {"file": str(Path(file).resolve()), "function": function or DEFAULT_FUNCTION}
    header |= {"privacy": goal.model_dump(mode="json")} if goal else {}
    header |= {"clip": clip} if clip else {}
    try:
        answer = _compile(framework, header, "upb", log, timeout)
    except PlanError as error:
        if TOO_DEEP not in error.message:
            raise
        answer = _compile(framework, header, "python", log, timeout)
    raw = answer.blobs[0]
    return Built(raw, read_plan(raw), answer.header["seconds"], time.perf_counter() - started)


def _compile(framework: Framework, header: dict[str, Any], protobuf: str, log: Path | None, timeout: float) -> Message:
    child = Child(None, protobuf=protobuf, log=log, module=framework.worker, own=framework.environment)
    try:
        return child.call(Message({"op": "build", "protobuf": protobuf, **header}), timeout)
    finally:
        child.kill()


def write_plan(built: Built, output: Path) -> None:
    """Writes a plan file, whole or not at all."""
    output.parent.mkdir(parents=True, exist_ok=True)
    replace_file(output, built.raw)
