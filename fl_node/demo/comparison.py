"""What the federation was worth: the model beside each participant's own and one trained on everybody's rows."""

import math
from collections.abc import Mapping
from pathlib import Path

from fl_node.examples.catalogue import ACCURACY, LOSS, Example
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
    """Return model → metrics on the hold-out rows of all the data: federated, pooled, and each participant alone.

    Args:
        plan: The plan file.
        state: The federation's last state.
        data: Each participant's rows.
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


def scores(
    measured: Mapping[str, Mapping[str, float]], example: Example | None, framework: str
) -> tuple[str, dict[str, float]]:
    """Return what models are compared by, for people, and each model's value of it.

    It is the example's metric; of a plan of one's own the accuracy, whatever the plan calls it, else the loss.
    """
    wanted = example.metric if example else ACCURACY
    names = [name for name in measured["federated"] if name.rsplit("/", 1)[-1].endswith(wanted)]
    name = names[0] if names else LOSS
    title = example.title(framework) if example else wanted if names else LOSS
    return title, {model: float(metrics.get(name, math.nan)) for model, metrics in measured.items()}


def table(title: str, found: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return a row for each model."""
    shown = "{:.1%}" if title == ACCURACY else "{:.4f}"
    return [(model, shown.format(value)) for model, value in found.items()]
