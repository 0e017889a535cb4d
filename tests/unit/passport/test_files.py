"""The files that a release names follow from plan and state, to the byte."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl_node.errors import NodeError
from fl_node.plan.container import read_plan
from fl_node.plan.safetensors import to_safetensors
from fl_node.plan.state_codec import Leaf, encode_state
from fl_node.release.evidence import model_files
from tests.faults.synthetic import plan_of

NUMPY = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8", "U8": "u1", "BOOL": "?"}
WEIGHTS: dict[str, NDArray[Any]] = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array([1.5, -2.0], dtype=np.float16),
    "one": np.array(3, dtype=np.int64),
    "none": np.zeros((0, 4), dtype=np.float32),
    "flags": np.array([True, False, True]),
    "ü": np.array([7], dtype=np.uint8),
}


def plain_read(raw: bytes) -> dict[str, NDArray[Any]]:
    """A reader of the format as its page describes it: offsets begin at 0 and leave no gap."""
    (size,) = struct.unpack("<Q", raw[:8])
    assert size % 8 == 0
    header, data, end = json.loads(raw[8 : 8 + size]), raw[8 + size :], 0
    found = {}
    for name, entry in header.items():
        begin, after = entry["data_offsets"]
        assert begin == end
        end = after
        found[name] = np.frombuffer(data[begin:after], NUMPY[entry["dtype"]]).reshape(entry["shape"])
    assert end == len(data)
    return found


def test_every_array_is_read_back_as_it_was():
    found = plain_read(to_safetensors(WEIGHTS))
    assert found.keys() == WEIGHTS.keys()
    for name, array in WEIGHTS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_the_bytes_do_not_depend_on_order_or_memory_layout():
    turned = {name: np.array(WEIGHTS[name], order="F") for name in reversed(WEIGHTS)}
    assert to_safetensors(turned) == to_safetensors(WEIGHTS)


def test_text_is_refused():
    with pytest.raises(NodeError, match="FL4502"):
        to_safetensors({"names": np.array([b"x"], dtype=np.object_)})


def test_a_release_names_the_weights_alone():
    state = encode_state(
        [Leaf("global_model_weights/trainable/0", WEIGHTS["b"]), Leaf("optimizer/0", np.array([1.0], np.float32))]
    )
    files = model_files(read_plan(plan_of("x")), state)
    assert plain_read(files["model.safetensors"]).keys() == {"trainable/0"}
    assert list(files) == ["model.safetensors"]
