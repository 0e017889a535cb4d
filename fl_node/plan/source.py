"""What a researcher's file returns: a process and what the plan says about it. Imports no framework."""

from dataclasses import dataclass
from typing import Any

from fl_node.data.schema import Schema
from fl_node.plan.manifest import Batching, Quantisation


@dataclass(frozen=True)
class PlanSource:
    """A learning process with its data and its limits.

    Attributes:
        name: Short name, [a-z0-9-].
        process: A `LearningProcess` or any iterative process: `initialize` and `next(state, client data)`.
            Client data is one sequence of batches, or a struct of two named `train` and `holdout`.
        schema: What a participant's rows look like.
        batching: Rows a batch, passes a round, share of rows held out.
        cohort_max: The largest cohort; the slots must hold its sums.
        quantisation: How updates are quantised, for the manifest, where `tff.aggregation` does it.
        unbounded_weights: Weights that follow no rule of rows, as those of TFF's own aggregators, are accepted: one
            survivor can then make a step as large as it likes.
    """

    name: str
    process: Any
    schema: Schema
    batching: Batching
    cohort_max: int = 8
    quantisation: Quantisation | None = None
    unbounded_weights: bool = False
