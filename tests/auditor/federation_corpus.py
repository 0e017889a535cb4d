"""Ways to tamper with a federation's ledger; each returns the rule that must fail first and the block where it must."""

import json
from collections.abc import Callable
from hashlib import sha256

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.fabric.envelope import is_config_block, parse_action, parse_transaction
from audit.fabric.wire import COMMIT_HASH, TRANSACTIONS_FILTER
from audit.verify.verdict import Rule
from tests.auditor.corpus import Expected, Ledger, replace, written
from tests.auditor.forge import Chain, Key, Opened, reseal

Kind = Callable[[Ledger, Chain], Expected]
KINDS: dict[str, Kind] = {}
MINORITY, MAJORITY = ("hospital-a", "hospital-b"), ("hospital-a", "hospital-b", "hospital-c")


def kind(name: str) -> Callable[[Kind], Kind]:
    def register(function: Kind) -> Kind:
        KINDS[name] = function
        return function

    return register


def call(opened: Opened) -> tuple[str, dict]:  # type: ignore[type-arg]
    """The function and the argument that a transaction asks for."""
    proposal = proposal_pb2.ChaincodeProposalPayload.FromString(opened.action.chaincode_proposal_payload)
    spec = chaincode_pb2.ChaincodeInvocationSpec.FromString(proposal.input)
    function, *rest = spec.chaincode_spec.input.args
    return function.decode(), json.loads(rest[0]) if rest else {}


def places(ledger: Ledger, chain: Chain, function: str) -> list[tuple[int, int]]:
    found = []
    for block, index in written(ledger, chain):
        if call(Opened.of(chain[block].data.data[index]))[0] == function:
            found.append((block, index))
    return found


def rewrite(opened: Opened, chaincode: str, old: bytes, new: bytes, *, writes: bool) -> None:
    """Put other bytes of the same length into the arguments and, if asked, into the writes that follow from them."""
    proposal = proposal_pb2.ChaincodeProposalPayload.FromString(opened.action.chaincode_proposal_payload)
    spec = chaincode_pb2.ChaincodeInvocationSpec.FromString(proposal.input)
    arguments = [argument.replace(old, new) for argument in spec.chaincode_spec.input.args]
    assert arguments != list(spec.chaincode_spec.input.args)
    spec.chaincode_spec.input.args[:] = arguments
    proposal.input = spec.SerializeToString()
    opened.action.chaincode_proposal_payload = proposal.SerializeToString()

    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        for write in rwset.writes:
            write.value = write.value.replace(old, new)

    if writes:
        opened.rwset(change, chaincode)
    rehash(opened)


def rehash(opened: Opened) -> None:
    """Let the endorsed response answer the proposal as it is now."""
    header = opened.payload.header.channel_header + opened.transaction.actions[0].header
    opened.response.proposal_hash = sha256(header + opened.action.chaincode_proposal_payload).digest()


def forged(ledger: Ledger, chain: Chain, place: tuple[int, int], opened: Opened, endorsers: tuple[str, ...]) -> None:
    opened.endorse([ledger.peer(name) for name in endorsers])
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))


@kind("a vote taken out, everything numbered and sealed again")
def _vote_removed(ledger: Ledger, chain: Chain) -> Expected:
    number = next(b for b, _ in places(ledger, chain, "Vote") if len(chain[b].data.data) == 1)
    del chain[number]
    for block in chain:
        block.metadata.metadata[COMMIT_HASH] = b""
    reseal(chain, number, ledger.orderers)
    # Who reads what a later block wrote, or the vote, names a block that is now another one.
    for block in chain[number:]:
        if is_config_block(block):
            continue
        for index, raw in enumerate(block.data.data):
            action = parse_action(parse_transaction(index, raw))
            reads = [read.version.block_num for _, rwset in action.rwsets for read in rwset.reads]
            if block.metadata.metadata[TRANSACTIONS_FILTER][index] == codes.VALID and max(reads, default=0) >= number:
                return Rule.VALIDATION_CODE, block.header.number
    raise AssertionError("nothing was read after the vote")


@kind("a vote turned round by colluding endorsers")
def _vote_turned(ledger: Ledger, chain: Chain) -> Expected:
    place = places(ledger, chain, "Vote")[0]
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    rewrite(opened, ledger.chaincode, b'"approve":true', b'"approve":false', writes=False)
    forged(ledger, chain, place, opened, MAJORITY)
    return Rule.REPLAY_WRITES, place[0]


