"""Programs of aten operations are read and judged without PyTorch."""

import json
from typing import Any

import pytest

from fl_node.canonical import canonical_json
from fl_node.plan.errors import PlanError
from fl_node.plan.torch.graph import check_graph, read_graph


def program(*nodes: Any, **changes: Any) -> bytes:
    whole = {"format": "fedledger-aten/1", "inputs": 2, "nodes": list(nodes), "outputs": [1 + len(nodes)]}
    return canonical_json(whole | changes)


ADD = ["aten.add.Tensor", [{"at": 0}, {"at": 1}], {}]
LSTM = ["aten.lstm.input", [{"at": 0}, [{"at": 1}], [], True, 1, {"float": "0x1.0p-1"}, True], {}]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        program(ADD)[:-1],
        program(ADD, format="fedledger-aten/2"),
        program(ADD, inputs="2"),
        program(ADD, outputs=[3]),
        program(ADD, outputs=["2"]),
        program(ADD, outputs=[-1]),
        program(["aten.add.Tensor", [{"at": 2}], {}]),
        program(["aten.add.Tensor", [[[{"at": 7}]]], {}]),
        program(["aten.add.Tensor", [{"at": -1}], {}]),
        program(["aten.add.Tensor", [{"at": True}], {}]),
        program(["aten.add.Tensor", [{"float": "much"}], {}]),
        program(["aten.add.Tensor", [{"float": "0x1p0", "at": 1}], {}]),
        program(["aten.add.Tensor", [{"pickle": "x"}], {}]),
        program(["aten.add.Tensor", [], {"dtype": {"dtype": 7}}]),
        program(["aten.add.Tensor", {}]),
        program(7),
        json.dumps(json.loads(program(ADD))).encode(),
    ],
)
def test_what_is_no_program_is_refused_with_a_code(raw: bytes):
    with pytest.raises(PlanError, match="FL3013: train cannot be read"):
        read_graph("train", raw)


@pytest.mark.parametrize(
    "operation",
    [
        "aten.from_file.default",
        "aten.linalg_cholesky.default",
        "aten.add",
        "aten.add.Tensor.more",
        "operator.pow",
        "operator.call",
        "prim.device.default",
        "builtins.eval",
        "aten.__class__.default",
        "",
    ],
)
def test_an_operation_that_is_not_on_the_list_is_refused(operation: str):
    graph = read_graph("train", program([operation, [{"at": 0}], {}]))
    with pytest.raises(PlanError, match="FL3005"):
        check_graph("train", graph)


@pytest.mark.parametrize("node", [["aten.dropout.default", [{"at": 0}, {"float": "0x1.0p-1"}, True], {}], LSTM])
def test_what_draws_stands_in_training_only(node: Any):
    graph = read_graph("train", program(node))
    assert check_graph("train", graph) == (node[0].rpartition(".")[0],)
    with pytest.raises(PlanError, match="FL3006"):
        check_graph("evaluate", graph)


def test_a_layer_that_is_told_to_drop_nothing_does_not_draw():
    idle = [LSTM[0], [*LSTM[1][:5], {"float": (0.0).hex()}, True], {}]
    named = ["aten.scaled_dot_product_attention.default", [{"at": 0}], {"dropout_p": {"float": "0x1.0p-3"}}]
    assert check_graph("evaluate", read_graph("evaluate", program(idle))) == ()
    assert check_graph("train", read_graph("train", program(named))) == ("aten.scaled_dot_product_attention",)
