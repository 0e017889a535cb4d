"""What a node sees of a plan of TensorFlow Federated: bytes in, bytes out; all of it runs in the child."""

from collections.abc import Sequence

from fl_node.plan.hosting import Hosted, blob, metrics, seconds
from fl_node.plan.interface import DataSource, UpdateResult, WorkResult
from fl_node.plan.state_codec import compare_states
from fl_node.secagg.layout import Vector


class TffRuntime(Hosted):
    """Runs a plan made with TensorFlow Federated."""

    def prepare(self, state: bytes) -> None:
        """Starts the child and computes what `work` needs of a state, so that `work` itself is quick.

        Raises:
            PlanError: FL3005, FL3006 (ops), FL3020 (state), FL3040 … FL3042 (child process).
        """
        self.call("prepare", state)

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        """Trains on a participant's rows.

        Raises:
            PlanError: As `prepare`, FL3030 where the result does not fit its slots, and the FL31xx of the data.
        """
        answer = self.call("work", state, data=str(data.path), evaluate_only=False)
        vector = blob(answer)
        examples = self.manifest.layout.rows(vector)
        return WorkResult(vector, examples, metrics(answer), seconds(answer))

    def update(self, state: bytes, aggregate: Vector, counts: Sequence[int]) -> UpdateResult:
        """Computes the next state from the survivors' sum.

        Args:
            state: The base state.
            aggregate: The sum in the layout's bytes.
            counts: The rows that each survivor declared on the ledger: they alone are the divisor of the plan's mean.

        Raises:
            PlanError: As `prepare`, FL3031 … FL3034 for the aggregate, FL3022 for a state that is not finite.
        """
        weighed = self.manifest.weighed(aggregate, counts)
        answer = self.call("update", state, bytes(weighed), survivors=len(counts))
        return UpdateResult(blob(answer), metrics(answer), seconds(answer))

    def evaluate(self, state: bytes, data: DataSource) -> dict[str, float]:
        """Measures a state on a participant's hold-out; empty where the plan has no evaluation.

        Raises:
            PlanError: As `work`.
        """
        if not self.manifest.evaluation:
            return {}
        answer = self.call("work", state, data=str(data.path), evaluate_only=True)
        prefix = "evaluation/"
        found = metrics(answer)
        return {name.removeprefix(prefix): found[name] for name in found if name.startswith(prefix)}

    def compare_states(self, first: bytes, second: bytes) -> float:
        """Returns the relative deviation of two states, within the plan's tolerance; see `state_codec`.

        Raises:
            PlanError: FL3021 where they lie further apart.
        """
        return compare_states(first, second, self.manifest.tolerance)
