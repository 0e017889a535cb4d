"""The stable codes of plan errors (FL30xx), each with the mend that fits it."""

from typing import Final

from fl_node.codes import CATALOGUE
from network.errors import FedledgerError

NO_NUMBER: Final = (
    "Give the model's last layer an activation that keeps its outputs where the loss is defined: for Poisson softplus, "
    "for Kullback and Leibler's divergence softmax."
)
"""What to do where a loss is not defined for all that a model may say."""


class PlanError(FedledgerError):
    """A plan, a state or the runtime that executes them is refused or failed."""


def plan_error(code: str, message: str, where: str = "", hint: str = "") -> PlanError:
    """Builds a plan error with its catalogued mend (or a closer one)."""
    return PlanError(code, message, where=where, hint=hint or CATALOGUE[code].hint)
