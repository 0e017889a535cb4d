"""The writing half of gateway.Gateway: evaluates, collects endorsements, submits.

Source: internal/pkg/gateway/{evaluate,endorse,submit,apiutils}.go.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import grpc

from network.devnet import lifecycle
from network.devnet import protos as p
from network.devnet.committer import Committer
from network.devnet.endorsement_plan import Plan
from network.devnet.envelopes import MalformedError, Proposal, open_proposal, strip_transient
from network.devnet.planner import Planner
from network.devnet.system_chaincodes import SYSTEM
from network.devnet.transport import CallError, error_detail

Code = grpc.StatusCode
SEE_DETAILS = "see attached details for more info"


class EndorserFailure(Exception):  # noqa: N818 - an answer, with what the gateway makes of it
    """An endorser's refusal: the gRPC code it stands for, and whether another peer may do better."""

    def __init__(self, code: grpc.StatusCode, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry


class EndorserClient(Protocol):
    """A peer that endorses, the own one or another's."""

    msp_id: str
    address: str

    async def process(self, signed: Any) -> Any:
        """Return a successful ProposalResponse or raise EndorserFailure."""


class OrderingClient(Protocol):
    """The way to the ordering service."""

    async def broadcast(self, envelope: Any) -> None:
        """Return once a message is accepted; CallError if it is not."""


class Gateway:
    """One peer's gateway."""

    def __init__(
        self,
        committer: Committer,
        local: EndorserClient,
        peers: Callable[[], dict[str, list[EndorserClient]]],
        ordering: OrderingClient,
    ) -> None:
        self._committer = committer
        self._local = local
        self._peers = peers
        self._ordering = ordering
        self._planner = Planner(committer)

    def _all(self) -> dict[str, list[EndorserClient]]:
        others, own = self._peers(), self._local.msp_id
        return {**others, own: [self._local, *others.get(own, ())]}

    def _endorsers(self, proposal: Proposal) -> dict[str, list[EndorserClient]]:
        """Return the peers that run a proposal's chaincode on its channel, by organisation."""
        everyone = self._all() if proposal.channel.channel_id == self._committer.channel.name else {}
        if proposal.chaincode in SYSTEM:
            return everyone
        sequence = lifecycle.field_key(proposal.chaincode, "Sequence")
        if self._committer.store.current.version(lifecycle.NAMESPACE, sequence) is None:
            return {}
        running = self._planner.counted().organisations
        return {name: clients for name, clients in everyone.items() if name in running}

    async def evaluate(self, request: Any) -> Any:
        """Ask one peer, this one first and then its organisation's others, and return its result."""
        proposal = _open(request.proposed_transaction, "failed to unpack transaction proposal: ")
        channel = proposal.channel.channel_id
        if channel != self._committer.channel.name:
            raise CallError(Code.UNAVAILABLE, f"failed to get config for channel [{channel}]: no such channel")
        available = self._endorsers(proposal)
        targets = list(request.target_organizations) or sorted(available)
        if proposal.payload.TransientMap and not request.target_organizations:
            targets = [self._local.msp_id]
        chosen = [client for name in targets for client in available.get(name, ())]
        chosen.sort(key=lambda client: (client is not self._local, client.msp_id != self._local.msp_id))
        if not chosen:
            message = f"no peers available to evaluate chaincode {proposal.chaincode} in channel {channel}"
            raise CallError(Code.FAILED_PRECONDITION, message)
        return await self._first_answer(chosen, request.proposed_transaction)

    async def _first_answer(self, chosen: list[EndorserClient], signed: Any) -> Any:
        details: list[Any] = []
        code = Code.UNAVAILABLE
        for client in chosen:
            try:
                response = await client.process(signed)
            except EndorserFailure as failure:
                details.append(error_detail(client.address, client.msp_id, failure.message))
                code = failure.code
                if not failure.retry:
                    message = f"evaluate call to endorser returned error: {failure.message}"
                    raise CallError(code, message, details) from None
                continue
            return p.gateway.EvaluateResponse(result=response.response)
        raise CallError(code, f"failed to evaluate transaction, {SEE_DETAILS}", details)

    async def endorse(self, request: Any) -> Any:
        """Collect the endorsements that the policy, or the client, asks for, and assemble the transaction."""
        if not request.proposed_transaction.proposal_bytes:
            raise CallError(Code.INVALID_ARGUMENT, "the proposed transaction must contain a signed proposal")
        signed = request.proposed_transaction
        proposal = _open(signed, "")
        available = self._endorsers(proposal)
        plan = await self._plan(request, proposal, available)
        while (endorsements := plan.complete()) is None:
            wanted = plan.next()
            if not wanted:
                message = f"failed to collect enough transaction endorsements, {SEE_DETAILS}"
                raise CallError(Code.ABORTED, message, plan.errors)
            await asyncio.gather(*(self._collect(plan, available[name], signed) for name in wanted))
        return p.gateway.EndorseResponse(prepared_transaction=_assemble(proposal, plan.payload, endorsements))

    async def _plan(self, request: Any, proposal: Proposal, available: dict[str, list[EndorserClient]]) -> Plan:
        wanted = list(request.endorsing_organizations)
        if wanted:
            missing = [name for name in wanted if name not in available]
            if missing:
                message = f"failed to find any endorsing peers for org(s): {', '.join(missing)}"
                raise CallError(Code.UNAVAILABLE, message)
            return Plan.of_all(wanted)
        interest = p.proposal_response.ChaincodeInterest(chaincodes=[{"name": proposal.chaincode}])
        if self._local.msp_id not in available:
            if proposal.payload.TransientMap:
                message = (
                    "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) "
                    "to protect transient data"
                )
                raise CallError(Code.FAILED_PRECONDITION, message)
            return self._planner.plan(interest, available)
        own = Plan.of_all([self._local.msp_id])
        first = await self._collect(own, available[self._local.msp_id], request.proposed_transaction)
        if first is None:
            raise CallError(Code.ABORTED, f"failed to endorse transaction, {SEE_DETAILS}", own.errors)
        if first.interest.chaincodes:
            interest = first.interest
        plan = self._planner.plan(interest, available, transient=bool(proposal.payload.TransientMap))
        plan.accept(self._local.msp_id, first)
        plan.errors += own.errors
        return plan

    @staticmethod
    async def _collect(plan: Plan, clients: list[EndorserClient], signed: Any) -> Any | None:
        """Ask the peers of one organisation, one after the other, until one endorses, and return its response."""
        for client in clients:
            try:
                response = await client.process(signed)
            except EndorserFailure as failure:
                problem = failure.message
            else:
                if plan.accept(client.msp_id, response):
                    return response
                problem = "ProposalResponsePayloads do not match"
            plan.errors.append(error_detail(client.address, client.msp_id, problem))
        plan.failed.add(clients[0].msp_id)
        return None

    async def submit(self, request: Any) -> Any:
        """Pass a signed transaction to the ordering service."""
        if not request.HasField("prepared_transaction"):
            raise CallError(Code.INVALID_ARGUMENT, "a prepared transaction is required")
        if not request.prepared_transaction.signature:
            raise CallError(Code.INVALID_ARGUMENT, "prepared transaction must be signed")
        await self._ordering.broadcast(request.prepared_transaction)
        return p.gateway.SubmitResponse()


def _open(signed: Any, prefix: str) -> Proposal:
    try:
        proposal = open_proposal(signed)
    except MalformedError as error:
        raise CallError(Code.INVALID_ARGUMENT, f"{prefix}{error}") from None
    if not proposal.channel.channel_id:
        raise CallError(Code.INVALID_ARGUMENT, f"{prefix}no channel id provided")
    return proposal


def _assemble(proposal: Proposal, payload: bytes | None, endorsements: list[Any]) -> Any:
    """Return the unsigned transaction (gateway/submit.go, prepareTransaction)."""
    endorsed = p.transaction.ChaincodeEndorsedAction(proposal_response_payload=payload, endorsements=endorsements)
    content = p.transaction.ChaincodeActionPayload(
        chaincode_proposal_payload=strip_transient(proposal.payload), action=endorsed
    )
    action = p.transaction.TransactionAction(
        header=proposal.header.signature_header, payload=content.SerializeToString()
    )
    data = p.transaction.Transaction(actions=[action]).SerializeToString()
    return p.common.Envelope(payload=p.common.Payload(header=proposal.header, data=data).SerializeToString())
