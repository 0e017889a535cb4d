"""A gateway of devnet and the several peers of an organisation, asked as Fabric's gateway asks them."""

from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from network.devnet import protos as p
from network.devnet.channel import Node
from network.devnet.clients import Peers
from network.devnet.endorsement_plan import Plan
from network.devnet.gateway import EndorserFailure, Gateway


class Client:
    """A peer that endorses a payload, or fails."""

    def __init__(self, address: str, payload: bytes | None, msp_id: str = "A") -> None:
        self.address, self.msp_id, self._payload = address, msp_id, payload
        self.asked = 0

    async def process(self, _: Any) -> Any:
        self.asked += 1
        if self._payload is None:
            raise EndorserFailure(grpc.StatusCode.UNAVAILABLE, f"{self.address} is down", retry=True)
        endorsement = p.proposal_response.Endorsement(endorser=self.address.encode())
        return p.proposal_response.ProposalResponse(payload=self._payload, endorsement=endorsement)


@pytest.mark.parametrize("first", [None, b"another payload"])
async def test_where_one_peer_does_not_endorse_the_next_of_its_organisation_is_asked(first):
    plan = Plan.of_all("AB")
    await Gateway._collect(plan, [Client("b0", b"payload", "B")], None)
    await Gateway._collect(plan, [Client("a0", first), Client("a1", b"payload"), spare := Client("a2", b"x")], None)
    assert [endorsement.endorser for endorsement in plan.complete() or ()] == [b"a1", b"b0"]
    assert (plan.failed, spare.asked) == (set(), 0)


async def test_an_organisation_fails_once_each_of_its_peers_has_and_each_says_why():
    plan = Plan.of_all("A")
    await Gateway._collect(plan, [Client("a0", None), Client("a1", None)], None)
    assert plan.failed == {"A"}
    assert [detail.address for detail in plan.errors] == ["a0", "a1"]


async def test_the_peers_of_a_channel_are_known_by_organisation_without_the_own_one():
    nodes = [Node(msp_id, address, b"") for msp_id, address in (("A", "a:1"), ("A", "a:2"), ("B", "b:1"), ("B", "b:2"))]
    committer = cast("Any", SimpleNamespace(channel=SimpleNamespace(peers=tuple(nodes))))
    found = Peers(committer, "a:1")()
    assert {msp_id: [client.address for client in clients] for msp_id, clients in found.items()} == {
        "A": ["a:2"],
        "B": ["b:1", "b:2"],
    }
