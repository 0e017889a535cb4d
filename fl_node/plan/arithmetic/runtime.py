"""What a node sees of a plan of this arithmetic: the child does the local step, the node everything else.

So an organisation attests without the plan's framework, and a plan's process decides neither how its update is clipped
nor what follows from a sum.
"""

from collections.abc import Sequence

from fl_node import codes
from fl_node.plan.arithmetic import scaffold
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.state import ModelState, read_model, read_state
from fl_node.plan.arithmetic.update import metrics_of, next_state
from fl_node.plan.arithmetic.work import Worked, vector_of
from fl_node.plan.errors import plan_error
from fl_node.plan.frames import Message
from fl_node.plan.hosting import Hosted, blob, seconds
from fl_node.plan.interface import DataSource, UpdateResult, WorkResult
from fl_node.plan.state_codec import encode_state
from fl_node.secagg.layout import Vector


class AveragingRuntime(Hosted):
    """Runs a plan whose sums and steps are this project's own arithmetic."""

    @property
    def manifest(self) -> AveragingManifest:
        """The plan's manifest."""
        assert isinstance(self._plan.manifest, AveragingManifest)
        return self._plan.manifest

    def prepare(self, state: bytes) -> None:
        """Lets the child load the plan; nothing where its framework is not here, since updates need none.

        Raises:
            PlanError: FL3005 (ops), FL3020 (state), FL3040 … FL3046 (child process).
        """
        read_state(self.manifest, state)
        if self.trains_here:
            self.call("prepare")

    @property
    def trains_here(self) -> bool:
        """Whether exactly the plan's version of its framework is installed here."""
        own = self.framework.environment
        return (own is None or own.installed) and self.framework.version == self.manifest.framework_version

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        """Trains on a participant's rows.

        Raises:
            PlanError: As `prepare`, FL3004 or FL3047 where its framework is not here, FL3030 where the result does not
                fit its slots, and the FL31xx of the data.
        """
        base = read_state(self.manifest, state)
        begun, kept = scaffold.begun(self.manifest, base, data.own)
        answer = self.call("work", encode_state(begun.leaves()), data=str(data.path))
        worked = self._worked(answer, base)
        vector = vector_of(self.manifest, base, worked)
        tensors = self.manifest.layout.unpack(vector, 1)
        sums = {segment.name: tensor for segment, tensor in zip(self.manifest.layout.segments, tensors, strict=True)}
        metrics = metrics_of(self.manifest, sums, 1)
        own = scaffold.to_keep(self.manifest, kept, worked.kept, sums)
        return WorkResult(vector, self.manifest.layout.rows(vector), metrics, seconds(answer), own)

    def update(self, state: bytes, aggregate: Vector, counts: Sequence[int]) -> UpdateResult:
        """Computes the next state from the survivors' sum, in this process; see `update.next_state`."""
        following, metrics = next_state(self.manifest, state, aggregate, counts)
        return UpdateResult(following, metrics, 0.0)

    def evaluate(self, state: bytes, data: DataSource) -> dict[str, float]:
        """Measures a state on a participant's hold-out; empty where the plan has no evaluation.

        Raises:
            PlanError: As `work`.
        """
        if not self.manifest.evaluation:
            return {}
        begun, _ = scaffold.begun(self.manifest, read_state(self.manifest, state), data.own)
        answer = self.call("evaluate", encode_state(begun.leaves()), data=str(data.path))
        held, sums = _count(answer, "held"), self._sums(answer, "evaluation")
        means = {name: total / held for name, total in zip(self.manifest.averaging.measured, sums, strict=True)}
        return {**means, "num_examples": float(held)}

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

    def _worked(self, answer: Message, base: ModelState) -> Worked:
        """Reads what the child did; a plan that has taken its process over may answer anything."""
        trained, kept = read_model(blob(answer))
        measured: dict[str, Sequence[float]] = {"train": self._sums(answer, "train")}
        if self.manifest.evaluation:
            measured["evaluation"] = self._sums(answer, "evaluation")
        shapes = [[array.shape for array in arrays] for arrays in (trained, kept, base.trained, base.kept)]
        if shapes[:2] != shapes[2:]:
            raise plan_error(codes.WORK_OUT_OF_SLOT, "the trained weights have other shapes than the state's")
        control = scaffold.changes(self.manifest.averaging, base, trained, _count(answer, "steps"))
        return Worked(trained, kept, _count(answer, "rows"), _count(answer, "held", least=0), measured, control)

    def _sums(self, answer: Message, part: str) -> list[float]:
        found = answer.header.get(part)
        wanted = len(self.manifest.averaging.measured)
        if not isinstance(found, list) or len(found) != wanted or not all(type(one) is float for one in found):
            raise plan_error(codes.RUNTIME_FAILED, f"an answer without the measures of {part}")
        return found


def _count(answer: Message, name: str, least: int = 1) -> int:
    found = answer.header.get(name)
    if type(found) is not int or found < least:
        raise plan_error(codes.RUNTIME_FAILED, f"an answer without {name}")
    return found
