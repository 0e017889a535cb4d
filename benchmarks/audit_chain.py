"""Makes a long chain of a federation with valid signatures, hashes and writes, without running a network.

The writes are those that the rules give: every transaction goes through the replay process first. A founding comes
first, then transfers between members, each endorsed by a majority of members, in blocks of PER_BLOCK.
"""

import base64
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.evidence.fetch import block_path
from audit.fabric.commit import commit_hash
from audit.fabric.envelope import parse_action, parse_transaction
from audit.fabric.state import Place, Write
from audit.fabric.wire import COMMIT_HASH, TRANSACTIONS_FILTER, header_hash
from audit.verify.replay import ComparedState, Replayer
from gateway.encoding import transaction_id
from network.build import build_chaincode
from network.devnet import blocks, lifecycle
from network.devnet import protos as p
from network.devnet.envelopes import channel_header, proposal_hash
from network.devnet.genesis import genesis_block
from network.devnet.rwset import NamespaceSet, transaction_set
from network.devnet.signing import SigningIdentity
from network.folders import folder_of
from network.genesis import settled
from network.runfolder import prepare
from network.topology import Consortium

PER_BLOCK = 50
START_MS, STEP_MS = 1_790_000_000_000, 1000
"""Whole seconds, which a header holds exactly."""


@dataclass
class Forge:
    """Everybody's keys, the rules, and the versions of what was written."""

    consortium: Consortium
    run: Path
    rules: Replayer
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)
    clock: Iterator[int] = field(default_factory=lambda: itertools.count(START_MS, STEP_MS))

    def __post_init__(self) -> None:
        members = self.consortium.members
        self.admins = [self._key(m.msp_id, m.name, "users/admin") for m in members]
        self.peers = [self._key(m.msp_id, m.name, "peers/peer0") for m in members[: self.consortium.majority]]
        ordering, orderer = self.consortium.orderers[0]
        self.orderer = self._key(ordering.msp_id, ordering.name, f"orderers/{orderer.name}")

    def _key(self, msp_id: str, organisation: str, place: str) -> SigningIdentity:
        return SigningIdentity.load(msp_id, folder_of(self.run, organisation).secrets / place / "msp")

    def transaction(self, who: SigningIdentity, function: str, argument: dict[str, Any], at: tuple[int, int]) -> bytes:
        """Return a committed transaction's envelope; `at` is its block and index."""
        name, nonce, now = self.consortium.chaincode.name, os.urandom(24), next(self.clock)
        txid = transaction_id(nonce, who.serialized)
        arguments = [function.encode(), json.dumps(argument, sort_keys=True, separators=(",", ":")).encode()]
        facts = {"txid": txid, "timestamp_ms": now, "channel": self.consortium.channel}
        answer = self.rules.run(facts, (who.msp_id, who.certificate), arguments)
        assert not answer["error"], answer["error"]
        writes = {key: value if value is None else base64.b64decode(value) for key, value in answer["writes"]}
        named, told = answer["event"]
        reads = {k: self.versions.get(k) for k in writes if self.versions.get(k, (0, 0))[0] != at[0]}
        self.versions |= dict.fromkeys(writes, at)
        chaincode = p.chaincode.ChaincodeID(name=name, version=self.consortium.chaincode.version)
        event = p.chaincode_event.ChaincodeEvent(
            chaincode_id=name, tx_id=txid, event_name=named, payload=base64.b64decode(told)
        )
        header = channel_header(
            p.common.ENDORSER_TRANSACTION,
            self.consortium.channel,
            seconds=now / 1000,
            tx_id=txid,
            extension=p.proposal.ChaincodeHeaderExtension(chaincode_id=chaincode).SerializeToString(),
        )
        action = p.proposal.ChaincodeAction(
            results=transaction_set({name: NamespaceSet(reads=reads, writes=writes)}),
            events=event.SerializeToString(),
            response=p.proposal_response.Response(status=200, payload=base64.b64decode(answer["response"])),
            chaincode_id=chaincode,
        )
        return self._signed(who, nonce, header, arguments, action)

    def _signed(self, who: SigningIdentity, nonce: bytes, header: Any, arguments: list[bytes], action: Any) -> bytes:
        signature = p.common.SignatureHeader(creator=who.serialized, nonce=nonce).SerializeToString()
        outer = p.common.Header(channel_header=header.SerializeToString(), signature_header=signature)
        spec = p.chaincode.ChaincodeSpec(
            chaincode_id=action.chaincode_id, input=p.chaincode.ChaincodeInput(args=arguments)
        )
        invocation = p.chaincode.ChaincodeInvocationSpec(chaincode_spec=spec).SerializeToString()
        payload = p.proposal.ChaincodeProposalPayload(input=invocation).SerializeToString()
        response = p.proposal_response.ProposalResponsePayload(
            proposal_hash=proposal_hash(outer, payload), extension=action.SerializeToString()
        ).SerializeToString()
        endorsements = [
            p.proposal_response.Endorsement(endorser=peer.serialized, signature=peer.sign(response + peer.serialized))
            for peer in self.peers
        ]
        endorsed = p.transaction.ChaincodeEndorsedAction(proposal_response_payload=response, endorsements=endorsements)
        content = p.transaction.ChaincodeActionPayload(chaincode_proposal_payload=payload, action=endorsed)
        message = p.transaction.TransactionAction(header=signature, payload=content.SerializeToString())
        data = p.transaction.Transaction(actions=[message]).SerializeToString()
        raw = p.common.Payload(header=outer, data=data).SerializeToString()
        return bytes(p.common.Envelope(payload=raw, signature=who.sign(raw)).SerializeToString())

    def block(self, number: int, previous: bytes, envelopes: list[bytes], chain_hash: bytes) -> tuple[Any, bytes]:
        """Return a signed block in which every transaction is valid, and its commit hash."""
        made = blocks.new_block(number, previous, envelopes)
        blocks.sign_block(made, self.orderer, 1, 0)
        flags = bytes(len(envelopes))
        made.metadata.metadata[TRANSACTIONS_FILTER] = flags
        chained = commit_hash(flags, _writes(number, envelopes), chain_hash)
        made.metadata.metadata[COMMIT_HASH] = p.common.Metadata(value=chained).SerializeToString()
        return made, chained


