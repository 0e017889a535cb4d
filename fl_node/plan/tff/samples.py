"""Made-up participants: what a plan's client work gives on rows that fit its schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.synthetic import synthetic_examples
from fl_node.plan.errors import plan_error
from fl_node.plan.source import PlanSource
from fl_node.plan.state_codec import Leaf
from fl_node.plan.tff.execute import Computations, client_data

SAMPLE_ROWS: Final = ((3, 2), (8, 5), (13, 3))
"""Training and hold-out rows of the made-up participants; no other slot grows with both the training rows and these."""

Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Workplace:
    """Where made-up participants work: a process, its first state and the data that it is for."""

    computations: Computations
    state: Sequence[Leaf]
    source: PlanSource

    def work(self, rows: int, held: int) -> Arrays:
        """Runs client work on made-up rows; returns its integer tensors in the order of `sums_type`.

        Raises:
            PlanError: FL3014 where it fails.
        """
        schema, batching = self.source.schema, self.source.batching
        train, holdout = synthetic_examples(schema, rows), synthetic_examples(schema, held)
        data = client_data(train, holdout, batching, self.computations.data_type)
        try:
            return self.computations.run_work(self.computations.broadcast(self.state), data)
        except Exception as error:
            reason = str(error).strip()[:300]
            raise plan_error(codes.SELF_CHECK_FAILED, f"work fails on {rows} made-up rows: {reason}") from error

    def samples(self) -> list[Arrays]:
        """What the participants of `SAMPLE_ROWS` give."""
        return [self.work(rows, held) for rows, held in SAMPLE_ROWS]
