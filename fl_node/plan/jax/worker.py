"""The child process of JAX. The only place that runs JAX."""

from pathlib import Path

from fl_node.plan.arithmetic.loaded import LocalPlan
from fl_node.plan.arithmetic.private import Goal
from fl_node.plan.arithmetic.worker import handler
from fl_node.plan.serving import serve


def build(file: Path, function: str, goal: Goal | None, clip: str | None) -> bytes:
    """Compiles a researcher's file; see `compile.build_plan`."""
    from fl_node.plan.jax.compile import build_plan  # noqa: PLC0415 - JAX takes seconds: only when asked for

    return build_plan(file, function, goal, clip)


def load(*parts: bytes) -> LocalPlan:
    """Loads a plan; see `loaded.LoadedPlan`."""
    from fl_node.plan.jax.loaded import LoadedPlan  # noqa: PLC0415 - as above

    return LoadedPlan(*parts)


if __name__ == "__main__":
    serve(handler(build, load))
