"""A plan loaded into this process: the local step on a participant's rows, and measuring them."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.examples import Examples
from fl_node.plan.arithmetic.averaging import KEPT, TRAINED
from fl_node.plan.arithmetic.loaded import LocalPlan, Step, columns
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.state import ModelState, read_state
from fl_node.plan.errors import plan_error
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.jax.manifest import JaxManifest
from fl_node.plan.jax.operations import check_program, read_program
from fl_node.plan.state_codec import decode_state, encode_state

SEEDED: Final = "seeds"
"""How a manifest names, among its random operations, seeds that a model's layers draw from."""


ARGUMENTS: Final = {"work": (5, 2), "evaluate": (2, 2)}
"""How many lists of arrays a program takes, and at most how many arrays of rows after them; with control variates the
pass takes one list more, and where weights are frozen both programs take one."""


class LoadedPlan(LocalPlan):
    """A plan's programs, checked and ready.

    Args:
        manifest: The manifest's bytes.
        work: The serialized pass over batches.
        evaluate: The serialized measuring.
        frozen: The weights that nothing trains, as a state; empty where there are none.

    Raises:
        PlanError: FL3005 or FL3006 for operations that nodes do not run, FL3013 for what is no program, FL3003 or
            FL3010 for parts that do not agree.
    """

    def __init__(self, manifest: bytes, work: bytes, evaluate: bytes, frozen: bytes = b"") -> None:
        parsed = parse_manifest(manifest)
        if not isinstance(parsed, JaxManifest):
            raise plan_error(codes.BAD_MANIFEST, "no plan of this framework", "manifest.json")
        super().__init__(parsed)
        programs = {"work": read_program("work", work), "evaluate": read_program("evaluate", evaluate)}
        drawn = {name: check_program(name, program) for name, program in programs.items()}
        weights = [leaf.array for leaf in decode_state(frozen)] if frozen else []
        more = bool(weights) + (self.manifest.averaging.scaffold is not None)
        (_, _, _, self._seeds, self._optimiser, *_), _ = signature(programs["work"], "work", more)
        if (*drawn["work"], *([SEEDED] if self._seeds else [])) != self.manifest.random_ops:
            raise plan_error(codes.BAD_MANIFEST, "the random operations of the client's work are others")
        check_signatures(self.manifest, programs, weights)
        self._frozen = [[jnp.asarray(array) for array in weights]] if weights else []
        self._work, self._evaluate = jax.jit(programs["work"].call), jax.jit(programs["evaluate"].call)

    def train(self, state: bytes, rows: Examples) -> Step:
        """Trains on rows: whole batches, then the rest, as often as the plan says."""
        base = read_state(self.manifest, state)
        starting = [np.zeros(array.shape, array.dtype) for array in self._optimiser]
        by_record = self.manifest.averaging.by_record
        begun = [np.zeros_like(array) for array in base.trained] if by_record else base.trained
        carry: Any = (begun, base.kept, self._drawn(state), starting)
        sums: list[list[float]] = [[] for _ in self.manifest.averaging.measured]
        beside = [[c.astype(w.dtype) for c, w in zip(base.control, base.trained, strict=True)]] if base.control else []
        beside += self._frozen
        steps = 0
        for _ in range(self.manifest.batching.epochs):
            for batches in batched(rows, self.manifest.batching.batch):
                *carry, measured = self._work(base.trained, *carry, *beside, *batches)
                steps += len(batches[0])
                for held, values in zip(sums, measured, strict=True):
                    held.extend(np.asarray(values, np.float64).tolist())
        trained, kept = ([np.asarray(array) for array in arrays] for arrays in carry[:2])
        if by_record:  # what was summed are gradients, downhill: their mean is the update
            means = [array.astype(np.float64) / rows.rows for array in trained]
            trained = [(old + mean).astype(old.dtype) for old, mean in zip(base.trained, means, strict=True)]
        return Step(encode_state(ModelState(trained, kept).leaves()), list(map(math.fsum, sums)), rows.rows, steps)

    def measure_part(self, base: ModelState, part: list[NDArray[Any]]) -> Any:
        """Measures a state on some rows at once; the sums of each measure."""
        return self._evaluate(base.trained, base.kept, *self._frozen, *part)

    def _drawn(self, state: bytes) -> list[NDArray[np.uint32]]:
        """Seeds that differ from round to round, and follow from the state alone."""
        digests = [hashlib.sha256(state + bytes([at])).digest()[:8] for at in range(len(self._seeds))]
        return [np.frombuffer(digest, np.uint32) for digest in digests]


