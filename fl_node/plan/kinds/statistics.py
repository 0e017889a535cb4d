"""Statistics of every column: counts, means, deviations and histograms after one round, quantiles after a few.

The same state gives the constants that standardise a training plan's columns (`fedledger plan constants`). Of time
series it describes the rows, under the very schema, and so the schema's digest, of the plan that then reads windows.
"""

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fl_node.data.schema import Column, Decimal, Schema
from fl_node.plan.kinds.kind import Kind, State
from fl_node.plan.kinds.quantiles import counts_below, narrowed, ranks_of
from fl_node.plan.kinds.rows import Rows, row_width
from fl_node.plan.kinds.sums import Numbers, Quantity, Totals

Doubles = NDArray[np.float64]

QUARTILES = ("0.25", "0.5", "0.75")
BYTE = 255.0


class Statistics(Kind):
    """Statistics of the features; every column with numbers needs a minimum below a maximum.

    Attributes:
        bins: Even parts of a column's range in its histogram; 0: no histograms. A cell of few rows tells of those few.
        quantiles: Which quantiles, decimal text above 0 and below 1; each round makes their bounds `steps` times
            closer, the range of the column at first.
        steps: Into how many parts.
    """

    tells: ClassVar[str] = (
        "how many rows lie in each cell, which may be one row, and quantiles as close as rounds go on"
    )
    of_steps: ClassVar[bool] = True

    kind: Literal["statistics"] = "statistics"
    bins: int = Field(default=10, ge=0, le=1024)
    quantiles: tuple[Decimal, ...] = Field(default=QUARTILES, strict=False, max_length=64)
    steps: int = Field(default=32, ge=2, le=1024)

    def check(self, schema: Schema) -> None:
        """Refuses columns without a range, standardised ones, and quantiles that are none; raises ValueError."""
        for column in schema.columns:
            if column.ranged and (column.low is None or column.high is None or column.low == column.high):
                raise ValueError(f"column {column.name}: statistics need a range, minimum below maximum")
        if not all(0 < float(one) < 1 for one in self.quantiles):
            raise ValueError("quantiles lie between 0 and 1")

    def quantities(self, schema: Schema) -> tuple[Quantity, ...]:
        """Sums of values and squares in units of each range, histograms, and rows below thresholds."""
        width = row_width(schema)
        found = [Quantity("first", (width,), self.magnitude_bits), Quantity("second", (width,), self.magnitude_bits)]
        if self.bins:
            found.append(Quantity("histogram", (width, self.bins)))
        if self.quantiles:
            found.append(Quantity("below", (width, len(self.quantiles), self.steps - 1)))
        return tuple(found)

    def start(self, schema: Schema) -> State:
        """No rows, and quantiles anywhere in their column's range."""
        width, (low, size) = row_width(schema), ranges(schema)
        state = {
            "steps": np.array(0, np.int64),
            "count": np.array(0, np.int64),
            "mean": np.zeros(width),
            "deviation": np.zeros(width),
        }
        if self.bins:
            state["histogram"] = np.zeros((width, self.bins), np.int64)
        if self.quantiles:
            state["low"] = np.repeat(low[:, np.newaxis], len(self.quantiles), axis=1)
            state["high"] = np.repeat((low + size)[:, np.newaxis], len(self.quantiles), axis=1)
        return state

    def contribute(self, schema: Schema, state: State, rows: Rows) -> Numbers:
        """The sums of rows."""
        low, size = ranges(schema)
        units = (rows.features - low) / size
        found: dict[str, Any] = {"first": units.sum(axis=0), "second": np.square(units).sum(axis=0)}
        if self.bins:
            cells = np.clip(np.floor(units * self.bins), 0, self.bins - 1).astype(np.int64)
            found["histogram"] = np.array([np.bincount(column, minlength=self.bins) for column in cells.T])
        if self.quantiles:
            found["below"] = counts_below(rows.features, state["low"], state["high"], self.steps)
        return found

    def loss(self, schema: Schema, state: State, rows: Rows) -> float:
        """Nothing is made small here."""
        del schema, state, rows
        return 0.0

    def follow(self, schema: Schema, state: State, totals: Totals) -> State:
        """Moments and histograms of this round's rows, and quantiles between closer bounds."""
        first, second, *counted = self.quantities(schema)
        low, size = ranges(schema)
        rows = float(max(totals.rows, 1))
        mean = totals.real(first) / rows
        spread = np.maximum(totals.real(second) / rows - mean * mean, 0.0)
        following: dict[str, Any] = {
            "steps": np.array(int(state["steps"]) + 1, np.int64),
            "count": np.array(totals.rows, np.int64),
            "mean": low + mean * size,
            "deviation": np.sqrt(spread) * size,
        }
        sums = {quantity.name: totals.whole(quantity) for quantity in counted}
        if self.bins:
            following["histogram"] = sums["histogram"]
        if self.quantiles:
            ranks = ranks_of(np.array([float(one) for one in self.quantiles]), totals.rows)
            following["low"], following["high"] = narrowed(state["low"], state["high"], sums["below"], ranks)
        return following

    def export(self, schema: Schema, state: State) -> dict[str, Any]:
        """For each feature its mean, (population) deviation, histogram, and the bounds that each quantile lies in."""
        low, size = ranges(schema)
        columns = {}
        for at, name in enumerate(feature_names(schema)):
            found: dict[str, Any] = {one: float(state[one][at]) for one in ("mean", "deviation")}
            if self.bins:
                edges = (low[at] + size[at] * np.arange(self.bins + 1) / self.bins).tolist()
                found["histogram"] = {"edges": edges, "counts": state["histogram"][at].tolist()}
            if self.quantiles:
                bounds = zip(self.quantiles, state["low"][at].tolist(), state["high"][at].tolist(), strict=True)
                found["quantiles"] = {one: {"above": under, "at_most": over} for one, under, over in bounds}
            columns[name] = found
        return {"n": int(state["count"]), "rounds": int(state["steps"]), "columns": columns}


def feature_names(schema: Schema) -> list[str]:
    """Names for the features of a row: the column's, with the value of a category or the place in a text or array."""
    names = []
    for column in schema.columns:
        if column.type == "category":
            names += [f"{column.name}={value}" for value in column.values]
        elif column.width > 1:
            names += [f"{column.name}[{at}]" for at in range(column.width)]
        else:
            names.append(column.name)
    return names


def ranges(schema: Schema) -> tuple[Doubles, Doubles]:
    """The lower end and the size of each feature's range."""
    ends = [(low, high, column.width) for column in schema.columns for low, high in [column_range(column)]]
    lows = np.repeat([low for low, _, _ in ends], [width for _, _, width in ends])
    sizes = np.repeat([high - low for low, high, _ in ends], [width for _, _, width in ends])
    return lows.astype(np.float64), sizes.astype(np.float64)


def column_range(column: Column) -> tuple[float, float]:
    """The smallest and the largest number that a feature of a column may be; numbers have a declared range."""
    if not column.ranged:
        return 0.0, BYTE if column.type == "text" else 1.0
    assert column.low is not None
    assert column.high is not None
    return column.low, column.high
