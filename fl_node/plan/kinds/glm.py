"""Generalised linear models: linear, logistic and Poisson regression by Newton steps, equal to the pooled fit.

A round sums every participant's information matrix XᵀWX and score Xᵀ(y - μ); the step is (XᵀWX)⁻¹ times the score
(McCullagh and Nelder, Generalized Linear Models, 2.5). The first round has no coefficients to start from: its working
response comes from the labels, as in R's `glm`. A step after which the loss is larger is halved.
"""

from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.schema import Decimal, Name, Schema
from fl_node.plan.kinds import exact
from fl_node.plan.kinds.design import Design
from fl_node.plan.kinds.kind import Kind, State, no_state
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.sums import LOSS, Numbers, Quantity, Totals, unit

Doubles = NDArray[np.float64]

MOST_COLUMNS: Final = 1000
PRECISION: Final = 1e-6
"""What rounding in the slots may add to a coefficient, of its size or of 1, whichever is larger, in scaled columns."""
LONGEST_STEP: Final = 5.0
"""The most that a coefficient of a scaled column moves in one step after the first."""
WORSE: Final = 1e-9
"""A loss larger by this part of it is a worse one; below that it is rounding."""
MOST_LOG: Final = 80.0


class Glm(Kind):
    """A generalised linear model with its canonical link.

    Attributes:
        family: `linear` (identity), `logistic` (logit), `poisson` (log; with the label's exposure, if it has one).
        intercept: Whether the model has a constant term.
        offset: A numeric column whose coefficient is 1, on the scale of the linear predictor; it is no feature.
        label_scale: Linear: labels are divided by it before they are summed. Choose about their largest magnitude.
    """

    extras: ClassVar[tuple[str, ...]] = ("newton/step",)
    tells: ClassVar[str] = "the means and covariances of all columns"

    kind: Literal["glm"] = "glm"
    family: Literal["linear", "logistic", "poisson"]
    intercept: bool = True
    offset: Name | None = None
    label_scale: Decimal = "1"

    def check(self, schema: Schema) -> None:
        """Refuses a schema without the label that the family needs, or with columns that a model cannot have."""
        label = schema.label
        wanted = {"linear": ("float", "count"), "logistic": ("category", "ordinal"), "poisson": ("count",)}[self.family]
        if schema.window or label is None or label.type not in wanted:
            raise ValueError(f"{self.family} regression needs one label of type {' or '.join(wanted)}, and no window")
        if (self.family == "logistic" and len(label.values) != 2) or (self.family == "linear" and label.exposure):  # noqa: PLR2004
            raise ValueError("a logistic label has two values; an exposure is for poisson")
        if not float(self.label_scale) > 0 or (self.family != "linear" and float(self.label_scale) != 1):
            raise ValueError("label_scale is above zero, and for linear regression")
        design = self.design(schema)
        design.check()
        if not 0 < len(design.names) <= MOST_COLUMNS:
            raise ValueError(f"a model has 1 to {MOST_COLUMNS} coefficients")

    def design(self, schema: Schema) -> Design:
        """The columns of the model matrix."""
        return Design(schema, self.offset, intercept=self.intercept)

    def quantities(self, schema: Schema) -> tuple[Quantity, ...]:
        """The upper triangle of the information matrix, row after row, and the score."""
        size = len(self.design(schema).names)
        return (
            Quantity("information", (size * (size + 1) // 2,), self.magnitude_bits),
            Quantity("score", (size,), self.magnitude_bits),
        )

    def start(self, schema: Schema) -> State:
        """Zero coefficients, of scaled columns."""
        size = len(self.design(schema).names)
        return {
            "steps": np.array(0, np.int64),
            "rows": np.array(0, np.int64),
            "coefficients": np.zeros(size),
            "covariance": np.zeros((size, size)),
            "dispersion": np.array(1.0),
            "step": np.array(0.0),
            "before": np.zeros(size),
            "loss_before": np.array(0.0),
        }

    def contribute(self, schema: Schema, state: State, rows: Rows) -> Numbers:
        """The information matrix and the score of rows; in the first round the score of the working response."""
        design = self.design(schema)
        matrix = design.matrix(rows.features)
        labels, offset = self._labels(rows), self._offset(design, rows)
        if int(state["steps"]) == 0:
            predictor, mean = self._starting(labels, offset)
            weight = self._variance(mean)
            response = weight * (predictor - offset) + (labels - mean)
        else:
            mean = self._mean(matrix @ state["coefficients"] + offset)
            weight, response = self._variance(mean), labels - mean
        information = matrix.T @ (matrix * weight[:, np.newaxis])
        return {"information": information[np.triu_indices(len(information))], "score": matrix.T @ response}

    def loss(self, schema: Schema, state: State, rows: Rows) -> float:
        """Minus the log-likelihood, up to what the model does not change; linear: half the squares, scaled."""
        design = self.design(schema)
        labels, offset = self._labels(rows), self._offset(design, rows)
        predictor = design.matrix(rows.features) @ state["coefficients"] + offset
        if self.family == "linear":
            return float(np.sum(0.5 * np.square(labels - predictor)))
        if self.family == "logistic":
            return float(np.sum(np.logaddexp(0.0, predictor) - labels * predictor))
        return float(np.sum(self._mean(predictor) - labels * predictor))

    def follow(self, schema: Schema, state: State, totals: Totals) -> State:
        """A Newton step, or half the last one taken back where it made the loss larger."""
        steps, size = int(state["steps"]), len(state["coefficients"])
        loss = float(totals.real(Quantity(f"train/{LOSS}", (), self.magnitude_bits)))
        grown = loss > float(state["loss_before"]) + WORSE * (1.0 + abs(loss))
        if steps > 1 and grown and float(state["step"]) > PRECISION:
            halved = (state["coefficients"] + state["before"]) * 0.5
            return {**state, **_numbers(steps=steps + 1), "coefficients": halved, "step": state["step"] * 0.5}
        packed, score = (totals.real(quantity) for quantity in self.quantities(schema))
        covariance = self._covariance(schema, _symmetric(packed, size))
        moved = exact.times(covariance, score)
        self._check_precision(schema, totals, covariance, state["coefficients"] + moved)
        longest = float(np.abs(moved).max())
        if steps and longest > LONGEST_STEP and self.family != "linear":
            moved = moved * (LONGEST_STEP / longest)
        return {
            **_numbers(steps=steps + 1, rows=totals.rows),
            "coefficients": state["coefficients"] + moved,
            "covariance": covariance,
            "dispersion": np.array(self._dispersion(totals, size, 2.0 * loss - exact.dot(score, moved))),
            "step": np.array(min(longest, LONGEST_STEP) if steps and self.family != "linear" else longest),
            "before": state["coefficients"],
            "loss_before": np.array(loss),
        }

    def report(self, state: State) -> dict[str, float]:
        """How far the largest coefficient moved, of scaled columns: near 0 once the fit is the pooled one."""
        return {"newton/step": float(state["step"])}

    def export(self, schema: Schema, state: State) -> dict[str, Any]:
        """Coefficients of the columns as they stand in the file, their standard errors and covariance, n, dispersion.

        Linear: the dispersion is the residual variance; else it is 1. `step` is how far the last round moved the
        largest coefficient of a scaled column.
        """
        design, scale = self.design(schema), float(self.label_scale)
        back, dispersion = design.back() * scale, float(state["dispersion"])
        coefficients = back @ state["coefficients"]
        covariance = back @ (state["covariance"] * dispersion) @ back.T
        errors = np.sqrt(np.diag(covariance))
        named = zip(design.names, coefficients.tolist(), errors.tolist(), strict=True)
        return {
            "family": self.family,
            "n": int(state["rows"]),
            "rounds": int(state["steps"]),
            "step": float(state["step"]),
            "dispersion": dispersion * scale * scale,
            "coefficients": {name: {"estimate": value, "standard_error": error} for name, value, error in named},
            "covariance": covariance.tolist(),
        }

    def _covariance(self, schema: Schema, information: Doubles) -> Doubles:
        try:
            return exact.inverse(information)
        except exact.SingularError as error:
            name = self.design(schema).names[error.at]
            text = f"{name} is a combination of the columns before it, or no row tells of it"
            raise no_state(codes.SUM_SINGULAR, text, name) from error

    def _check_precision(self, schema: Schema, totals: Totals, covariance: Doubles, coefficients: Doubles) -> None:
        """Refuses sums whose rounding could move a coefficient by more than `PRECISION`: half a unit for each row."""
        rounding = 0.5 * totals.participants * unit(self.quantities(schema)[1], totals.cohort)
        absolute, moved = np.abs(covariance), np.zeros(len(covariance))
        for at in range(len(covariance)):
            moved = moved + absolute[:, at] * rounding
        allowed = PRECISION * np.maximum(np.abs(coefficients), 1.0)
        if (moved > allowed).any():
            at = int(np.argmax(moved > allowed))
            name = self.design(schema).names[at]
            text = f"rounding moves the coefficient of {name} by up to {float(moved[at]):.3g}"
            raise no_state(codes.SUM_TOO_COARSE, text, name)

    def _dispersion(self, totals: Totals, size: int, squares: float) -> float:
        if self.family != "linear":
            return 1.0
        if totals.rows <= size:
            raise no_state(codes.SUM_SINGULAR, f"{totals.rows} rows for {size} coefficients")
        return max(squares, 0.0) / (totals.rows - size)

    def _labels(self, rows: Rows) -> Doubles:
        assert rows.labels is not None
        labels = rows.labels if rows.labels.ndim == 1 else rows.labels[:, 0]
        return labels / float(self.label_scale)

    def _offset(self, design: Design, rows: Rows) -> Doubles:
        offset = design.offset(rows.features) / float(self.label_scale)
        if self.family == "poisson" and rows.labels is not None and rows.labels.ndim > 1:
            offset = offset + np.log(rows.labels[:, 1])
        return offset

    def _starting(self, labels: Doubles, offset: Doubles) -> tuple[Doubles, Doubles]:
        """Linear predictor and mean that the first round takes for each row."""
        if self.family == "linear":
            return offset, offset
        if self.family == "logistic":
            mean = (labels + 0.5) / 2.0
            return np.log(mean / (1.0 - mean)), mean
        mean = labels + 0.1
        return np.log(mean), mean

    def _mean(self, predictor: Doubles) -> Doubles:
        if self.family == "linear":
            return predictor
        cut = np.clip(predictor, -MOST_LOG, MOST_LOG)
        return np.exp(cut) if self.family == "poisson" else 1.0 / (1.0 + np.exp(-cut))

    def _variance(self, mean: Doubles) -> Doubles:
        if self.family == "linear":
            return np.ones_like(mean)
        return mean if self.family == "poisson" else mean * (1.0 - mean)


def _symmetric(packed: Doubles, size: int) -> Doubles:
    matrix = np.zeros((size, size))
    upper = np.triu_indices(size)
    matrix[upper] = packed
    matrix[upper[1], upper[0]] = packed
    return matrix


def _numbers(**numbers: int) -> dict[str, Any]:
    return {name: np.array(value, np.int64) for name, value in numbers.items()}
