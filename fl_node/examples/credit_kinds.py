"""Bank: the rows of `credit_jax.py` in boosted trees, which XGBoost loads.

fedledger plan build fl_node/examples/credit_kinds.py -o credit.flplan
"""

from fl_node.examples.credit_schema import SCHEMA
from fl_node.plan.kinds.source import KindPlan, Trees


def plan() -> KindPlan:
    """Describes the plan."""
    trees = Trees(loss_of="binary", trees=20, depth=3, bins=64, rate="0.2")
    return KindPlan("credit", SCHEMA, trees, holdout_percent=20)
