"""A plan loaded into this process: the local step on a participant's rows, and measuring them."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.examples import Examples
from fl_node.data.synthetic import synthetic_examples
from fl_node.plan.arithmetic.loaded import LocalPlan, Step, columns
from fl_node.plan.arithmetic.state import ModelState, read_state
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.state_codec import decode_state, encode_state
from fl_node.plan.torch.graph import check_graph, read_graph
from fl_node.plan.torch.manifest import TorchManifest
from fl_node.plan.torch.optimising import Steps
from fl_node.plan.torch.program import Program

TRIED_ROWS: Final = 3


class LoadedPlan(LocalPlan):
    """A plan's programs, checked and ready.

    Args:
        manifest: The manifest's bytes.
        train: The program of a training batch.
        evaluate: That of measuring.
        constants: Tensors of the model that are neither trained nor kept from round to round.

    Raises:
        PlanError: FL3005 or FL3006 for operations that nodes do not run, FL3013 for what is no program, FL3003 or
            FL3010 for parts that do not agree.
    """

    manifest: TorchManifest

    def __init__(self, manifest: bytes, train: bytes, evaluate: bytes, constants: bytes) -> None:
        parsed = parse_manifest(manifest)
        if not isinstance(parsed, TorchManifest):
            raise plan_error(codes.BAD_MANIFEST, "no plan of this framework", "manifest.json")
        super().__init__(parsed)
        graphs = {"train": read_graph("train", train), "evaluate": read_graph("evaluate", evaluate)}
        drawn = {name: check_graph(name, graph) for name, graph in graphs.items()}
        if drawn["train"] != parsed.random_ops:
            raise plan_error(codes.BAD_MANIFEST, "the random operations of the client's work are others")
        torch.set_deterministic_debug_mode("error")
        self._device = device_of(parsed)
        self._constants = [leaf.array for leaf in decode_state(constants)]
        self._train, self._evaluate = (Program(name, graph, self._device) for name, graph in graphs.items())
        self._check_signatures()

    def train(self, state: bytes, rows: Examples) -> Step:
        """Trains on rows: whole batches, then the rest, as often as the plan says."""
        base = read_state(self.manifest, state)
        torch.manual_seed(int.from_bytes(hashlib.sha256(state).digest()[:8], "big"))  # differs from round to round
        tensors = partial(_tensors, device=self._device)
        anchors = tensors(base.trained)
        trained = [one.clone().requires_grad_() for one in anchors]
        kept, constants = tensors(base.kept), tensors(self._constants)
        optimiser = Steps(self.manifest.optimiser, trained)
        proximal = float(self.manifest.averaging.proximal)
        corrections = _corrections(base, self._device)
        steps = 0
        sums: list[list[float]] = [[] for _ in self.manifest.averaging.measured]
        for _ in range(self.manifest.batching.epochs):
            for batch in batched(rows, self.manifest.batching.batch):
                loss, *measured = self._train([*trained, *kept, *constants, *tensors(batch)])
                slopes = torch.autograd.grad(loss, trained, allow_unused=True)
                pulled = [_pulled(*one, proximal) for one in zip(slopes, trained, anchors, strict=True)]
                optimiser.take([_corrected(*one) for one in zip(pulled, corrections, strict=True)])
                steps += 1
                for held, value in zip(sums, measured, strict=True):
                    held.append(float(value.detach()))
        arrays = ([one.detach().cpu().numpy() for one in part] for part in (trained, kept))
        return Step(encode_state(ModelState(*arrays).leaves()), list(map(math.fsum, sums)), rows.rows, steps)

    def measure_part(self, base: ModelState, part: list[NDArray[Any]]) -> Any:
        """Measures a state on some rows at once; the sums of each measure."""
        with torch.no_grad():
            _, *sums = self._evaluate(_tensors([*base.trained, *base.kept, *self._constants, *part], self._device))
        return sums

    def _check_signatures(self) -> None:
        """Checks that programs take and give what the manifest says.

        Raises:
            PlanError: FL3010.
        """
        zeros = [np.zeros(leaf.shape, leaf.dtype) for leaf in self.manifest.state]
        count = sum(leaf.path.startswith("global_model_weights/") for leaf in self.manifest.state)
        rows = columns(synthetic_examples(self.manifest.schema_, TRIED_ROWS))
        inputs = [*zeros[:count], *self._constants, *rows]
        for name, program in (("train", self._train), ("evaluate", self._evaluate)):
            if program.inputs != len(inputs):
                raise plan_error(codes.SCHEMA_MISMATCH, f"{name} takes {program.inputs} inputs, not {len(inputs)}")
            try:
                with torch.no_grad():
                    found = program(_tensors(inputs, self._device))
                fits = [tuple(one.shape) for one in found] == [()] * (1 + len(self.manifest.averaging.measured))
            except PlanError:
                raise
            except Exception as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                raise plan_error(codes.SCHEMA_MISMATCH, f"{name} does not take the plan's rows: {reason}") from error
            if not fits:
                raise plan_error(codes.SCHEMA_MISMATCH, f"{name} does not give what the manifest says")


def _pulled(slope: Any, weight: Any, anchor: Any, proximal: float) -> Any:
    """A gradient with FedProx's pull towards the weights that the round began with."""
    if not proximal:
        return slope
    pull = proximal * (weight.detach() - anchor)
    return pull if slope is None else slope + pull


def _corrections(base: ModelState, device: str) -> list[Any]:
    """What control variates add to each weight's gradient; None where the plan has none."""
    if not base.control:
        return [None for _ in base.trained]
    return _tensors([c.astype(w.dtype) for c, w in zip(base.control, base.trained, strict=True)], device)


def _corrected(slope: Any, correction: Any) -> Any:
    """A gradient with what corrects it."""
    if slope is None or correction is None:
        return slope if correction is None else correction
    return slope + correction


def device_of(manifest: TorchManifest) -> str:
    """Returns where a plan is computed, as PyTorch names it.

    Raises:
        PlanError: FL3052 where it asks for a GPU, and PyTorch finds none.
    """
    if manifest.device == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        raise plan_error(codes.GPU_MISSING, "the plan asks for a GPU, and PyTorch finds none")
    return "cuda"


def _tensors(arrays: Sequence[Any], device: str = "cpu") -> list[Any]:
    """Tensors of their own: a program may write to what it is given."""
    return [torch.from_numpy(np.array(one)).to(device) for one in arrays]


def batched(rows: Examples, size: int) -> Iterator[list[NDArray[Any]]]:
    """Yields whole batches, then the rows that are left as one smaller batch.

    A row that would be left alone goes with the batch before it: of a single row BatchNorm finds no variance.
    """
    ends = [*range(size, rows.rows, size), rows.rows]
    if len(ends) > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    start = 0
    for end in ends:
        yield [column[start:end] for column in columns(rows)]
        start = end
