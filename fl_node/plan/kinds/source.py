"""What a researcher's file returns for a plan that needs no framework.

from fl_node.plan.kinds.source import Glm, KindPlan

def plan() -> KindPlan:
    return KindPlan("claims", SCHEMA, Glm(family="poisson"))
"""

from dataclasses import dataclass

from fl_node.data.schema import Schema
from fl_node.plan.kinds.glm import Glm
from fl_node.plan.kinds.kind import Kind
from fl_node.plan.kinds.kmeans import KMeans
from fl_node.plan.kinds.statistics import Statistics
from fl_node.plan.kinds.trees import Trees

__all__ = ["Glm", "KMeans", "KindPlan", "Statistics", "Trees"]


@dataclass(frozen=True)
class KindPlan:
    """A plan of one of the kinds.

    Attributes:
        name: Short name, [a-z0-9-].
        schema: What a participant's rows look like.
        kind: What is computed, with its constants.
        cohort_max: The largest cohort; the slots must hold its sums.
        holdout_percent: Share of rows, by stable hash, that only evaluation sees.
    """

    name: str
    schema: Schema
    kind: Kind
    cohort_max: int = 8
    holdout_percent: int = 0
