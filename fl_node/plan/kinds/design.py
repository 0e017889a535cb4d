"""The model matrix of a schema: its columns, scaled so that their sums fit their slots, and back to what they were."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fl_node.data.schema import Column, Schema

Doubles = NDArray[np.float64]

INTERCEPT: Final = "(intercept)"


@dataclass(frozen=True)
class Term:
    """One column of the model matrix: (feature - centre) / scale."""

    name: str
    feature: int
    centre: float
    scale: float


@dataclass(frozen=True)
class Design:
    """Which features make a model matrix, and how.

    A numeric column is standardised with the schema's mean and deviation, else its range becomes -1 … 1, else it stays
    as it is. A category's first value is the reference and has no column of its own.

    Attributes:
        schema: The plan's.
        offset_name: The column that is an offset and no feature.
        intercept: Whether the first column is 1 everywhere.
    """

    schema: Schema
    offset_name: str | None = None
    intercept: bool = True

    def check(self) -> None:
        """Refuses columns that a model cannot have, or an offset that is none; raises ValueError."""
        for column in self.schema.columns:
            if column.type in {"text", "array"}:
                raise ValueError(f"column {column.name}: a {column.type} is no column of a model matrix")
        numeric = [column.name for column in self.schema.columns if column.numeric]
        if self.offset_name is not None and self.offset_name not in numeric:
            raise ValueError(f"offset {self.offset_name} is no numeric column")

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The columns but for the intercept."""
        found: list[Term] = []
        at = 0
        for column in self.schema.columns:
            if column.name != self.offset_name:
                found += self._terms(column, at)
            at += column.width
        return tuple(found)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The coefficients' names: columns, `column=value` for categories, the intercept first."""
        return ((INTERCEPT,) if self.intercept else ()) + tuple(term.name for term in self.terms)

    def _terms(self, column: Column, at: int) -> list[Term]:
        if column.type == "category":
            return [Term(f"{column.name}={value}", at + i, 0.0, 1.0) for i, value in enumerate(column.values) if i]
        if not self.intercept:  # without a constant term nothing may be subtracted from a column
            return [Term(column.name, at, 0.0, _size(column))]
        if column.mean is not None and column.deviation is not None:
            return [Term(column.name, at, float(column.mean), float(column.deviation))]
        if column.low is not None and column.high is not None and column.low < column.high:
            return [Term(column.name, at, (column.low + column.high) / 2, (column.high - column.low) / 2)]
        return [Term(column.name, at, 0.0, 1.0)]

    def matrix(self, features: Doubles) -> Doubles:
        """The model matrix of rows, float64[rows, coefficients]."""
        columns = [(features[:, term.feature] - term.centre) / term.scale for term in self.terms]
        ones = [np.ones(len(features))] if self.intercept else []
        return np.column_stack([*ones, *columns])

    def offset(self, features: Doubles) -> Doubles:
        """What is added to each row's linear predictor."""
        at = 0
        for column in self.schema.columns:
            if column.name == self.offset_name:
                return features[:, at]
            at += column.width
        return np.zeros(len(features))

    def back(self) -> Doubles:
        """The matrix from coefficients of scaled columns to those of the columns as they stand in the file."""
        first, size = int(self.intercept), len(self.names)
        back = np.eye(size)
        for at, term in enumerate(self.terms, first):
            back[at, at] = 1 / term.scale
            if self.intercept:
                back[0, at] = -term.centre / term.scale
        return back


def _size(column: Column) -> float:
    return max((abs(bound) for bound in (column.low, column.high) if bound), default=1.0)
