"""A node with the policy to sign: what is so is signed once, what is not is said and left."""

from typing import Any

import pytest

from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.metrics import Health
from fl_node.release.standing import Standing
from tests.unit.passport.consortium import digest
from tests.unit.passport.test_signing import Peer, ledger, peer, read, statement

__all__ = ["ledger", "peer", "statement"]


@pytest.fixture
def standing(ledger: Ledger) -> Standing:
    return Standing(ledger, read, Health())


@pytest.fixture
def listed(peer: Peer, statement: dict[str, Any]) -> dict[str, Any]:
    """The release as the ledger lists it."""
    peer.release |= {"signatures": {}, "withdrawal_signatures": {}}
    entry = {"release": "tumour-1", "withdrawn": False}
    peer.releases = [entry]
    return entry


async def test_what_is_so_is_signed_once(standing: Standing, peer: Peer, listed: dict[str, Any]):
    await standing.look()
    assert peer.signed["release"] == listed["release"]
    peer.signed = {}
    await standing.look()
    assert peer.signed == {}


async def test_what_another_of_the_organisation_signed_is_left(
    standing: Standing,
    peer: Peer,
    listed: dict[str, Any],
):
    peer.release["signatures"] = {"HospitalAMSP": {}}
    await standing.look()
    assert (peer.signed, len(peer.releases)) == ({}, 1)


async def test_what_is_not_so_is_not_signed_and_stands_in_the_nodes_health(
    standing: Standing,
    peer: Peer,
    listed: dict[str, Any],
    statement: dict[str, Any],
):
    statement["predicate"]["genesis"] = digest("x")
    await standing.look()
    assert peer.signed == {}
    assert "genesis is" in standing.health.problems["release tumour-1"][1]


async def test_a_blob_that_nobody_has_yet_is_asked_for_again(
    standing: Standing,
    peer: Peer,
    listed: dict[str, Any],
):
    async def nobody(_: str) -> bytes:
        raise NodeError("FL4704", "nobody has it")

    standing.read = nobody
    with pytest.raises(NodeError, match="FL4704"):
        await standing.look()
    standing.read = read
    await standing.look()
    assert peer.signed["about"] == "release"
