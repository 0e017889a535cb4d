"""A small model and its plan, for tests of the arithmetic; no framework."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.plan.arithmetic.averaging import Averaging, Compression, Server
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.slots import make_layout, metric_names, weight_rule
from fl_node.plan.arithmetic.state import ModelState, first_state, read_state
from fl_node.plan.arithmetic.work import Worked, vector_of
from fl_node.plan.container import pack_plan
from fl_node.plan.jax.manifest import JaxManifest
from fl_node.plan.manifest import Batching, Quantisation, StateLeaf
from fl_node.plan.state_codec import encode_state
from tests.unit.plan.samples import SCHEMA

MEASURED = ("loss", "gain")
SHAPES, KEPT_SHAPES = ((3, 2), (2,)), ((2,),)
NUMBERS = 8
"""Of the trained weights."""


def manifest(
    kind: Any = "fedavg", *, holdout: int = 20, cap: int | None = 64, bits: int = 18, local: bool = False
) -> AveragingManifest:
    averaging = Averaging(
        quantisation=Quantisation(bits=bits, clip="4", zero_above="20", weight_cap=cap),
        moments_clip=None if local else "10",
        local=local,
        server=Server(kind=kind, rate="0.5"),
        measured=MEASURED,
    )
    return described(averaging, first(averaging.server), holdout)


def compressed(kind: Any = "fedavg", keep: str = "0.4") -> AveragingManifest:
    """A plan of which a part of each update travels: by default four of eight numbers."""
    averaging = Averaging(
        quantisation=Quantisation(bits=18, clip="4", zero_above="20", weight_cap=64),
        moments_clip="10",
        server=Server(kind=kind, rate="0.5"),
        measured=MEASURED,
        compression=Compression(keep=keep),
    )
    state = first(averaging.server)
    return described(averaging, first_state(state.trained, state.kept, averaging.server, counted=True), 20)


def private(averaging: Averaging) -> AveragingManifest:
    """A plan with noise, of a model whose weights are all trained."""
    state = first(averaging.server)
    return described(averaging, ModelState(state.trained, [], state.first, state.second), 20)


def described(averaging: Averaging, state: ModelState, holdout: int) -> AveragingManifest:
    trained, kept = ([array.shape for array in arrays] for arrays in (state.trained, state.kept))
    layout = make_layout(averaging, trained, kept, 8, evaluation=bool(holdout))
    files = {"initial.state": encode_state(state.leaves()), "work.stablehlo": b"work", "evaluate.stablehlo": b"measure"}
    return JaxManifest.model_validate(
        {
            "name": "small",
            "framework_version": "0.0.0",
            "cohort_max": 8,
            "layout": layout,
            "layout_digest": layout.digest(),
            "weights": (weight_rule(averaging),),
            "schema": SCHEMA,
            "schema_digest": SCHEMA.digest(),
            "batching": Batching(batch=2, epochs=1 if averaging.by_record else 3, holdout_percent=holdout),
            "evaluation": bool(holdout),
            "averaging": averaging,
            "metrics": metric_names(averaging.measured, evaluation=bool(holdout), groups=averaging.contribution),
            "state": [StateLeaf(path=one.path, dtype=one.dtype, shape=one.array.shape) for one in state.leaves()],
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
    )


def first(server: Server) -> ModelState:
    draw = np.random.default_rng(1)
    trained = [draw.normal(size=shape).astype(np.float32) for shape in SHAPES]
    return first_state(trained, [np.ones(shape, np.float32) for shape in KEPT_SHAPES], server)


def first_of(plan: AveragingManifest) -> ModelState:
    """The first state of a plan, with or without weights that are not trained."""
    state = first(plan.averaging.server)
    kept = state.kept if plan.averaging.moments_clip else []
    rounds = [np.zeros(())] if plan.averaging.compression else []
    return ModelState(state.trained, kept, state.first, state.second, rounds=rounds)


def read(plan: AveragingManifest, state: bytes) -> list[NDArray[Any]]:
    """The trained weights of a state."""
    return list(read_state(plan, state).trained)


def packed(plan: AveragingManifest) -> bytes:
    """The plan's file."""
    state = encode_state(first_of(plan).leaves())
    return pack_plan(plan, {"initial.state": state, "work.stablehlo": b"work", "evaluate.stablehlo": b"measure"})


def worked(state: ModelState, seed: int, rows: int, size: float = 0.1) -> Worked:
    """What a made-up participant's step gave."""
    draw = np.random.default_rng(seed)

    def moved(arrays: Any) -> list[NDArray[Any]]:
        return [(a + draw.normal(size=a.shape) * size).astype(a.dtype) for a in arrays]

    measures = {"train": [float(draw.normal()), -3.5], "evaluation": [float(draw.normal()), 2.0]}
    return Worked(moved(state.trained), moved(state.kept), rows, max(1, rows // 4), measures)


def vector(plan: AveragingManifest, state: ModelState, seed: int, rows: int, size: float = 0.1) -> bytes:
    return vector_of(plan, state, worked(state, seed, rows, size))
