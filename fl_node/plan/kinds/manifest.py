"""The manifest of a plan that needs no framework: a kind with its constants, and all that follows from them."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from fl_node.data.schema import Schema
from fl_node.plan.errors import PlanError
from fl_node.plan.kinds.glm import Glm
from fl_node.plan.kinds.kind import Kind
from fl_node.plan.kinds.kmeans import KMeans
from fl_node.plan.kinds.statistics import Statistics
from fl_node.plan.kinds.sums import LOSS, Quantity, make_layout, measured
from fl_node.plan.kinds.trees import Trees
from fl_node.plan.layout import TensorLayout
from fl_node.plan.manifest import Manifest, StateLeaf

NAME: Final = "fedledger"
MOST_SLOTS: Final = 1 << 22
"""The most slots of a plan, 32 MiB; no kind's state is much larger than its sums."""
VERSION: Final = "1"
"""The version of this arithmetic: what follows from a sum under it never changes."""

AnyKind = Annotated[Glm | Statistics | KMeans | Trees, Field(discriminator="kind")]


class KindManifest(Manifest):
    """What such a plan is. Its tolerance is zero: what follows from a sum is the same to the last bit everywhere.

    Attributes:
        kind: What is computed.
    """

    programs: ClassVar[tuple[str, ...]] = ()

    framework: Literal["fedledger"] = NAME
    kind: AnyKind
    tolerance_e9: Literal[0] = 0

    @model_validator(mode="after")
    def _follows_from_its_constants(self) -> Self:
        """Layout, metrics and state are what the kind and the schema give, and nothing that a plan could choose."""
        found = expected(self.kind, self.schema_, self.cohort_max, evaluation=self.evaluation)
        if self.layout != found["layout"] or self.metrics != found["metrics"] or self.state != found["state"]:
            raise ValueError("layout, metrics and state are not what the kind and the schema give")
        if self.weights or self.random_ops or self.batching.epochs != 1:
            raise ValueError("a kind has no weights, draws nothing and reads its rows once")
        if self.evaluation != bool(self.batching.holdout_percent):
            raise ValueError("what is held out is evaluated")
        return self

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Everything that is summed but the numbers of rows."""
        return all_quantities(self.kind, self.schema_, evaluation=self.evaluation)


def all_quantities(kind: Kind, schema: Schema, *, evaluation: bool) -> tuple[Quantity, ...]:
    """The quantities of a kind, the losses first."""
    return (*measured(evaluation=evaluation, magnitude=kind.magnitude_bits), *kind.quantities(schema))


def expected(kind: Kind, schema: Schema, cohort: int, *, evaluation: bool) -> dict[str, Any]:
    """The layout, the metrics' names and the state's tensors; raises ValueError where the schema does not fit."""
    kind.check(schema)
    quantities = all_quantities(kind, schema, evaluation=evaluation)
    if sum(math.prod(one.shape) for one in quantities) > MOST_SLOTS:  # before anything is as large: a plan may ask so
        raise ValueError(f"more than {MOST_SLOTS} slots: take fewer columns, or smaller constants of the kind")
    try:
        layout: TensorLayout = make_layout(quantities, cohort, evaluation=evaluation)
    except PlanError as error:
        raise ValueError(error.message) from error
    state = kind.start(schema)
    leaves = [StateLeaf(path=name, dtype=array.dtype.name, shape=array.shape) for name, array in state.items()]
    return {"layout": layout, "metrics": metric_names(kind.extras, evaluation=evaluation), "state": tuple(leaves)}


def metric_names(extras: Sequence[str], *, evaluation: bool) -> tuple[str, ...]:
    """The names of the metrics, sorted."""
    parts = ("train", "evaluation") if evaluation else ("train",)
    return tuple(sorted([*extras, *(f"{part}/{name}" for part in parts for name in (LOSS, "num_examples"))]))
