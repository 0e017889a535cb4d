"""Insurance: the rows of `claims_jax.py` in a Poisson regression, whose coefficients a supervisor can read.

fedledger plan build fl_node/examples/claims_kinds.py -o claims.flplan
"""

from fl_node.examples.claims_schema import SCHEMA
from fl_node.plan.kinds.source import Glm, KindPlan


def plan() -> KindPlan:
    """Describes the plan."""
    return KindPlan("claims", SCHEMA, Glm(family="poisson"), holdout_percent=20)
