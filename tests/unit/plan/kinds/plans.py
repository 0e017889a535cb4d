"""Plans of the kinds, rows for them, and rounds without a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.container import Plan, read_plan
from fl_node.plan.kinds.compile import compile_kind
from fl_node.plan.kinds.kind import Kind, State
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.source import KindPlan
from fl_node.plan.kinds.step import next_state, read_state, vector_of
from tests.unit.plan.conftest import add

NUMBERS = (
    Column(name="age", minimum="0", maximum="120"),
    Column(name="pressure", mean="130", deviation="20"),
    Column(name="smoker", type="boolean"),
    Column(name="region", type="category", values=("north", "south", "west")),
)
LABELS = {
    "linear": Label(name="cost", type="float"),
    "logistic": Label(name="ill", values=("no", "yes")),
    "poisson": Label(name="claims", type="count", exposure="years"),
}


def schema(family: str, columns: Sequence[Column] = NUMBERS) -> Schema:
    return Schema(columns=tuple(columns), label=LABELS[family])


def compiled(kind: Kind, rows_of: Schema, cohort: int = 8, holdout: int = 0) -> Plan:
    return read_plan(compile_kind(KindPlan("tried", rows_of, kind, cohort, holdout)))


def manifest_of(plan: Plan) -> KindManifest:
    assert isinstance(plan.manifest, KindManifest)
    return plan.manifest


def patients(family: str, rows: int, seed: int = 5) -> Rows:
    """Made-up rows of the columns above whose labels follow a model of the family."""
    draw = np.random.default_rng(seed)
    region = np.eye(3)[draw.integers(0, 3, rows)]
    numbers = np.column_stack([draw.uniform(20, 90, rows), draw.normal(130, 20, rows), draw.random(rows) < 0.3])
    features = np.column_stack([numbers, region])
    predictor = features[:, :3] @ [0.02, 0.01, 0.5] - 3.3 + region[:, 1]
    if family == "linear":
        return Rows(features, 3 * predictor + draw.normal(size=rows))
    if family == "logistic":
        return Rows(features, (draw.random(rows) < 1 / (1 + np.exp(-predictor))).astype(float))
    years = draw.uniform(0.2, 3, rows)
    return Rows(features, np.column_stack([draw.poisson(years * np.exp(predictor)).astype(float), years]))


def dealt(rows: Rows, participants: int) -> list[Rows]:
    """The rows in unequal shares."""
    ends = np.cumsum(np.arange(1, participants + 1)) * len(rows) // (participants * (participants + 1) // 2)
    return [rows.take(slice(start, end)) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


@dataclass
class Played:
    """Rounds of a plan: the states one after the other, and the last metrics."""

    plan: Plan
    states: list[bytes]
    metrics: dict[str, float]

    @property
    def state(self) -> State:
        return read_state(manifest_of(self.plan), self.states[-1])

    @property
    def found(self) -> dict[str, Any]:
        manifest = manifest_of(self.plan)
        return manifest.kind.export(manifest.schema_, self.state)


def play(plan: Plan, shares: Sequence[Rows], rounds: int, held: Sequence[Rows] = ()) -> Played:
    """Plays rounds with everybody's plain vectors, added as the secure sum adds them."""
    manifest, states, metrics = manifest_of(plan), [plan.initial_state], {}
    outs = held or [shares[0].take(slice(0, 0))] * len(shares)
    for _ in range(rounds):
        vectors = [vector_of(manifest, states[-1], rows, out) for rows, out in zip(shares, outs, strict=True)]
        following, metrics = next_state(manifest, states[-1], add(manifest.layout, vectors), [len(r) for r in shares])
        states.append(following)
    return Played(plan, states, metrics)


MEANS = {
    "linear": lambda predictor: predictor,
    "logistic": lambda predictor: 1 / (1 + np.exp(-predictor)),
    "poisson": lambda predictor: np.exp(np.minimum(predictor, 50)),
}


def pooled(family: str, matrix: NDArray[Any], labels: NDArray[Any], offset: NDArray[Any]) -> tuple[Any, Any]:
    """An independent fit of all rows together: coefficients and standard errors, by weighted least squares with QR."""
    coefficients = np.zeros(matrix.shape[1])
    if family != "linear":
        coefficients[0] = {"logistic": 0.0, "poisson": np.log(labels.sum() / np.exp(offset).sum())}[family]
    for _ in range(60):
        predictor = matrix @ coefficients + offset
        mu = MEANS[family](predictor)
        weight = {"linear": np.ones_like(mu), "logistic": mu * (1 - mu), "poisson": mu}[family]
        root = np.sqrt(weight)
        q, r = np.linalg.qr(matrix * root[:, None])
        coefficients = coefficients + np.linalg.solve(r, q.T @ ((labels - mu) / root))
    squares = np.sum((labels - matrix @ coefficients - offset) ** 2)
    dispersion = squares / (len(labels) - matrix.shape[1]) if family == "linear" else 1.0
    inverse = np.linalg.inv(r)
    return coefficients, np.sqrt(np.diag(inverse @ inverse.T) * dispersion)
