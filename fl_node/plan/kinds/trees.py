"""Gradient-boosted trees by secure histograms: bin edges from federated quantiles, then one round for each level.

The rounds: some that narrow the edges down (`edge_rounds`), then `depth` for each tree. Rounds after the last tree
change nothing. No row leaves its participant, nor does a participant's histogram.
"""

from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fl_node.data.schema import Decimal, Schema
from fl_node.plan.kinds.grown import LEAF, Terms, fall, grow, histogram, margins, places
from fl_node.plan.kinds.kind import Kind, State
from fl_node.plan.kinds.losses import Name, base_margin, gradients, loss
from fl_node.plan.kinds.quantiles import counts_below, narrowed, ranks_of
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.statistics import column_range, ranges
from fl_node.plan.kinds.sums import Numbers, Quantity, Totals
from fl_node.plan.kinds.xgboost_json import ensemble

Doubles = NDArray[np.float64]

EDGE_BITS: Final = 12
"""An edge is found within its column's range to 2⁻¹² of it, or closer."""
LONGEST_POISSON: Final = 0.7
"""XGBoost's `max_delta_step` for counts."""


class Trees(Kind):
    """Gradient-boosted trees; every column with numbers needs a minimum below a maximum.

    Attributes:
        loss_of: `binary` (a category of two values), `squared` (a float, or a count), `poisson` (a count, with its
            exposure if the label names one), `quantile` (as squared).
        trees: How many.
        depth: Levels of splits in each.
        bins: How many bins a feature has.
        rate: What each tree's weights are multiplied by.
        ridge: λ, added to sums of second derivatives.
        least: The smallest sum of second derivatives in a leaf.
        gain: The smallest gain of a split.
        quantile: Which quantile, for that loss.
        label_scale: Labels of `squared` and `quantile` are divided by it: choose about their spread.
    """

    extras: ClassVar[tuple[str, ...]] = ("trees/grown", "trees/leaves")
    tells: ClassVar[str] = "the labels' sum in each node and bin of a column, which may hold one row"

    kind: Literal["trees"] = "trees"
    loss_of: Name
    trees: int = Field(default=20, ge=1, le=1000)
    depth: int = Field(default=4, ge=1, le=10)
    bins: int = Field(default=32, ge=2, le=256)
    rate: Decimal = "0.3"
    ridge: Decimal = "1"
    least: Decimal = "1"
    gain: Decimal = "0"
    quantile: Decimal = "0.5"
    label_scale: Decimal = "1"

    def check(self, schema: Schema) -> None:
        """Refuses a schema without the label that the loss needs, or columns without a range; raises ValueError."""
        label = schema.label
        numbers = ("float", "count")
        wanted = {"binary": ("category", "ordinal"), "poisson": ("count",)}.get(self.loss_of, numbers)
        if schema.window or label is None or label.type not in wanted:
            raise ValueError(f"{self.loss_of} trees need one label of type {' or '.join(wanted)}, and no window")
        if (self.loss_of == "binary" and len(label.values) != 2) or (self.loss_of != "poisson" and label.exposure):  # noqa: PLR2004
            raise ValueError("a binary label has two values; an exposure is for poisson")
        for column in schema.columns:
            if column.ranged and (column.low is None or column.high is None or column.low == column.high):
                raise ValueError(f"column {column.name}: trees need a range, minimum below maximum")
        self._check_constants()

    def _check_constants(self) -> None:
        if not (0 < float(self.quantile) < 1 and float(self.label_scale) > 0 and 0 < float(self.rate) <= 1):
            raise ValueError("quantile lies between 0 and 1, rate is at most 1, and label_scale above zero")
        if min(float(self.ridge), float(self.least), float(self.gain)) < 0:
            raise ValueError("ridge, least and gain are not below zero")
        if self.loss_of in {"binary", "poisson"} and float(self.label_scale) != 1:
            raise ValueError("label_scale is for squared and quantile")

    @property
    def edge_rounds(self) -> int:
        """How many rounds the edges take."""
        return -(-EDGE_BITS // self.depth)

    @property
    def rounds(self) -> int:
        """How many rounds the whole ensemble takes."""
        return self.edge_rounds + self.trees * self.depth

    @property
    def _nodes(self) -> int:
        return int(2 ** (self.depth - 1))

    @property
    def _parts(self) -> int:
        """Into how many parts a round narrows an edge down: the counts fit the cells of the histograms."""
        return 2 * self._nodes

    def quantities(self, schema: Schema) -> tuple[Quantity, ...]:
        """Gradients and second derivatives by node, feature and bin; labels and exposure for the base."""
        return (
            Quantity("histogram", (2, self._nodes, schema.width, self.bins), self.magnitude_bits),
            Quantity("labels", (), self.magnitude_bits),
            Quantity("exposure", (), self.magnitude_bits),
        )

    def start(self, schema: Schema) -> State:
        """No tree, and edges anywhere in their column's range."""
        (low, size), shape = ranges(schema), (self.trees, places(self.depth))
        return {
            "steps": np.array(0, np.int64),
            "base": np.array(0.0),
            "low": np.repeat(low[:, np.newaxis], self.bins - 1, axis=1),
            "high": np.repeat((low + size)[:, np.newaxis], self.bins - 1, axis=1),
            "edges": np.zeros((schema.width, self.bins - 1), np.float32),
            "feature": np.full(shape, LEAF, np.int32),
            "threshold": np.zeros(shape, np.float32),
            "value": np.zeros(shape),
            "weight": np.zeros(shape),
            "cover": np.zeros(shape),
            "gain": np.zeros(shape),
        }

    def contribute(self, schema: Schema, state: State, rows: Rows) -> Numbers:
        """Counts below the edges' thresholds, or the histograms of the level that grows."""
        labels, exposure = self._labels(rows)
        found = {"labels": labels.sum(), "exposure": exposure.sum()}
        cells = np.zeros((2, self._nodes, schema.width, self.bins))
        tree, level = self._turn(state)
        if tree < 0:
            counted = counts_below(rows.features, state["low"], state["high"], self._parts)
            flat = cells.reshape(schema.width, -1)
            flat[:, : counted[0].size] = counted.reshape(schema.width, -1)
        elif tree < self.trees:
            margin = margins(state, rows.features, tree, self.depth)
            sums = np.array(gradients(self.loss_of, margin, labels, exposure, float(self.quantile)))
            first = 2**level - 1
            at = fall(state, tree, rows.features, level) - first
            cells[:, : 2**level] = histogram(state["edges"], rows.features, at, sums, 2**level)
        return {"histogram": cells, **found}

    def loss(self, schema: Schema, state: State, rows: Rows) -> float:
        """The loss by the trees that are whole, and the one that grows as far as it has grown."""
        del schema
        labels, exposure = self._labels(rows)
        margin = margins(state, rows.features, min(max(self._turn(state)[0] + 1, 0), self.trees), self.depth)
        return float(np.sum(loss(self.loss_of, margin, labels, exposure, float(self.quantile))))

    def follow(self, schema: Schema, state: State, totals: Totals) -> State:
        """Closer edges, or one more level of the tree that grows."""
        cells, labels, exposure = self.quantities(schema)
        following = {**state, "steps": np.array(int(state["steps"]) + 1, np.int64)}
        tree, level = self._turn(state)
        if tree >= self.trees:
            return following
        whole, unit = totals.whole(cells), totals.unit(cells)
        if tree >= 0:
            return following | grow(state, tree, level, (whole[:, : 2**level], unit), self._terms)
        flat = whole.reshape(schema.width, -1)[:, : (self.bins - 1) * (self._parts - 1)]
        below = (flat.reshape(schema.width, self.bins - 1, -1).astype(np.float64) * unit).astype(np.int64)
        ranks = ranks_of(np.arange(1, self.bins) / self.bins, totals.rows)
        following["low"], following["high"] = narrowed(state["low"], state["high"], below, ranks)
        if int(following["steps"]) == self.edge_rounds:
            following["edges"] = _edges(schema, following["high"])
            divisor = float(totals.real(exposure)) if self.loss_of == "poisson" else float(totals.rows)
            mean = float(totals.real(labels)) / divisor if divisor > 0 else 0.0
            following["base"] = np.array(base_margin(self.loss_of, mean))
        return following

    def report(self, state: State) -> dict[str, float]:
        """How many trees have begun to grow, and how many leaves they have."""
        begun = int(min(max(self._turn(state)[0] + (self._turn(state)[1] > 0), 0), self.trees))
        splits = int((state["feature"] != LEAF).sum())
        return {"trees/grown": float(begun), "trees/leaves": float(splits + begun)}

    def export(self, schema: Schema, state: State) -> dict[str, Any]:
        """The ensemble as XGBoost reads it; counts with an exposure need its logarithm as base margin there."""
        return ensemble(self.loss_of, schema, state, float(self.label_scale), float(self.quantile))

    @property
    def _terms(self) -> Terms:
        longest = LONGEST_POISSON if self.loss_of == "poisson" else None
        return Terms(float(self.rate), float(self.ridge), float(self.least), float(self.gain), longest)

    def _turn(self, state: State) -> tuple[int, int]:
        """Which tree and which level grows; tree -1 while the edges are sought."""
        steps = int(state["steps"]) - self.edge_rounds
        return (-1, 0) if steps < 0 else divmod(steps, self.depth)

    def _labels(self, rows: Rows) -> tuple[Doubles, Doubles]:
        assert rows.labels is not None
        if rows.labels.ndim > 1:
            return rows.labels[:, 0], rows.labels[:, 1]
        return rows.labels / float(self.label_scale), np.ones(len(rows.labels))


def _edges(schema: Schema, high: Doubles) -> NDArray[np.float32]:
    """The edges of each feature's bins, rising; a row at an edge lies to its right.

    An edge is the next 32-bit float above the bounds that hold its quantile. Of 0 and 1 the one edge is between them.
    """
    edges = np.nextafter(high.astype(np.float32), np.float32(np.inf))
    at = 0
    for column in schema.columns:
        if column.type in {"boolean", "category"}:
            edges[at : at + column.width] = sum(column_range(column)) / 2
        at += column.width
    return np.sort(edges, axis=1)