def _writes(number: int, envelopes: list[bytes]) -> dict[Place, Write]:
    found: dict[Place, Write] = {}
    for index, raw in enumerate(envelopes):
        for ns, rwset in parse_action(parse_transaction(index, raw)).rwsets:
            for write in rwset.writes:
                found[ns, "", write.key.encode()] = (None if write.is_delete else write.value, (number, index))
    return found


def _calls(forge: Forge, total: int) -> Iterator[tuple[SigningIdentity, str, dict[str, Any]]]:
    """Yield who calls what: the founding, then transfers in turn."""
    definition = json.loads(folder_of(forge.run, forge.consortium.members[0].name).terms.read_text())
    del definition["channel"]
    definition["parameters"]["transfer_ms"] = 0  # many transfers in no time
    yield forge.admins[0], "Found", definition
    names = [member.msp_id for member in forge.consortium.members]
    for count in range(total - 1):
        at = count % len(names)
        yield forge.admins[at], "Transfer", {"to": names[(at + 1) % len(names)], "amount": 1 + count % 7}


def make_chain(consortium: Consortium, folder: Path, total: int) -> Path:
    """Write a chain of `total` transactions beside the definition's own into folder/chain and return that folder."""
    run, out = folder / "run", folder / "chain"
    prepare(run, consortium)
    genesis = settled(genesis_block(consortium, run))
    with Replayer(build_chaincode("./cmd/replay"), ComparedState.nothing()) as rules:
        forge = Forge(consortium, run, rules)
        _store(out, genesis)
        chaincode = consortium.chaincode
        commit = lifecycle.commit_transaction(consortium.channel, chaincode, forge.admins[0], forge.peers)
        envelopes = [commit.SerializeToString()]
        made, chain_hash = forge.block(1, header_hash(genesis.header), envelopes, b"")
        _store(out, made)
        calls = _calls(forge, total)
        for number in itertools.count(2):
            part = list(itertools.islice(calls, PER_BLOCK))
            if not part:
                return out
            envelopes = [forge.transaction(*call, (number, index)) for index, call in enumerate(part)]
            made, chain_hash = forge.block(number, header_hash(made.header), envelopes, chain_hash)
            _store(out, made)
    raise AssertionError("unreachable")


def _store(folder: Path, block: Any) -> None:
    path = block_path(folder, block.header.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(block.SerializeToString())
