"""What users may import, and where gRPC may be."""

import ast
import inspect
from pathlib import Path

import gateway
from gateway import errors

FOLDER = Path(gateway.__file__).parent


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_everything_public_is_in_all_and_all_is_sorted():
    public = {name for name in vars(gateway) if not name.startswith("_")}
    assert public == set(gateway.__all__)
    assert sorted(gateway.__all__, key=lambda name: (name[0].islower(), name)) == gateway.__all__
    assert sorted(errors.__all__) == errors.__all__


def test_names_print_as_users_write_them():
    names = [name for name in gateway.__all__ if not inspect.ismodule(getattr(gateway, name))]
    assert ["gateway"] * len(names) == [getattr(gateway, name).__module__ for name in names]


def test_everything_public_is_described():
    assert [] == [name for name in gateway.__all__ if not getattr(gateway, name).__doc__]


def test_grpc_is_imported_in_one_module():
    users = {path.name for path in FOLDER.glob("*.py") if {"grpc", "grpc_status"} & set(imported(path))}
    assert {"_transport.py"} == users


def test_nothing_else_of_this_project_is_imported():
    others = {"network", "fl_node", "audit", "chaincode", "tests"}
    assert {} == {
        path.name: others & set(imported(path)) for path in FOLDER.glob("*.py") if others & set(imported(path))
    }


def test_every_error_of_the_client_is_a_gateway_error():
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error") and name != "TransportError"]
    assert all(issubclass(kind, errors.GatewayError) for kind in kinds)


def test_the_codes_are_those_of_the_official_messages():
    from fabric_protos.peer import transaction_pb2

    assert dict(transaction_pb2.TxValidationCode.items()) == {code.name: code.value for code in gateway.ValidationCode}


def test_the_status_codes_are_those_of_grpc():
    import grpc

    assert {code.name: code.value[0] for code in grpc.StatusCode} == {
        code.name: code.value for code in errors.StatusCode
    }
