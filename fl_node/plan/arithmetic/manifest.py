"""The manifest of a plan whose sums and steps are this project's own arithmetic: a framework trains, no more."""

from typing import Literal, Self

from pydantic import model_validator

from fl_node.plan.arithmetic.averaging import CONTROL, KEPT, MOMENTS, ROUNDS, TRAINED, Averaging
from fl_node.plan.arithmetic.private import in_numbers, round_loss
from fl_node.plan.arithmetic.slots import make_layout, metric_names, weight_rule
from fl_node.plan.errors import PlanError
from fl_node.plan.manifest import Manifest
from fl_node.privacy.accounting import Promise
from fl_node.privacy.integers import NOTHING, Numbers

Specs = list[tuple[str, str, tuple[int, ...]]]
WEIGHT_TYPES = ("float32", "float16")


class AveragingManifest(Manifest):
    """What such a plan is; each framework has its own kind.

    Its update is the same to the last bit wherever it runs, so that its tolerance is zero.

    Attributes:
        averaging: The arithmetic's constants.
    """

    averaging: Averaging
    tolerance_e9: Literal[0] = 0

    @model_validator(mode="after")
    def _follows_from_its_constants(self) -> Self:
        """Layout, weights, metrics and state are what the constants give: nothing else would be computed with them."""
        found: Specs = [(leaf.path, leaf.dtype, leaf.shape) for leaf in self.state]
        trained, kept = (self._shapes(name) for name in (TRAINED, KEPT))
        if found != expected_state(found, len(trained), len(kept), self.averaging):
            raise ValueError("the state's leaves are not those of a model and of its server")
        if bool(kept) != (bool(self.averaging.moments_clip) or self.averaging.local):
            raise ValueError("moments_clip or local is for weights that are not trained, and needed there")
        try:
            layout = make_layout(self.averaging, trained, kept, self.cohort_max, evaluation=self.evaluation)
        except PlanError as error:
            raise ValueError(error.message) from error
        if self.layout != layout or self.weights != (weight_rule(self.averaging),):
            raise ValueError("layout and weights are not what the constants give")
        groups = self.averaging.contribution
        if self.metrics != metric_names(self.averaging.measured, evaluation=self.evaluation, groups=groups):
            raise ValueError("metrics are not those that are measured")
        if self.averaging.by_record and self.batching.epochs != 1:
            raise ValueError("a row is bounded only where it is read once a round: epochs is 1")
        if self.evaluation != bool(self.batching.holdout_percent):
            raise ValueError("what is held out is evaluated")
        return self

    @property
    def numbers(self) -> int:
        """How many value slots there are."""
        return sum(segment.slots for segment in self.layout.segments if segment.kind == "value")

    @property
    def promise(self) -> Promise | None:
        """What a round gives away where the plan has noise."""
        privacy = self.averaging.privacy
        if privacy is None:
            return None
        loss = round_loss(privacy, self.averaging.quantisation, self.numbers)
        return Promise(loss, float(privacy.goal.delta), privacy.goal.survivors)

    @property
    def registered(self) -> Numbers:
        """The same as the ledger has it, in whole numbers; empty where the plan has no noise."""
        privacy = self.averaging.privacy
        if privacy is None:
            return NOTHING
        return in_numbers(privacy, self.averaging.quantisation, self.numbers, self.cohort_max)

    @property
    def contribution(self) -> int:
        """For how many groups there are slots for what they contributed."""
        return self.averaging.contribution

    @property
    def zeroing(self) -> bool:
        """Whether large updates are replaced by zeros."""
        return self.averaging.quantisation.zero_above is not None

    def _shapes(self, name: str) -> list[tuple[int, ...]]:
        return [leaf.shape for leaf in self.state if leaf.path.startswith(name)]


def expected_state(found: Specs, trained: int, kept: int, averaging: Averaging) -> Specs:
    """The leaves that a state must have, given how many weights are trained and kept and their types and shapes."""
    weights = found[: trained + kept]
    names = [*(f"{TRAINED}{at}" for at in range(trained)), *(f"{KEPT}{at}" for at in range(kept))]
    dtypes = [dtype if dtype in WEIGHT_TYPES else "float32" for _, dtype, _ in weights]
    expected = [(name, dtype, one[2]) for name, dtype, one in zip(names, dtypes, weights, strict=False)]
    for moment in (*MOMENTS[averaging.server.kind], *([CONTROL] if averaging.scaffold else [])):
        expected += [(f"{moment}{at}", "float64", shape) for at, (_, _, shape) in enumerate(weights[:trained])]
    expected += [(f"{ROUNDS}0", "float64", ())] if averaging.compression else []
    return expected if trained else []
