"""Simulates proposals and endorses what came out.

Source: core/endorser/{endorser,msgvalidation}.go and the filters of core/handlers/auth.
"""

import datetime as dt
import time
from typing import Any

from gateway.encoding import transaction_id
from network.devnet import lifecycle
from network.devnet import protos as p
from network.devnet.chaincode_link import ChaincodeError, ChaincodeLink
from network.devnet.channel import CHANNEL_WRITERS
from network.devnet.committer import Committer
from network.devnet.dissemination import Distribute, DistributionError
from network.devnet.envelopes import MalformedError, Proposal, open_proposal, parse
from network.devnet.interest import interest_of
from network.devnet.invocation import Caller
from network.devnet.msp import Identity, IdentityError
from network.devnet.policy import PolicyError
from network.devnet.programs import Programs
from network.devnet.signing import SigningIdentity
from network.devnet.simulator import Simulation, SimulationError
from network.devnet.system_chaincodes import SYSTEM, SystemChaincodes

OK_BELOW = 400  # a response from here on is an error, not endorsed
ERROR = 500


class RejectedError(Exception):
    """The proposal itself is refused: as Fabric's, an error of the call and no response.

    `filtered` marks the refusals of the filters before the endorser, which a gateway takes for an unavailable peer.
    """

    def __init__(self, message: str, *, filtered: bool = False) -> None:
        super().__init__(message)
        self.filtered = filtered


class _MissingError(Exception):
    """This peer does not run the chaincode as it is defined."""


