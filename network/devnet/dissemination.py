"""Brings private data to the peers that hold it, and asks for what did not come.

Sources: gossip/privdata/{distributor,pull,reconcile}.go. Where Fabric's peers gossip, devnet's call one another: each
call is an envelope signed by a peer and meant for one other, over TLS, with Fabric's messages in it.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc

from gateway.encoding import sha256
from network.devnet import protos as p
from network.devnet.channel import Node
from network.devnet.collection_rules import Collection, find
from network.devnet.committer import Committer
from network.devnet.envelopes import MalformedError, channel_header, open_envelope, parse, sign_envelope
from network.devnet.msp import Identity, IdentityError
from network.devnet.private_store import Piece
from network.devnet.signing import SigningIdentity
from network.devnet.simulator import Simulation
from network.devnet.transport import dial

Distribute = Callable[[str, Simulation], Awaitable[None]]
SERVICE = "devnet.PrivateData"
PUSH_S = 3.0  # peer.gossip.pvtData.pushAckTimeout
FETCH_S = 2.0
RECONCILE_S = 1.0


class DistributionError(Exception):
    """Too few of a collection's members got what is to be endorsed."""


class Dissemination:
    """One peer's exchange of private data with the others of its channel."""

    def __init__(self, committer: Committer, signer: SigningIdentity, address: str, log: Any) -> None:
        self._committer = committer
        self._signer = signer
        self._address = address
        self._log = log
        self._channels: dict[Node, grpc.aio.Channel] = {}
        self._pushing: set[asyncio.Task[bool]] = set()
        committer.holder.fetch = self.fetch

    async def run(self) -> None:
        """Ask again for what is missing, as long as the peer runs."""
        while True:
            await asyncio.sleep(RECONCILE_S)
            if await self._committer.holder.reconcile():
                self._log.info("missing private data came", height=self._committer.height)

    async def distribute(self, txid: str, simulation: Simulation) -> None:
        """Keep what a transaction writes privately, and bring it to as many members as each collection asks for."""
        written = simulation.private_results()
        if written is None:
            return
        plan: list[Awaitable[bool]] = []
        for entry in written.ns_pvt_rwset:
            for made in entry.collection_pvt_rwset:
                collection = find(simulation.snapshot, self._committer.channel, entry.namespace, made.collection_name)
                if collection is not None:
                    payload = self._payload(txid, entry.namespace, made)
                    plan += self._pushes(collection, payload)
                self._keep(txid, entry.namespace, made.collection_name, made.rwset)
        outcomes = await asyncio.gather(*plan)
        if not all(outcomes):
            failed = outcomes.count(False)
            raise DistributionError(f"Failed disseminating {failed} out of {len(plan)} private dissemination plans")

    def _keep(self, txid: str, chaincode: str, collection: str, content: bytes) -> None:
        self._committer.holder.private.keep_transient(txid, chaincode, collection, content, self._committer.height)

    def _payload(self, txid: str, chaincode: str, made: Any) -> bytes:
        payload: bytes = p.gossip.PrivatePayload(
            collection_name=made.collection_name,
            namespace=chaincode,
            tx_id=txid,
            private_rwset=made.rwset,
            private_sim_height=self._committer.height,
        ).SerializeToString()
        return payload

    def _pushes(self, collection: Collection, payload: bytes) -> list[Awaitable[bool]]:
        """Return the pushes that must succeed, and begin the others: first one peer of each organisation, then more."""
        members = collection.holders({node.msp_id for node in self._committer.channel.peers})
        eligible = [node for node in self._others() if node.msp_id in members]
        required = collection.config.required_peer_count
        if len(eligible) < required:
            raise DistributionError(
                f"could not build private data dissemination plan for collection {collection.name}: required to "
                f"disseminate to at least {required} peers, but know of only {len(eligible)} eligible peers"
            )
        chosen = _one_each_first(eligible)[: collection.config.maximum_peer_count]
        for node in chosen[required:]:
            task = asyncio.create_task(self._push(node, payload))
            self._pushing.add(task)
            task.add_done_callback(self._pushing.discard)
        return [self._push(node, payload) for node in chosen[:required]]

    def _others(self) -> list[Node]:
        return [node for node in self._committer.channel.peers if node.address != self._address]

    async def _push(self, node: Node, payload: bytes) -> bool:
        try:
            await self._ask(node, "Push", payload, PUSH_S)
        except grpc.aio.AioRpcError as error:
            self._log.warning("private data not delivered", address=node.address, reason=error.details())
            return False
        return True

    async def _ask(self, node: Node, method: str, content: bytes, timeout_s: float) -> bytes:
        if node not in self._channels:
            self._channels[node] = dial(node.address, node.tls_roots)
        header = channel_header(p.common.MESSAGE, self._committer.channel.name, extension=node.address.encode())
        envelope = sign_envelope(self._signer, header, content).SerializeToString()
        answer: bytes = await self._call(node, method)(envelope, timeout=timeout_s)
        return answer

    def _call(self, node: Node, method: str) -> Any:
        as_bytes: Callable[[bytes], bytes] = bytes
        return self._channels[node].unary_unary(f"/{SERVICE}/{method}", as_bytes, as_bytes)

    async def fetch(self, pieces: Sequence[Piece]) -> Mapping[Piece, bytes]:
        """Return those of the sets that other peers give, each with the digest that the ledger names."""
        request = p.gossip.RemotePvtDataRequest(digests=[_digest(piece) for piece in pieces]).SerializeToString()
        asked = [self._elements(node, request) for node in self._others()]
        wanted = {(piece.txid, piece.chaincode, piece.collection): piece for piece in pieces}
        found: dict[Piece, bytes] = {}
        for elements in await asyncio.gather(*asked):
            for element in elements:
                digest = element.digest
                piece = wanted.get((digest.tx_id, digest.namespace, digest.collection))
                for content in element.payload:
                    if piece is not None and sha256(content) == piece.digest:
                        found[piece] = content
        return found

    async def _elements(self, node: Node, request: bytes) -> list[Any]:
        try:
            answer = await self._ask(node, "Fetch", request, FETCH_S)
            return list(parse(p.gossip.RemotePvtDataResponse, answer, "RemotePvtDataResponse").elements)
        except (grpc.aio.AioRpcError, MalformedError):
            return []

    def serve(self, server: grpc.aio.Server) -> None:
        """Add the service that other peers call."""
        methods = {"Push": self._on_push, "Fetch": self._on_fetch}
        handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    async def _on_push(self, envelope: bytes, context: Any) -> bytes:
        _, content = await self._opened(envelope, context)
        payload = parse(p.gossip.PrivatePayload, content, "PrivatePayload")
        collection = self._find(payload.namespace, payload.collection_name)
        if self._committer.holder.holds(collection, self._committer.channel):
            self._keep(payload.tx_id, payload.namespace, payload.collection_name, payload.private_rwset)
        return b""

    async def _on_fetch(self, envelope: bytes, context: Any) -> bytes:
        peer, content = await self._opened(envelope, context)
        response = p.gossip.RemotePvtDataResponse()
        for digest in parse(p.gossip.RemotePvtDataRequest, content, "RemotePvtDataRequest").digests:
            collection = self._find(digest.namespace, digest.collection)
            if collection is None or not collection.admits(peer):
                continue
            held = self._committer.holder.private.contents(digest.tx_id, digest.namespace, digest.collection)
            if held:
                response.elements.add(digest=digest, payload=held)
        serialized: bytes = response.SerializeToString()
        return serialized

    def _find(self, chaincode: str, name: str) -> Collection | None:
        return find(self._committer.store.current, self._committer.channel, chaincode, name)

    async def _opened(self, raw: bytes, context: Any) -> tuple[Identity, bytes]:
        """Return who sends, a peer of the channel, and what; a call that is not meant for this peer now is refused."""
        with contextlib.suppress(MalformedError, IdentityError):
            message = open_envelope(parse(p.common.Envelope, raw, "Envelope"))
            channel, stamp = self._committer.channel, message.channel.timestamp
            peer = channel.members.identity(message.signature.creator)
            peer.verify(message.envelope.signature, message.envelope.payload)
            meant = (message.channel.channel_id, message.channel.extension) == (channel.name, self._address.encode())
            if meant and "peer" in peer.roles and abs(time.time() - stamp.seconds) <= channel.time_window_s:
                return peer, message.data
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "this is for peers of the channel")
        raise AssertionError("abort does not return")


def _one_each_first(nodes: Sequence[Node]) -> list[Node]:
    """Return nodes in a random order that begins with one of each organisation."""
    mixed = random.sample(nodes, len(nodes))
    first = list({node.msp_id: node for node in mixed}.values())
    return first + [node for node in mixed if node not in first]


def _digest(piece: Piece) -> Any:
    return p.gossip.PvtDataDigest(
        tx_id=piece.txid,
        namespace=piece.chaincode,
        collection=piece.collection,
        block_seq=piece.number,
        seq_in_block=piece.position,
    )
