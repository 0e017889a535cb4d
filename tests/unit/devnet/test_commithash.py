"""The expected updates are those of update_batch_bytes_test.go of Fabric; they are encoded here by protobuf itself."""

import hashlib

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from network.devnet.commithash import commit_hash, update_bytes, varint, version_bytes


@pytest.fixture(scope="module")
def updates_message():
    file = descriptor_pb2.FileDescriptorProto(name="updates_test.proto", package="txmgr_test", syntax="proto3")
    write = file.message_type.add(name="KVWrite")
    string, boolean, binary = 9, 8, 12
    fields = [("namespace", string), ("collection", string), ("key", binary), ("isDelete", boolean), ("value", binary)]
    for number, (name, kind) in enumerate([*fields, ("version_bytes", binary)], start=1):
        write.field.add(name=name, number=number, type=kind, label=1)
    updates = file.message_type.add(name="Updates")
    updates.field.add(name="kvwrites", number=1, type=11, type_name=".txmgr_test.KVWrite", label=3)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("txmgr_test.Updates"))


def test_versions_are_lengths_and_bytes_without_leading_zeros():
    assert bytes.fromhex("00 00") == version_bytes((0, 0))
    assert bytes.fromhex("01 01 01 05") == version_bytes((1, 5))
    assert bytes.fromhex("02 0100 01 ff") == version_bytes((256, 255))


@pytest.mark.parametrize(("number", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02")])
def test_varints_are_protobufs(number, encoded):
    assert bytes.fromhex(encoded) == varint(number)


def test_updates_name_a_namespace_at_its_first_key_only(updates_message):
    writes = {
        ("ns2", "key7"): (b"value7", (1, 7)),
        ("ns1", "key2"): (b"value2", (1, 2)),
        ("ns1", "key6"): (None, (1, 6)),
        ("ns1", "key1"): (b"v" * 300, (1, 1)),
        ("", "resourcesconfigtx.CHANNEL_CONFIG_KEY"): (b"config", (1, 0)),
    }
    expected = updates_message()
    expected.kvwrites.add(namespace="ns1", key=b"key1", value=b"v" * 300, version_bytes=b"\x01\x01\x01\x01")
    expected.kvwrites.add(key=b"key2", value=b"value2", version_bytes=b"\x01\x01\x01\x02")
    expected.kvwrites.add(key=b"key6", isDelete=True, version_bytes=b"\x01\x01\x01\x06")
    expected.kvwrites.add(namespace="ns2", key=b"key7", value=b"value7", version_bytes=b"\x01\x01\x01\x07")
    assert expected.SerializeToString() == update_bytes(writes)


def test_no_updates_are_no_bytes():
    assert update_bytes({}) == b""


def test_the_hash_runs_over_codes_updates_and_the_last_hash():
    assert hashlib.sha256(b"\x02\x00\x0b" + b"updates" + b"last").digest() == commit_hash(
        b"\x00\x0b", b"updates", b"last"
    )
