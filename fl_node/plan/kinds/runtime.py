"""What a node sees of a plan that needs no framework: a child reads the rows, the node does everything else."""

from collections.abc import Sequence

from fl_node import codes
from fl_node.plan.errors import plan_error
from fl_node.plan.hosting import Hosted, blob, metrics, seconds
from fl_node.plan.interface import DataSource, UpdateResult, WorkResult
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.kinds.step import losses, next_state, read_state, totals_of
from fl_node.secagg.layout import Vector


class KindRuntime(Hosted):
    """Runs a plan of one of the kinds."""

    @property
    def manifest(self) -> KindManifest:
        """The plan's manifest."""
        assert isinstance(self._plan.manifest, KindManifest)
        return self._plan.manifest

    def prepare(self, state: bytes) -> None:
        """Lets the child load the plan.

        Raises:
            PlanError: FL3020, FL3022 (state), FL3040 … FL3046 (child process).
        """
        read_state(self.manifest, state)
        self.call("prepare")

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        """Sums what a participant's rows add.

        Raises:
            PlanError: As `prepare`, FL3030 and FL3060 where a sum does not fit its slot, the FL31xx of the data.
        """
        read_state(self.manifest, state)
        answer = self.call("work", state, data=str(data.path))
        vector = blob(answer)
        found = losses(self.manifest, totals_of(self.manifest, vector, 1))
        return WorkResult(vector, self.manifest.layout.rows(vector), found, seconds(answer))

    def update(self, state: bytes, aggregate: Vector, counts: Sequence[int]) -> UpdateResult:
        """Computes the next state from the survivors' sum, in this process; see `step.next_state`."""
        following, found = next_state(self.manifest, state, aggregate, counts)
        return UpdateResult(following, found, 0.0)

    def evaluate(self, state: bytes, data: DataSource) -> dict[str, float]:
        """Measures a state on a participant's hold-out; empty where the plan holds nothing out.

        Raises:
            PlanError: As `work`.
        """
        if not self.manifest.evaluation:
            return {}
        read_state(self.manifest, state)
        return metrics(self.call("evaluate", state, data=str(data.path)))

    def compare_states(self, first: bytes, second: bytes) -> float:
        """Returns 0 for equal bytes: two computations of one state differ in no bit.

        Raises:
            PlanError: FL3020, FL3022 where either is no state of the plan, FL3021 where they differ.
        """
        for state in (first, second):
            read_state(self.manifest, state)
        if first != second:
            raise plan_error(codes.STATES_DIFFER, "the states differ, where not one bit may")
        return 0.0
