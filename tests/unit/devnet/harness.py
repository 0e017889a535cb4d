"""A channel in memory whose transactions the tests make and break."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.encoding import transaction_id
from network.allotment import msp_id_of
from network.devnet import genesis, lifecycle
from network.devnet import protos as p
from network.devnet.blocks import new_block, sign_block
from network.devnet.committer import Committer
from network.devnet.envelopes import channel_header, open_proposal, proposal_hash, strip_transient
from network.devnet.gateway import _assemble
from network.devnet.log import Log
from network.devnet.rwset import NamespaceSet, transaction_set
from network.devnet.signing import SigningIdentity
from network.devnet.store import Store
from network.folders import folder_of
from network.genesis import settled
from network.topology import Consortium

MEMBERS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")


class QuietLog(Log):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__("test")
        self.entries: list[tuple[str, str, dict[str, Any]]] = []

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        self.entries.append((level, event, fields))


def user(run: Path, organisation: str, name: str = "client") -> SigningIdentity:
    return SigningIdentity.load(msp_id(organisation), folder_of(run, organisation).user(name) / "msp")


def peer(run: Path, organisation: str) -> SigningIdentity:
    return SigningIdentity.load(msp_id(organisation), folder_of(run, organisation).peer() / "msp")


def msp_id(organisation: str) -> str:
    return msp_id_of(organisation)


def definition_transaction(consortium: Consortium, run: Path) -> Any:
    """The transaction that commits the chaincode's definition, endorsed by a majority of the members' peers."""
    names = [member.name for member in consortium.members]
    endorsers = [peer(run, name) for name in names[: consortium.majority]]
    admin = user(run, names[0], "admin")
    return lifecycle.commit_transaction(consortium.channel, consortium.chaincode, admin, endorsers)


@dataclass
class Chain:
    """A peer's ledger that gets its blocks from the test."""

    consortium: Consortium
    run: Path
    store: Store
    committer: Committer
    orderer: SigningIdentity
    log: QuietLog = field(default_factory=QuietLog)

    @classmethod
    def start(cls, consortium: Consortium, run: Path, name: str = "ledger") -> "Chain":
        log = QuietLog()
        store = Store(run / "data" / f"{name}.db")
        committer = Committer(store, consortium.channel, time_window_s=60.0, log=log)
        if not store.height:
            committer.join(settled(genesis.genesis_block(consortium, run)))
        folder = folder_of(run, "orderer").orderer("orderer1") / "msp"
        return cls(consortium, run, store, committer, SigningIdentity.load("OrdererMSP", folder), log)

    def block(self, envelopes: list[bytes]) -> Any:
        """Return the signed next block."""
        block = new_block(self.store.height, self.store.last_hash, envelopes)
        sign_block(block, self.orderer, 1 if self.committer.channel.consenters else None, self.committer.config_block)
        return p.common.Block.FromString(block.SerializeToString())

    async def commit(self, *envelopes: Any) -> list[int]:
        """Commit a block of these and return the validation codes."""
        raw = [e if isinstance(e, bytes) else e.SerializeToString() for e in envelopes]
        await self.committer.commit(self.block(raw))
        return list(self.store.block(self.store.height - 1).metadata.metadata[p.common.TRANSACTIONS_FILTER])

    async def define(self) -> list[int]:
        """Commit the chaincode definition as block 1."""
        return await self.commit(definition_transaction(self.consortium, self.run))

    def proposal(self, creator: SigningIdentity, *arguments: bytes, chaincode: str = "fedledger", **header: Any) -> Any:
        """Return a signed proposal."""
        nonce = os.urandom(24)
        name = p.chaincode.ChaincodeID(name=chaincode)
        fields = {
            "tx_id": transaction_id(nonce, creator.serialized),
            "extension": p.proposal.ChaincodeHeaderExtension(chaincode_id=name).SerializeToString(),
        } | header
        name_of_channel = fields.pop("channel_id", self.consortium.channel)
        channel = channel_header(p.common.ENDORSER_TRANSACTION, name_of_channel, **fields)
        signature = p.common.SignatureHeader(creator=creator.serialized, nonce=nonce)
        outer = p.common.Header(
            channel_header=channel.SerializeToString(), signature_header=signature.SerializeToString()
        )
        spec = p.chaincode.ChaincodeSpec(
            type=p.chaincode.ChaincodeSpec.GOLANG, chaincode_id=name, input=p.chaincode.ChaincodeInput(args=arguments)
        )
        payload = p.proposal.ChaincodeProposalPayload(
            input=p.chaincode.ChaincodeInvocationSpec(chaincode_spec=spec).SerializeToString()
        )
        raw = p.proposal.Proposal(
            header=outer.SerializeToString(), payload=payload.SerializeToString()
        ).SerializeToString()
        return p.proposal.SignedProposal(proposal_bytes=raw, signature=creator.sign(raw))

    def transaction(
        self,
        sets: dict[str, NamespaceSet],
        *,
        endorsers: tuple[str, ...] = MEMBERS[:3],
        creator: SigningIdentity | None = None,
        signed_proposal: Any = None,
    ) -> Any:
        """Return a signed transaction with these read-write sets, endorsed by these organisations' peers."""
        creator = creator or user(self.run, "hospital-a")
        proposal = open_proposal(signed_proposal or self.proposal(creator, b"F"))
        action = p.proposal.ChaincodeAction(
            results=transaction_set(sets),
            response=p.proposal_response.Response(status=200),
            chaincode_id=p.chaincode.ChaincodeID(name=proposal.chaincode, version="1.0"),
        )
        payload = p.proposal_response.ProposalResponsePayload(
            proposal_hash=proposal_hash(proposal.header, strip_transient(proposal.payload)),
            extension=action.SerializeToString(),
        ).SerializeToString()
        signers = [peer(self.run, name) for name in endorsers]
        endorsements = [
            p.proposal_response.Endorsement(endorser=s.serialized, signature=s.sign(payload + s.serialized))
            for s in signers
        ]
        envelope = _assemble(proposal, payload, endorsements)
        envelope.signature = creator.sign(envelope.payload)
        return envelope


def puts(**values: bytes | None) -> dict[str, NamespaceSet]:
    """Return the sets of a transaction that blindly writes these keys."""
    return {"fedledger": NamespaceSet(writes=dict(values))}