class Endorser:
    """One peer's endorser."""

    def __init__(
        self, committer: Committer, signer: SigningIdentity, programs: Programs, distribute: Distribute
    ) -> None:
        """Begin for a peer; `distribute` brings private data to those who hold it, before anybody endorses it."""
        self._committer = committer
        self._signer = signer
        self._programs = programs
        self._distribute = distribute
        self._system = SystemChaincodes(committer, programs.approved)

    async def process(self, signed: Any) -> Any:
        """Return a ProposalResponse; errors of the chaincode and of the peer are responses with status 500.

        Raises:
            RejectedError: malformed, not authentic, expired, out of time, used before, or not allowed.
        """
        try:
            proposal = open_proposal(signed)
        except MalformedError as error:
            raise RejectedError(str(error)) from None
        name = proposal.channel.channel_id
        if name != self._committer.channel.name:
            return _failure(f"channel '{name}' not found")
        self._check_time(proposal)
        creator = self._authenticate(proposal)
        self._check_proposal(proposal, creator)
        if proposal.chaincode in SYSTEM:
            response, results = self._system.invoke(proposal)
            return self._respond(proposal, response, results, b"", lifecycle.SYSTEM_VERSION)
        return await self._simulate(proposal, creator)

    def _check_time(self, proposal: Proposal) -> None:
        stamp = proposal.channel.timestamp
        seconds = stamp.seconds + stamp.nanos / 1e9
        now, window = time.time(), self._committer.channel.time_window_s
        if abs(now - seconds) > window:
            raise RejectedError(
                f"request unauthorized due to incorrect timestamp {_instant(seconds)}, peer time {_instant(now)}, "
                f"peer.authentication.timewindow {window:g}s",
                filtered=True,
            )

    def _authenticate(self, proposal: Proposal) -> Identity:
        header = proposal.signature
        name = proposal.channel.channel_id
        if not header.nonce or not header.creator:
            raise RejectedError("error validating proposal: nonce or creator is empty")
        expected = transaction_id(header.nonce, header.creator)
        if proposal.channel.tx_id != expected:
            raise RejectedError(
                f"error validating proposal: incorrectly computed txid '{proposal.channel.tx_id}' "
                f"-- expected '{expected}'"
            )
        try:
            identity = self._committer.channel.members.identity(header.creator)
        except IdentityError as error:
            raise RejectedError(
                f"error validating proposal: access denied: channel [{name}] creator is not valid: {error}"
            ) from None
        if identity.expired():
            raise RejectedError("proposal client identity expired", filtered=True)
        try:
            identity.verify(proposal.signed.signature, proposal.signed.proposal_bytes)
        except IdentityError:
            raise RejectedError(
                f"error validating proposal: access denied: channel [{name}] creator org [{identity.msp_id}]"
            ) from None
        return identity

    def _check_proposal(self, proposal: Proposal, identity: Identity) -> None:
        header = proposal.channel
        if header.type != p.common.ENDORSER_TRANSACTION:
            raise RejectedError(f"error validating proposal: invalid header type {header.type}")
        if header.epoch:
            raise RejectedError("error validating proposal: epoch is non-zero")
        if self._committer.known(header.tx_id):
            raise RejectedError(
                f"duplicate transaction found [{header.tx_id}]. Creator [{proposal.signature.creator.hex()}]"
            )
        if proposal.chaincode not in SYSTEM:
            try:
                self._committer.channel.policy("peer/Propose", CHANNEL_WRITERS).evaluate([identity])
            except PolicyError as error:
                raise RejectedError(f"access denied for [peer/Propose][{header.channel_id}]: {error}") from None

    async def _simulate(self, proposal: Proposal, creator: Identity) -> Any:
        name, txid = proposal.chaincode, proposal.channel.tx_id
        channel = self._committer.channel
        snapshot = self._committer.store.open_snapshot()
        try:
            simulation = Simulation(txid, snapshot)
            try:
                link = self._link(name, simulation)
            except _MissingError as missing:
                return _failure(
                    f"make sure the chaincode {name} has been successfully defined on channel {channel.name} "
                    f"and try again: {missing}"
                )
            version = lifecycle.version(snapshot, name)
            caller = Caller(channel, creator, proposal, self._call)
            try:
                message = _completed(await link.execute(simulation, caller, name, proposal.input))
                response = parse(p.proposal_response.Response, message.payload, "Response")
            except (ChaincodeError, MalformedError) as error:
                return _failure(f"error in simulation: failed to execute transaction {txid}: {error}")
            if response.status < OK_BELOW:  # nothing else can ever be in a block
                try:
                    await self._distribute(txid, simulation)
                except DistributionError as error:
                    return _failure(f"error in simulation: {error}")
            interest = interest_of(simulation)
        finally:
            self._committer.store.release(snapshot)
        event = _event(message.chaincode_event, name, txid) if response.status < OK_BELOW else b""
        reply = self._respond(proposal, response, simulation.results(), event, version)
        reply.interest.CopyFrom(interest)
        return reply

    async def _call(self, caller: Caller, simulation: Simulation, spec: Any) -> Any:
        """Run another chaincode in a caller's transaction (core/chaincode/handler.go, HandleInvokeChaincode)."""
        name, _, channel = spec.chaincode_id.name.partition("/")
        name = name.partition(":")[0]
        if channel not in {"", caller.channel.name}:
            raise SimulationError(f"failed to find ledger for channel: {channel}")
        if name in SYSTEM:
            response = self._system.query(caller.proposal, name, list(spec.input.args))
            return p.shim.ChaincodeMessage(type=p.shim.ChaincodeMessage.COMPLETED, payload=response.SerializeToString())
        try:
            caller.channel.policy("peer/ChaincodeToChaincode", CHANNEL_WRITERS).evaluate([caller.creator])
            link = self._link(name, simulation)
        except PolicyError as error:
            raise SimulationError(f"access denied for [peer/ChaincodeToChaincode][{channel}]: {error}") from None
        except _MissingError as missing:
            raise SimulationError(f"execute failed: {missing}") from None
        return await link.execute(simulation, caller, name, spec.input)

    def _link(self, name: str, simulation: Simulation) -> ChaincodeLink:
        """Return the link to the program of the definition in force, whose Sequence is noted as read."""
        channel = self._committer.channel.name
        sequence = lifecycle.read_sequence(simulation.get(lifecycle.NAMESPACE, lifecycle.field_key(name, "Sequence")))
        if not sequence:
            raise _MissingError(f"chaincode {name} not found")
        link = self._programs.link(name, sequence)
        if link is None:
            raise _MissingError(
                f"chaincode definition for '{name}' at sequence {sequence} on channel '{channel}' "
                "has not yet been approved by this org"
            )
        return link

    def _respond(self, proposal: Proposal, response: Any, results: bytes, event: bytes, version: str) -> Any:
        chaincode = p.chaincode.ChaincodeID(name=proposal.chaincode, version=version)
        action = p.proposal.ChaincodeAction(results=results, response=response, chaincode_id=chaincode)
        if event:
            action.events = event
        payload = p.proposal_response.ProposalResponsePayload(
            proposal_hash=proposal.hash, extension=action.SerializeToString()
        ).SerializeToString()
        reply = p.proposal_response.ProposalResponse(response=response)
        if response.status < OK_BELOW:
            signature = self._signer.sign(payload + self._signer.serialized)
            reply.version = 1
            reply.payload = payload
            reply.endorsement.endorser = self._signer.serialized
            reply.endorsement.signature = signature
        elif response.status >= ERROR:
            reply.payload = payload
        return reply


def _completed(message: Any) -> Any:
    if message.type == p.shim.ChaincodeMessage.ERROR:
        raise ChaincodeError(f"transaction returned with failure: {message.payload.decode(errors='replace')}")
    return message


def _event(event: Any, chaincode: str, txid: str) -> bytes:
    if not event.event_name and not event.payload:
        return b""
    event.chaincode_id, event.tx_id = chaincode, txid
    serialized: bytes = event.SerializeToString()
    return serialized


def _failure(message: str) -> Any:
    return p.proposal_response.ProposalResponse(response=p.proposal_response.Response(status=ERROR, message=message))


def _instant(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
