"""What the federation was worth: the model beside each hospital's own and one trained on everybody's rows."""

import math
from collections.abc import Mapping
from pathlib import Path

from fl_node.plan.runtime import DataSource, PlanRuntime, open_plan


def train_alone(runtime: PlanRuntime, data: Path, rounds: int) -> bytes:
    """Return the state after as many rounds as the federation had, of one trainer on these rows."""
    state = runtime.initialize()
    for _ in range(rounds):
        work = runtime.work(state, DataSource(data))
        state = runtime.update(state, work.vector, [work.examples]).state
    return state


def compare(
    plan: Path, state: bytes, data: Mapping[str, Path], everything: Path, rounds: int
) -> dict[str, dict[str, float]]:
    """Return model → metrics on the hold-out rows of all the data: federated, pooled, and each hospital alone.

    Args:
        plan: The plan file.
        state: The federation's last state.
        data: Each hospital's rows.
        everything: A folder with all rows.
        rounds: How many rounds led to the state.
    """
    with open_plan(plan, data=everything) as runtime:
        source = DataSource(everything)
        measured: dict[str, dict[str, float]] = {"federated": runtime.evaluate(state, source)}
        measured["pooled"] = runtime.evaluate(train_alone(runtime, everything, rounds), source)
        for name, path in data.items():
            measured[f"{name} alone"] = runtime.evaluate(train_alone(runtime, path, rounds), source)
    return measured


def score(metrics: Mapping[str, float]) -> tuple[str, float]:
    """Return what models are compared by, and its value: the accuracy, whatever the plan calls it, else the loss."""
    found = [value for name, value in metrics.items() if name.rsplit("/", 1)[-1].endswith("accuracy")]
    return ("accuracy", float(found[0])) if found else ("loss", float(metrics.get("loss", math.nan)))
