"""Opens plans: bytes in, bytes out. Frameworks run in child processes and are never imported here."""

import math
from pathlib import Path
from typing import Final

from fl_node.plan.arithmetic.runtime import AveragingRuntime
from fl_node.plan.container import Plan, load_plan
from fl_node.plan.frameworks import JAX, KINDS, TFF, TORCH, require_version
from fl_node.plan.interface import DataSource, Runtime, UpdateResult, WorkResult
from fl_node.plan.kinds.runtime import KindRuntime
from fl_node.plan.sandbox import Sandbox
from fl_node.plan.tff.runtime import TffRuntime

__all__ = ["DataSource", "PlanRuntime", "Runtime", "UpdateResult", "WorkResult", "deviation_e9", "open_plan"]

PlanRuntime = TffRuntime | AveragingRuntime | KindRuntime
RUNTIMES: Final[dict[str, type[TffRuntime] | type[AveragingRuntime] | type[KindRuntime]]] = {
    TFF.name: TffRuntime,
    JAX.name: AveragingRuntime,
    TORCH.name: AveragingRuntime,
    KINDS.name: KindRuntime,
}
"""What runs a framework's plans, by the framework's name in a manifest."""


def open_plan(
    path: Path,
    *,
    digest: str | None = None,
    data: Path | None = None,
    log: Path | None = None,
    sandbox: Sandbox = Sandbox(),  # noqa: B008 - frozen
) -> PlanRuntime:
    """Opens a plan file with the runtime that its manifest names.

    Args:
        path: The .flplan file.
        digest: The digest that the ledger names; the file must have it.
        data: As `hosting.Hosted`, as the rest.
        log: Where the framework writes; nowhere if None.
        sandbox: What the plan's processes may take.

    Raises:
        PlanError: FL3001 … FL3003 for the file, FL3004 where TensorFlow Federated, or this project's
            arithmetic for kinds, is here in another version than the plan needs.
    """
    return open_read(load_plan(path, digest), data=data, log=log, sandbox=sandbox)


def open_read(
    plan: Plan,
    *,
    data: Path | None = None,
    log: Path | None = None,
    sandbox: Sandbox = Sandbox(),  # noqa: B008 - frozen
) -> PlanRuntime:
    """Opens a plan that was read; see `open_plan`."""
    if plan.manifest.framework in {TFF.name, KINDS.name}:  # without that version not even an update can be computed
        require_version(plan.manifest)
    return RUNTIMES[plan.manifest.framework](plan, data=data, log=log, sandbox=sandbox)


def deviation_e9(deviation: float) -> int:
    """A deviation as `Attest` takes it: in 10⁻⁹, rounded up."""
    return math.ceil(deviation * 1e9)
