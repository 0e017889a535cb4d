"""The shim's own .proto files say what the official messages say."""

import subprocess
import sys
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import (
    chaincode_event_pb2,
    chaincode_pb2,
    chaincode_shim_pb2,
    proposal_pb2,
    proposal_response_pb2,
)
from google.protobuf import descriptor_pb2

PROTOS = Path(__file__).parents[3] / "chaincode" / "shim" / "protos"
OFFICIAL = {
    "common/common.proto": common_pb2,
    "ledger/queryresult/kv_query_result.proto": kv_query_result_pb2,
    "msp/identities.proto": identities_pb2,
    "peer/chaincode.proto": chaincode_pb2,
    "peer/chaincode_event.proto": chaincode_event_pb2,
    "peer/chaincode_shim.proto": chaincode_shim_pb2,
    "peer/proposal.proto": proposal_pb2,
    "peer/proposal_response.proto": proposal_response_pb2,
}
SOURCES = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))


@cache
def own_files() -> dict[str, Any]:
    """The descriptors of our files, as protoc reads them."""
    well_known = resources.files("grpc_tools") / "_proto"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{well_known}"]
    raw = subprocess.run([*command, "-o/dev/stdout", *SOURCES], capture_output=True, check=True).stdout
    return {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(raw).file}


def official_file(name: str) -> Any:
    described = descriptor_pb2.FileDescriptorProto()
    OFFICIAL[name].DESCRIPTOR.CopyToProto(described)
    return described


def messages(container: Any, prefix: str = "") -> dict[str, Any]:
    """Every message by its name, nested ones too."""
    found = {}
    for message in [*getattr(container, "message_type", ()), *getattr(container, "nested_type", ())]:
        name = f"{prefix}{message.name}"
        found |= {name: message, **messages(message, f"{name}.")}
    return found


def fields(message: Any) -> dict[int, tuple[Any, ...]]:
    """What decides a field's bytes, by its number."""
    return {f.number: (f.name, f.type, f.label, f.type_name, f.HasField("oneof_index")) for f in message.field}


def enumerations(file: Any) -> dict[str, dict[str, int]]:
    return {
        f"{name}.{enum.name}": {value.name: value.number for value in enum.value}
        for name, message in messages(file).items()
        for enum in message.enum_type
    }


def test_every_file_of_ours_is_compared_with_an_official_one():
    assert sorted(OFFICIAL) == SOURCES


@pytest.mark.parametrize("name", SOURCES)
def test_a_file_has_the_official_package_and_syntax(name: str):
    ours, official = own_files()[name], official_file(name)
    assert (official.package, official.syntax) == (ours.package, ours.syntax)


@pytest.mark.parametrize("name", SOURCES)
def test_every_message_has_all_fields_of_the_official_one(name: str):
    ours, official = messages(own_files()[name]), messages(official_file(name))
    assert ours
    assert {message: fields(official[message]) for message in ours} == {m: fields(ours[m]) for m in ours}


@pytest.mark.parametrize("name", SOURCES)
def test_every_enumeration_has_all_values_of_the_official_one(name: str):
    ours, official = enumerations(own_files()[name]), enumerations(official_file(name))
    assert {enum: official[enum] for enum in ours} == ours


def test_the_service_is_the_official_one():
    (ours,) = own_files()["peer/chaincode_shim.proto"].service
    official = {service.name: service for service in official_file("peer/chaincode_shim.proto").service}
    assert official[ours.name] == ours