def batched(rows: Examples, size: int) -> Iterator[list[NDArray[Any]]]:
    """Yields all whole batches at once, then the rows that are left as one smaller batch."""
    whole = rows.rows // size * size
    parts = [(0, whole, size), (whole, rows.rows, rows.rows - whole)]
    for start, end, batch in parts:
        if end > start:
            yield [column[start:end].reshape(-1, batch, *column.shape[1:]) for column in columns(rows)]


def check_signatures(manifest: AveragingManifest, programs: Mapping[str, Any], frozen: Sequence[Any] = ()) -> None:
    """Checks that programs take and give what the manifest says, and take the weights that are frozen.

    Raises:
        PlanError: FL3010.
    """
    trained, kept = (
        [(leaf.shape, leaf.dtype) for leaf in manifest.state if leaf.path.startswith(name)] for name in (TRAINED, KEPT)
    )
    label, width = manifest.schema_.label_dtype, manifest.schema_.width
    rows = [((width,), "float32"), *([] if label is None else [(manifest.schema_.label_shape, label.name)])]
    sums = [((), "float32")] * len(manifest.averaging.measured)
    still = [specs(list(frozen))] if frozen else []
    beside = [*([trained] if manifest.averaging.scaffold else []), *still]
    (base, weights, moments, seeds, optimiser, *rest), given = signature(programs["work"], "work", len(beside))
    (weighed, held, *others), measured = signature(programs["evaluate"], "evaluate", len(still))
    more, fewer = len(beside), len(still)
    agree = (
        [specs(part) for part in (base, weights, moments, weighed, held)] == [trained, trained, kept, trained, kept]
        and [specs(part) for part in (*rest[:more], *others[:fewer])] == [*beside, *still]
        and specs(rest[more:], 2) == specs(others[fewer:], 1) == rows
        and [specs(part) for part in given[:-1]] == [specs(part) for part in (weights, moments, seeds, optimiser)]
        and specs(given[-1], 1) == specs(measured) == sums
    )
    if not agree:
        raise plan_error(codes.SCHEMA_MISMATCH, "the programs do not take or give what the manifest says")


def signature(program: Any, name: str, more: int = 0) -> tuple[list[Any], Any]:
    """Returns a program's arguments, of which so many lists more than usual, and results, as shapes and types.

    Raises:
        PlanError: FL3010 where they are not such as this project's compiler makes.
    """
    arguments, named = jax.tree.unflatten(program.in_tree, program.in_avals)
    results = jax.tree.unflatten(program.out_tree, program.out_avals)
    lists, batches = ARGUMENTS[name]
    lists += more
    form = [isinstance(part, list) for part in arguments[:lists]]
    if named or form != [True] * lists or len(arguments) not in range(lists + 1, lists + batches + 1):
        raise plan_error(codes.SCHEMA_MISMATCH, f"{name} takes other arguments")
    if not isinstance(results, list | tuple) or not results:
        raise plan_error(codes.SCHEMA_MISMATCH, f"{name} gives other results")
    return list(arguments), results


def specs(values: Any, without: int = 0) -> list[Any]:
    """Shapes, without their first dimensions, and types; of what is no list of arrays, nothing."""
    if not isinstance(values, list | tuple) or not all(hasattr(value, "shape") for value in values):
        return [None]
    return [(value.shape[without:], str(value.dtype)) for value in values]
