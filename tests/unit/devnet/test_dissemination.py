"""Peers bring one another private data, and give it to those who hold its collection only."""

import hashlib
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import pytest

from network.contracts import Collection
from network.devnet import protos as p
from network.devnet.channel import Node
from network.devnet.dissemination import Dissemination, DistributionError
from network.devnet.private_store import Piece
from network.devnet.transport import listen, new_server
from network.folders import folder_of
from tests.ports import free_ports
from tests.unit.devnet.harness import Chain, peer, user
from tests.unit.devnet.test_private_data import CC, simulated

A, B, C = (f"Hospital{letter}MSP" for letter in "ABC")
NAMES = ("hospital-a", "hospital-b", "hospital-c")
ALONE = Collection(name="alone", policy=f"OR('{A}.member')")
PAIR = Collection(name="pair", policy=f"OR('{A}.member', '{B}.member')", required_peer_count=1)
SHY = Collection(name="shy", policy=PAIR.policy, max_peer_count=0)
GREEDY = Collection(name="greedy", policy=PAIR.policy, required_peer_count=2, max_peer_count=2)


@asynccontextmanager
async def peers(chain, *, down=()):
    """Three organisations' peers with ledgers of their own, which serve one another."""
    chaincode = chain.consortium.chaincode.model_copy(update={"collections": (ALONE, PAIR, SHY, GREEDY)})
    consortium = chain.consortium.model_copy(update={"chaincode": chaincode})
    first = free_ports()
    addresses = {name: f"127.0.0.1:{first + n}" for n, name in enumerate(NAMES)}
    made, servers = {}, []
    for name, address in addresses.items():
        ledger = Chain.start(consortium, chain.run, f"of-{name}")
        await ledger.define()
        ledger.committer.holder._serialized = peer(chain.run, name).serialized
        known = {node.msp_id: node for node in ledger.committer.channel.peers}
        msp_ids = {each: consortium.organisation(each).msp_id for each in NAMES}
        nodes = tuple(Node(msp_ids[n], addresses[n], known[msp_ids[n]].tls_roots) for n in NAMES)
        ledger.committer.channel = replace(ledger.committer.channel, peers=nodes)
        made[name] = ledger, Dissemination(ledger.committer, peer(chain.run, name), address, ledger.log)
        if name not in down:
            server = new_server()
            made[name][1].serve(server)
            listen(server, address, folder_of(chain.run, name).peer() / "tls")
            await server.start()
            servers.append(server)
    yield made
    for server in servers:
        await server.stop(0)
    for ledger, _ in made.values():
        ledger.store.close()


async def distribute(sender, collection, value=b"secret"):
    ledger, exchange = sender
    with simulated(ledger) as simulation:
        simulation.put_private(CC, collection, "k", value)
        await exchange.distribute("tx", simulation)


def has(member, collection):
    return member[0].committer.holder.private.contents("tx", CC, collection)


async def test_a_member_has_a_value_before_it_is_endorsed_and_a_stranger_never(genesis_chain):
    async with peers(genesis_chain) as made:
        await distribute(made["hospital-a"], "pair")
        assert [bool(has(made[name], "pair")) for name in NAMES] == [True, True, False]
        await distribute(made["hospital-a"], "alone")
        assert [bool(has(made[name], "alone")) for name in NAMES] == [True, False, False]


async def test_without_the_members_that_it_needs_nothing_is_endorsed(genesis_chain):
    async with peers(genesis_chain, down=("hospital-b",)) as made:
        with pytest.raises(DistributionError, match="Failed disseminating 1 out of 1"):
            await distribute(made["hospital-a"], "pair")
        with pytest.raises(DistributionError, match="at least 2 peers, but know of only 1"):
            await distribute(made["hospital-a"], "greedy")


async def test_a_value_is_given_to_members_only_and_only_the_one_that_the_ledger_names(genesis_chain):
    async with peers(genesis_chain) as made:
        await distribute(made["hospital-c"], "shy")  # an endorser that is no member keeps it too
        (content,) = has(made["hospital-c"], "shy")
        piece = Piece(2, 0, "tx", CC, "shy", hashlib.sha256(content).digest())
        other = replace(piece, digest=b"another")
        assert await made["hospital-b"][1].fetch([piece]) == {piece: content}
        assert await made["hospital-b"][1].fetch([other]) == {}
        alone = replace(piece, collection="alone")
        await distribute(made["hospital-a"], "alone")
        assert await made["hospital-b"][1].fetch([alone]) == {}


async def test_what_is_not_from_a_peer_or_not_for_this_one_is_refused(genesis_chain):
    async with peers(genesis_chain) as made:
        _, sender = made["hospital-b"]
        nodes = {node.msp_id: node for node in made["hospital-a"][0].committer.channel.peers}
        request = p.gossip.RemotePvtDataRequest().SerializeToString()
        assert await sender._ask(nodes[A], "Fetch", request, 5) == b""
        sender._signer = user(genesis_chain.run, "hospital-b")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await sender._ask(nodes[A], "Fetch", request, 5)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        _, honest = made["hospital-c"]
        honest._channels[nodes[B]] = sender._channels[nodes[A]]  # what was meant for another peer comes to this one
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await honest._ask(nodes[B], "Fetch", request, 5)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
