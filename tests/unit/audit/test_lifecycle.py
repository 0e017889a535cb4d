"""Which organisations approved a definition as it was committed."""

from hashlib import sha256

import pytest
from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer.lifecycle import db_pb2

from audit.fabric.channel import ChannelConfig
from audit.fabric.lifecycle import IMPLICIT_PREFIX, LIFECYCLE, PARAMETERS, UndefinedError, approved_by
from audit.fabric.state import State


def channel(*msp_ids: str) -> ChannelConfig:
    group = configtx_pb2.ConfigGroup()
    for msp_id in msp_ids:
        msp = msp_config_pb2.FabricMSPConfig(name=msp_id).SerializeToString()
        wrapper = msp_config_pb2.MSPConfig(config=msp).SerializeToString()
        group.groups["Application"].groups[f"group of {msp_id}"].values["MSP"].value = wrapper
    return ChannelConfig("c", configtx_pb2.Config(channel_group=group))


def define(state: State, sequence: int) -> None:
    for name in PARAMETERS:
        state.write((LIFECYCLE, "", f"namespaces/fields/cc/{name}".encode()), b"true " + name.encode(), (1, 0))
    number = db_pb2.StateData(Int64=sequence).SerializeToString()
    state.write((LIFECYCLE, "", b"namespaces/fields/cc/Sequence"), number, (1, 0))


def approve(state: State, msp_id: str, sequence: int, value: str = "true") -> None:
    for name in PARAMETERS:
        key = sha256(f"namespaces/fields/cc#{sequence}/{name}".encode()).digest()
        state.write((LIFECYCLE, IMPLICIT_PREFIX + msp_id, key), sha256(f"{value} {name}".encode()).digest(), (0, 0))


def test_only_who_approved_this_sequence_with_these_fields_counts() -> None:
    state = State(":memory:")
    state.begin_block()
    define(state, 2)
    approve(state, "A", 2)
    approve(state, "B", 1)
    approve(state, "C", 2, "other")
    approve(state, "Stranger", 2)
    state.finish_block(1, [])
    assert approved_by(state, channel("A", "B", "C", "D"), "cc") == ["A"]


def test_what_was_never_defined_was_never_approved() -> None:
    with pytest.raises(UndefinedError):
        approved_by(State(":memory:"), channel("A"), "cc")
