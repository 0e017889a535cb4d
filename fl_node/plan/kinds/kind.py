"""What every kind of plan says of itself: its sums, what rows add to them, and which state follows."""

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray
from pydantic import Field

from fl_node import codes
from fl_node.data.schema import Model, Schema
from fl_node.plan.errors import plan_error
from fl_node.plan.kinds.rows import Rows
from fl_node.plan.kinds.sums import Numbers, Quantity, Totals

State = Mapping[str, NDArray[Any]]
"""A state by the names of its arrays, in their order. Every kind has `steps`, the rounds that led to it: so no state is
the one before it."""


class Kind(Model):
    """A kind of plan with its constants.

    Attributes:
        magnitude_bits: What one participant adds to a sum of real numbers lies within ±2^magnitude_bits; the bits that
            are left are its fraction.
    """

    extras: ClassVar[tuple[str, ...]] = ()
    """Names of the metrics beside the losses; `report` gives them."""
    tells: ClassVar[str]
    """What a cohort's sums tell of its rows, for voters."""
    of_steps: ClassVar[bool] = False
    """Whether it reads the rows of time series rather than windows of them."""

    magnitude_bits: int = Field(default=30, ge=8, le=44)

    def check(self, schema: Schema) -> None:
        """Refuses a schema that the kind cannot use; raises ValueError."""

    def quantities(self, schema: Schema) -> tuple[Quantity, ...]:
        """The sums that a round needs, the losses left out."""
        raise NotImplementedError

    def start(self, schema: Schema) -> State:
        """The state before the first round."""
        raise NotImplementedError

    def contribute(self, schema: Schema, state: State, rows: Rows) -> Numbers:
        """What rows add to each quantity, by its name."""
        raise NotImplementedError

    def loss(self, schema: Schema, state: State, rows: Rows) -> float:
        """The sum over rows of what the kind makes small."""
        raise NotImplementedError

    def follow(self, schema: Schema, state: State, totals: Totals) -> State:
        """The state that follows from the survivors' sums, exactly; raises PlanError where none does."""
        raise NotImplementedError

    def export(self, schema: Schema, state: State) -> dict[str, Any]:
        """What a state says, for people and other programs, as JSON; numbers are those of the columns in the file."""
        raise NotImplementedError

    def report(self, state: State) -> dict[str, float]:
        """Numbers of a new state for the metrics, by the names in `extras`."""
        del state
        return {}


def no_state(code: str, message: str, where: str = "") -> Exception:
    """The error of a sum that no state follows from."""
    assert code in codes.CATALOGUE
    return plan_error(code, message, where)
