"""One peer of an organisation: ledger, endorser, gateway and block streams behind one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from fabric_protos.gateway import gateway_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, peer_pb2_grpc

from network.addresses import join
from network.allotment import chaincode_port, external_address
from network.devnet import genesis
from network.devnet import protos as p
from network.devnet.chaincode_link import ChaincodeLink
from network.devnet.clients import Broadcaster, LocalEndorser, Peers, Puller
from network.devnet.collection_rules import find
from network.devnet.committer import Committer
from network.devnet.deliver import Deliver, write_all
from network.devnet.dissemination import Dissemination
from network.devnet.endorser import Endorser, RejectedError
from network.devnet.events import filtered_block
from network.devnet.gateway import Gateway
from network.devnet.gateway_events import GatewayEvents
from network.devnet.holder import private_map
from network.devnet.programs import Approved, Dial, Programs
from network.devnet.signing import SigningIdentity
from network.devnet.store import Store
from network.devnet.transport import CallError, dial, dial_plainly
from network.folders import OrganisationFolder, folder_of
from network.plan import peer_process

if TYPE_CHECKING:
    from network.topology import Consortium, Organisation


class GatewayService(gateway_pb2_grpc.GatewayServicer):  # type: ignore[misc]
    """gateway.Gateway."""

    def __init__(self, gateway: Gateway, events: GatewayEvents) -> None:
        self._gateway = gateway
        self._events = events

    async def Evaluate(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer a query."""
        return await _guarded(self._gateway.evaluate(request), context)

    async def Endorse(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Collect endorsements."""
        return await _guarded(self._gateway.endorse(request), context)

    async def Submit(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Pass a transaction on."""
        return await _guarded(self._gateway.submit(request), context)

    async def CommitStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Tell what became of a transaction."""
        return await _guarded(self._events.commit_status(request), context)

    async def ChaincodeEvents(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Stream a chaincode's events."""
        try:
            async for response in self._events.chaincode_events(request):
                yield response
        except CallError as error:
            await error.abort(context)


class EndorserService(peer_pb2_grpc.EndorserServicer):  # type: ignore[misc]
    """protos.Endorser."""

    def __init__(self, endorser: Endorser) -> None:
        self._endorser = endorser

    async def ProcessProposal(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Endorse a proposal."""
        try:
            return await self._endorser.process(request)
        except RejectedError as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))


class DeliverService(events_pb2_grpc.DeliverServicer):  # type: ignore[misc]
    """protos.Deliver."""

    def __init__(self, committer: Committer, window_s: float) -> None:
        self._committer = committer
        self._full = Deliver(committer, "event/Block", window_s)
        self._filtered = Deliver(committer, "event/FilteredBlock", window_s)

    async def Deliver(self, requests: AsyncIterator[Any], context: Any) -> None:  # noqa: N802
        """Stream blocks."""
        await write_all(self._full.serve(requests, lambda b, _: p.events.DeliverResponse(block=b), _status), context)

    async def DeliverFiltered(self, requests: AsyncIterator[Any], context: Any) -> None:  # noqa: N802
        """Stream filtered blocks."""
        name = self._committer.channel.name

        def respond(block: Any, _: Any) -> Any:
            return p.events.DeliverResponse(filtered_block=filtered_block(block, name))

        await write_all(self._filtered.serve(requests, respond, _status), context)

    async def DeliverWithPrivateData(self, requests: AsyncIterator[Any], context: Any) -> None:  # noqa: N802
        """Stream blocks with what this peer holds of their private data and the reader may see."""
        await write_all(self._full.serve(requests, self._with_private_data, _status), context)

    def _with_private_data(self, block: Any, reader: Any) -> Any:
        state, channel = self._committer.store.current, self._committer.channel

        def admitted(chaincode: str, name: str) -> bool:
            collection = find(state, channel, chaincode, name)
            return collection is not None and collection.admits(reader)

        found = private_map(self._committer.holder, block.header.number, admitted)
        pair = p.events.BlockAndPrivateData(block=block, private_data_map=found)
        return p.events.DeliverResponse(block_and_private_data=pair)


class Peer:
    """Everything that one peer process runs."""

    def __init__(self, consortium: Consortium, organisation: Organisation, number: int, run: Path, log: Any) -> None:
        folder, address = folder_of(run, organisation.name), organisation.peers[number].address
        self.tls = folder.peer(number) / "tls"
        signer = SigningIdentity.load(organisation.msp_id, folder.peer(number) / "msp")
        store = Store(folder.data(peer_process(organisation.name, number)) / "ledger.db")
        window = float(consortium.time_window_s)
        self.committer = Committer(
            store, consortium.channel, time_window_s=window, log=log, serialized=signer.serialized
        )
        if not store.height:
            self.committer.join(genesis.first_block(folder.root))
        self._programs = Programs(folder.root, _dialling(organisation, number, folder, log))
        self._dissemination = Dissemination(self.committer, signer, address, log)
        endorser = Endorser(self.committer, signer, self._programs, self._dissemination.distribute)
        local = LocalEndorser(organisation.msp_id, address, endorser)
        orderer = self.committer.channel.orderers[0]
        self._broadcaster = Broadcaster(orderer, log, bft=bool(self.committer.channel.consenters))
        self._puller = Puller(orderer, self.committer, signer, log)
        peers = Peers(self.committer, address)
        self._gateway = GatewayService(
            Gateway(self.committer, local, peers, self._broadcaster), GatewayEvents(self.committer)
        )
        self._endorser = EndorserService(endorser)
        self._deliver = DeliverService(self.committer, window)

    def serve(self, server: grpc.aio.Server) -> None:
        """Add the peer's services to a server."""
        gateway_pb2_grpc.add_GatewayServicer_to_server(self._gateway, server)
        peer_pb2_grpc.add_EndorserServicer_to_server(self._endorser, server)
        events_pb2_grpc.add_DeliverServicer_to_server(self._deliver, server)
        self._dissemination.serve(server)

    def start(self) -> list[asyncio.Task[None]]:
        """Start what runs beside the services."""
        runs = [self._broadcaster.run(), self._puller.run(), self._programs.run(), self._dissemination.run()]
        return [asyncio.create_task(run) for run in runs]


def _dialling(organisation: Organisation, number: int, folder: OrganisationFolder, log: Any) -> Dial | None:
    """Return how a peer dials its chaincode process of a definition; None if it is no member's."""
    if organisation.role != "member":
        return None
    peer, tls = organisation.peers[number], folder.peer(number) / "tls"

    def link(approved: Approved) -> ChaincodeLink:
        elsewhere = external_address(approved.chaincode.package)
        if elsewhere:
            return ChaincodeLink(dial_plainly(elsewhere), elsewhere, log=log)
        address = join(peer.near, chaincode_port(peer, approved.sequence, approved.chaincode.place))
        roots = (folder.chaincode(number) / "ca.crt").read_bytes()
        key, certificate = (tls / "server.key").read_bytes(), (tls / "server.crt").read_bytes()
        return ChaincodeLink(dial(address, roots, key=key, certificate=certificate), address, log=log)

    return link


async def _guarded(call: Any, context: Any) -> Any:
    try:
        return await call
    except CallError as error:
        await error.abort(context)


def _status(status: int) -> Any:
    return p.events.DeliverResponse(status=status)
