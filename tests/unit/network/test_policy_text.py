"""Policies and collections as Fabric's commands write them."""

import pytest
import yaml
from fabric_protos.msp import msp_principal_pb2
from pydantic import ValidationError

from network.contracts import Chaincode, Collection
from network.policy_text import parse_policy
from network.topology import DEFAULT_DEFINITION, Consortium


def shape(rule, names):
    if rule.WhichOneof("Type") == "signed_by":
        return names[rule.signed_by]
    return rule.n_out_of.n, [shape(inner, names) for inner in rule.n_out_of.rules]


def read(text):
    envelope = parse_policy(text)
    roles = [msp_principal_pb2.MSPRole.FromString(identity.principal) for identity in envelope.identities]
    names = [f"{r.msp_identifier}.{msp_principal_pb2.MSPRole.MSPRoleType.Name(r.role).lower()}" for r in roles]
    return shape(envelope.rule, names)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OR('A.member', 'B.peer')", (1, ["A.member", "B.peer"])),
        ("AND('A.admin','B-1.x.client')", (2, ["A.admin", "B-1.x.client"])),
        (
            'OutOf(2, "A.peer", AND("A.peer", "B.peer"), "C.orderer")',
            (2, ["A.peer", (2, ["A.peer", "B.peer"]), "C.orderer"]),
        ),
        ("outof ( '1', 'A.peer' )", (1, ["A.peer"])),
    ],
)
def test_a_policy_is_read_as_fabric_reads_it(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "OR", "OR(", "OR()", "OR('A.peer'", "OR('A.peer') x", "XOR('A.peer')", "OR('A.boss')", "OR('A.peer' 'B.peer')",
     "OutOf('A.peer')", "OutOf(9, 'A.peer')", "OR('A.peer',)"],
)  # fmt: skip
def test_what_is_no_policy_is_refused(text):
    with pytest.raises(ValueError, match="a policy has"):
        parse_policy(text)


def test_a_collections_file_of_fabric_is_read_and_written_as_it_is():
    entry = {
        "name": "pair",
        "policy": "OR('A.member')",
        "requiredPeerCount": 1,
        "maxPeerCount": 2,
        "blockToLive": 3,
        "memberOnlyRead": True,
        "memberOnlyWrite": True,
        "endorsementPolicy": {"signaturePolicy": "OR('A.peer')"},
    }
    collection = Collection.model_validate(entry)
    assert collection.model_dump(mode="json", exclude_none=True) == entry
    (held,) = Chaincode(collections=[entry]).collections_package().config
    config = held.static_collection_config
    assert (config.name, config.required_peer_count, config.maximum_peer_count, config.block_to_live) == (
        "pair",
        1,
        2,
        3,
    )
    assert config.member_only_read
    assert config.endorsement_policy.signature_policy == parse_policy("OR('A.peer')")


def test_a_collection_with_a_bad_policy_names_it():
    with pytest.raises(ValidationError, match="a policy has"):
        Collection.model_validate({"name": "c", "policy": "nobody"})


def test_further_chaincodes_have_ports_and_names_of_their_own():
    value = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    consortium = Consortium.model_validate(value | {"others": [{"name": "second"}, {"name": "third"}]})
    assert [each.chaincode.name for each in consortium.each()] == ["fedledger", "second", "third"]
    assert "place" not in consortium.each()[1].chaincode.model_dump()
    with pytest.raises(ValidationError, match="two chaincodes are called fedledger"):
        Consortium.model_validate(value | {"others": [Chaincode().model_dump()]})