def _wrong_aggregate(ledger: Ledger, chain: Chain, endorsers: tuple[str, ...]) -> int:
    place = places(ledger, chain, "ProposeAggregate")[0]
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    true = call(opened)[1]["aggregate"]
    rewrite(opened, ledger.chaincode, true.encode(), f"{int(true, 16) ^ 1:064x}".encode(), writes=True)
    forged(ledger, chain, place, opened, endorsers)
    return place[0]


@kind("a wrong aggregate endorsed by a colluding minority")
def _aggregate_minority(ledger: Ledger, chain: Chain) -> Expected:
    return Rule.VALIDATION_CODE, _wrong_aggregate(ledger, chain, MINORITY)


@kind("a wrong aggregate endorsed by a colluding majority")
def _aggregate_majority(ledger: Ledger, chain: Chain) -> Expected:
    return Rule.AGGREGATE, _wrong_aggregate(ledger, chain, MAJORITY)


@kind("a reward changed by colluding endorsers")
def _reward(ledger: Ledger, chain: Chain) -> Expected:
    place = places(ledger, chain, "Settle")[-1]
    opened = Opened.of(chain[place[0]].data.data[place[1]])

    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        write = rwset.writes[0]
        write.value = write.value.replace(b"0", b"9")

    opened.rwset(change, ledger.chaincode)
    forged(ledger, chain, place, opened, MAJORITY)
    return Rule.REPLAY_WRITES, place[0]


@kind("the federation's state made unreadable by colluding endorsers")
def _unreadable(ledger: Ledger, chain: Chain) -> Expected:
    place = places(ledger, chain, "ProposeAggregate")[0]
    opened = Opened.of(chain[place[0]].data.data[place[1]])

    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        for write in rwset.writes:
            write.value = b"\xff no JSON"

    opened.rwset(change, ledger.chaincode)
    forged(ledger, chain, place, opened, MAJORITY)
    return Rule.REPLAY_WRITES, place[0]


@kind("keys published by another identity than the participant's, with the writes that its own would have made")
def _other_identity(ledger: Ledger, chain: Chain) -> Expected:
    place = places(ledger, chain, "PublishKeys")[0]
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    owner = ledger.creator(opened)
    admin = ledger.key(ledger.members[owner.msp_id], "users/admin")
    become(opened, admin)
    opened.endorse([ledger.peer(name) for name in MAJORITY])
    replace(ledger, chain, place, opened.close(admin))
    return Rule.REPLAY_REFUSED, place[0]


def become(opened: Opened, creator: Key) -> None:
    """Give a transaction another creator, with the id, hash and headers that follow."""
    signer = common_pb2.SignatureHeader.FromString(opened.payload.header.signature_header)
    signer.creator = creator.identity
    opened.payload.header.signature_header = signer.SerializeToString()
    opened.transaction.actions[0].header = signer.SerializeToString()
    header = common_pb2.ChannelHeader.FromString(opened.payload.header.channel_header)
    header.tx_id = sha256(signer.nonce + signer.creator).hexdigest()
    opened.payload.header.channel_header = header.SerializeToString()
    rehash(opened)


@kind("an event changed by colluding endorsers")
def _event(ledger: Ledger, chain: Chain) -> Expected:
    place = places(ledger, chain, "OpenRound")[0]
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    event = chaincode_event_pb2.ChaincodeEvent.FromString(opened.result.events)
    event.event_name = "RoundFinal"
    opened.result.events = event.SerializeToString()
    forged(ledger, chain, place, opened, MAJORITY)
    return Rule.REPLAY_EVENT, place[0]


@kind("the federation's state written by a transaction of another chaincode")
def _foreign(ledger: Ledger, chain: Chain) -> Expected:
    place = places(ledger, chain, "Settle")[-1]
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    header = common_pb2.ChannelHeader.FromString(opened.payload.header.channel_header)
    extension = proposal_pb2.ChaincodeHeaderExtension.FromString(header.extension)
    extension.chaincode_id.name = "_lifecycle"
    header.extension = extension.SerializeToString()
    opened.payload.header.channel_header = header.SerializeToString()
    opened.result.chaincode_id.name = "_lifecycle"
    opened.result.events = b""
    rehash(opened)
    forged(ledger, chain, place, opened, MAJORITY)
    return Rule.REPLAY_WRITES, place[0]
