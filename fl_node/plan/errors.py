"""The stable codes of plan errors (FL30xx), each with the mend that fits it."""

from fl_node.codes import CATALOGUE
from network.errors import FedledgerError


class PlanError(FedledgerError):
    """A plan, a state or the runtime that executes them is refused or failed."""


def plan_error(code: str, message: str, where: str = "", hint: str = "") -> PlanError:
    """Builds a plan error with its catalogued mend (or a closer one)."""
    return PlanError(code, message, where=where, hint=hint or CATALOGUE[code].hint)
