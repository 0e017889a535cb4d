"""A plan loaded into this process: bytes in, bytes out."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.examples import Examples
from fl_node.data.kept import KeptExamples
from fl_node.plan.errors import plan_error
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.manifest import Manifest
from fl_node.plan.state_codec import decode_state, encode_state, require_finite
from fl_node.plan.tff.agree import check_plan
from fl_node.plan.tff.execute import Computations, client_data, load_computations
from fl_node.plan.tff.graphs import check_computation
from fl_node.plan.tff.structure import tensor_types


class SumsOrder:
    """Between the order of a work result's tensors and the order of a layout's segments."""

    def __init__(self, manifest: Manifest, computations: Computations) -> None:
        position = {path: at for at, (path, _) in enumerate(tensor_types(computations.sums_type))}
        self._layout = manifest.layout
        self._positions = [position[segment.path] for segment in manifest.layout.segments]

    def vector(self, tensors: list[NDArray[Any]]) -> bytes:
        """Lays a work result out; see `Layout.pack`."""
        return bytes(self._layout.pack([tensors[at] for at in self._positions]))

    def tensors(self, vector: bytes, survivors: int) -> list[NDArray[Any]]:
        """Reads an aggregate as `update` takes it; see `Layout.unpack`."""
        segments = self._layout.unpack(vector, survivors)
        ordered: list[NDArray[Any]] = [np.empty(0)] * len(segments)
        for at, tensor in zip(self._positions, segments, strict=True):
            ordered[at] = tensor
        return ordered


class LoadedPlan:
    """A plan's computations, checked and ready.

    Args:
        manifest: The manifest's bytes.
        prepare: Serialized computation.
        work: Serialized computation.
        update: Serialized computation.

    Raises:
        PlanError: FL3005 or FL3006 for ops that nodes do not run, FL3003, FL3007 or FL3010 for parts that do not agree.
    """

    def __init__(self, manifest: bytes, prepare: bytes, work: bytes, update: bytes) -> None:
        serialized = {"prepare": prepare, "work": work, "update": update}
        drawn = {name: check_computation(name, raw) for name, raw in serialized.items()}
        self._manifest = parse_manifest(manifest)
        if drawn["work"] != self._manifest.random_ops:
            raise plan_error(
                codes.BAD_MANIFEST, f"the random ops of the client's work are {', '.join(drawn['work']) or 'none'}"
            )
        self._computations = load_computations(serialized)
        check_plan(self._manifest, self._computations)
        self._order = SumsOrder(self._manifest, self._computations)
        self._broadcast: tuple[bytes, Any] = (b"", None)
        self._rows = KeptExamples(self._manifest.schema_, self._manifest.batching.holdout_percent)

    def broadcast(self, state: bytes) -> Any:
        """Computes what every client gets from a state; kept until another state comes."""
        if self._broadcast[0] != state:
            self._broadcast = (state, self._computations.broadcast(decode_state(state)))
        return self._broadcast[1]

    def work(self, state: bytes, data: Path, *, evaluate_only: bool) -> tuple[bytes, dict[str, float]]:
        """Runs client work on the rows under a path.

        Returns:
            The vector in layout order, unmasked, and the metrics that these rows alone would give.
        """
        train, holdout = self._rows.load(data)
        if evaluate_only:
            train = Examples(train.features[:1], None if train.labels is None else train.labels[:1])
        batches = client_data(train, holdout, self._manifest.batching, self._computations.data_type)
        tensors = self._computations.run_work(self.broadcast(state), batches)
        _, metrics = self._computations.run_update(decode_state(state), tensors)
        return self._order.vector(tensors), metrics

    def update(self, state: bytes, aggregate: bytes, survivors: int) -> tuple[bytes, dict[str, float]]:
        """Runs the server's update on an aggregate; returns the next state and the metrics."""
        tensors = self._order.tensors(aggregate, survivors)
        following, metrics = self._computations.run_update(decode_state(state), tensors)
        require_finite(following)
        return encode_state(following), metrics
