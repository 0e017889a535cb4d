"""What a node asks of the runtime of any framework, and what it gets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fl_node.secagg.layout import Vector


@dataclass(frozen=True)
class DataSource:
    """What a participant trains on.

    Attributes:
        path: Its rows: a CSV or Parquet file, or a folder of them. The child process reads it.
        own: What the last round that counted gave it to keep (`WorkResult.own`); empty before the first.
    """

    path: Path
    own: bytes = b""


@dataclass(frozen=True)
class WorkResult:
    """What client work gave.

    Attributes:
        vector: This participant's integers in the layout's order, unmasked: mask before it leaves the node.
        examples: Training rows that it stands for; 0 where the layout names no count.
        metrics: The metrics of these rows alone, for the node's own operator: never to be published.
        seconds: Time in the child process.
        own: What this participant keeps for itself until its next round: never to leave the node. Mostly nothing.
    """

    vector: Vector
    examples: int
    metrics: dict[str, float]
    seconds: float
    own: bytes = b""


@dataclass(frozen=True)
class UpdateResult:
    """What the update of an aggregate gave: the next state, the survivors' metrics, the time in the child process."""

    state: bytes
    metrics: dict[str, float]
    seconds: float


class Runtime(Protocol):
    """Any framework's runtime: TFF's is one."""

    def initialize(self) -> bytes:
        """Returns the state before the first round."""

    def prepare(self, state: bytes) -> None:
        """Gets ready for `work` on a state."""

    def work(self, state: bytes, data: DataSource) -> WorkResult:
        """Trains on a participant's rows."""

    def update(self, state: bytes, aggregate: Vector, counts: Sequence[int]) -> UpdateResult:
        """Computes the next state from a sum and the rows that each survivor declared."""

    def evaluate(self, state: bytes, data: DataSource) -> dict[str, float]:
        """Measures a state on a participant's hold-out."""

    def compare_states(self, first: bytes, second: bytes) -> float:
        """Measures how far two recomputed states lie apart."""

    def close(self) -> None:
        """Ends everything that was started."""
