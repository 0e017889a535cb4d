"""The bits are fixed for ever: an audit of years ago must find the models that it found then."""

import hashlib

import numpy as np
import pytest

from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.state import first_state
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.state_codec import encode_state
from tests.unit.plan.arithmetic import models

COUNTS = [30, 70, 11]
KEPT = {
    "fedavg": "2871017b78432429f7daf90fdbedb6db6f54e4de321f028a526c967aa922009c",
    "fedavgm": "b8d74471dc955c8cce4f26eeb733d84c7a5d92a3673885b63c50cc977bfe1a21",
    "fedadam": "04fda0dad3b1704503b3f6403914f6e8a44e0f179cda8b4a6e0acf62d6a4ceec",
    "fedyogi": "b9aac5a5173005b302967e14ebeff8c790462697439ff191a06d10ccf34249ab",
}
"""SHA-256 over the states and metrics of three rounds, as the first version of this arithmetic gave them."""


@pytest.mark.parametrize("kind", KEPT)
def test_states_and_metrics_are_those_of_the_first_version(kind: str):
    plan = models.manifest(kind)
    trained = [np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 7 - 1 for shape in models.SHAPES]
    kept = [np.ones(shape, np.float32) for shape in models.KEPT_SHAPES]
    state, digest = encode_state(first_state(trained, kept, plan.averaging.server).leaves()), hashlib.sha256()
    for number in range(3):
        state, metrics = next_state(plan, state, total(plan, number), COUNTS)
        digest.update(state + repr(sorted((name, value.hex()) for name, value in metrics.items())).encode())
    assert digest.hexdigest() == KEPT[kind]


def total(plan: AveragingManifest, number: int) -> bytes:
    """A sum of three updates with slots from a formula, so that no library's random numbers are in it."""
    vector = bytearray(plan.layout.size)
    for at, segment in enumerate(plan.layout.flat.segments):
        first, most = 104_729 * (at + 1) * (number + 1), segment.maximum
        words = [3 if segment.kind == "one" else (7919 * slot + first) % most for slot in range(segment.slots)]
        segment.view(vector)[:] = np.array(words, dtype=segment.dtype)
    return bytes(vector)
