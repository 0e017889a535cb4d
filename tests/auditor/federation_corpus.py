"""Ways to tamper with a federation's ledger; each returns the rule that must fail first and the block where it must."""

import json
from collections.abc import Callable
from hashlib import sha256

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2, proposal_response_pb2
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
        paid = next(write for write in rwset.writes if write.key.startswith("\0balance\0"))
        paid.value = paid.value.replace(b":", b":9", 1)

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


def _forge(ledger: Ledger, chain: Chain, function: str, change: Callable[[Opened], None]) -> int:
    """Let a majority endorse a changed transaction, the last of its function; returns its block."""
    place = places(ledger, chain, function)[-1]
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    before = opened.result.SerializeToString()
    change(opened)
    assert opened.result.SerializeToString() != before
    forged(ledger, chain, place, opened, MAJORITY)
    return place[0]


def _rwset_kind(name: str, function: str, change: Callable[[kv_rwset_pb2.KVRWSet], None]) -> None:
    """Register a change of the rules' public read-write set, which must be found where it was made."""

    def forge(ledger: Ledger, chain: Chain) -> Expected:
        block = _forge(ledger, chain, function, lambda opened: opened.rwset(change, ledger.chaincode))
        return Rule.REPLAY_WRITES, block

    KINDS[name] = forge


def _first_twice(rwset: kv_rwset_pb2.KVRWSet) -> None:
    rwset.writes.add(key=rwset.writes[0].key, value=rwset.writes[0].value)


def _evil_then_good(rwset: kv_rwset_pb2.KVRWSet) -> None:
    good = kv_rwset_pb2.KVWrite.FromString(rwset.writes[0].SerializeToString())
    rwset.writes[0].value = b"{}"
    rwset.writes.append(good)


def _delete(rwset: kv_rwset_pb2.KVRWSet) -> None:
    rwset.writes[0].is_delete, rwset.writes[0].value = True, b""


def _empty(rwset: kv_rwset_pb2.KVRWSet) -> None:
    rwset.writes[0].value = b""


def _write(rwset: kv_rwset_pb2.KVRWSet, key: str, value: bytes) -> None:
    rwset.writes.add(key=key, value=value, is_delete=not value)


def _balance(rwset: kv_rwset_pb2.KVRWSet, value: bytes) -> None:
    _write(rwset, "\0balance\0HospitalDMSP\0", value)


def _removed(rwset: kv_rwset_pb2.KVRWSet) -> None:
    _write(rwset, "\0organisation\0HospitalDMSP\0", b'{"msp_id":"HospitalDMSP","since_ms":1,"status":"removed"}')


def _policy(rwset: kv_rwset_pb2.KVRWSet) -> None:
    rwset.metadata_writes.add(key=rwset.writes[0].key).entries.add(name="VALIDATION_PARAMETER", value=b"")


def _detail(rwset: kv_rwset_pb2.KVRWSet) -> None:
    for write in rwset.writes:
        write.value = write.value.replace(b"garbage", b"nothing").replace(b"of transaction", b"of transactions")


_rwset_kind("a balance forged beside the rules' writes", "Settle", lambda s: _balance(s, b'{"amount":999999999999}'))
_rwset_kind("a balance deleted", "Settle", lambda s: _balance(s, b""))
_rwset_kind("an organisation removed without a vote", "Settle", _removed)
_rwset_kind("a key that is none of the rules' own", "Settle", lambda s: _write(s, "plain", b"x"))
_rwset_kind("a write of the rules turned into a deletion", "Settle", _delete)
_rwset_kind("a write of the rules emptied, which Fabric takes for a deletion", "Settle", _empty)
_rwset_kind("a write of the rules left out", "Settle", lambda s: s.writes.pop())
_rwset_kind("all writes left out", "Settle", lambda s: s.ClearField("writes"))
_rwset_kind("a key written twice with one value", "Settle", _first_twice)
_rwset_kind("a key written twice, the last time rightly", "Settle", _evil_then_good)
_rwset_kind("a policy set for a key", "Settle", _policy)
_rwset_kind("a flag's detail that is no text of a refusal", "ReportFault", _detail)


@kind("a range read that leaves out what it found")
def _range(ledger: Ledger, chain: Chain) -> Expected:
    for block, index in written(ledger, chain):
        opened = Opened.of(chain[block].data.data[index])
        found: list[int] = []

        def shorten(rwset: kv_rwset_pb2.KVRWSet, found: list[int] = found) -> None:
            for query in rwset.range_queries_info:
                if query.raw_reads.kv_reads and not found:
                    found.append(len(query.raw_reads.kv_reads))
                    del query.raw_reads.kv_reads[-1]

        opened.rwset(shorten, ledger.chaincode)
        if found:
            forged(ledger, chain, (block, index), opened, MAJORITY)
            return Rule.VALIDATION_CODE, block
    raise AssertionError("no transaction reads a range")


@kind("private data written by the rules' chaincode")
def _private(ledger: Ledger, chain: Chain) -> Expected:
    def change(hashed: kv_rwset_pb2.HashedRWSet) -> None:
        hashed.hashed_writes.add(key_hash=b"k" * 32, value_hash=b"v" * 32)

    def forge(opened: Opened) -> None:
        opened.collection(change, ledger.chaincode, "_implicit_org_HospitalAMSP")

    return Rule.REPLAY_WRITES, _forge(ledger, chain, "Settle", forge)


@kind("private data purged by the rules' chaincode")
def _purged(ledger: Ledger, chain: Chain) -> Expected:
    def change(hashed: kv_rwset_pb2.HashedRWSet) -> None:
        hashed.hashed_writes.add(key_hash=b"k" * 32, is_purge=True)

    def forge(opened: Opened) -> None:
        opened.collection(change, ledger.chaincode, "_implicit_org_HospitalAMSP")

    return Rule.REPLAY_WRITES, _forge(ledger, chain, "Settle", forge)


@kind("a policy set for a key of private data")
def _private_policy(ledger: Ledger, chain: Chain) -> Expected:
    def change(hashed: kv_rwset_pb2.HashedRWSet) -> None:
        hashed.metadata_writes.add(key_hash=b"k" * 32).entries.add(name="VALIDATION_PARAMETER", value=b"")

    def forge(opened: Opened) -> None:
        opened.collection(change, ledger.chaincode, "_implicit_org_HospitalAMSP")

    return Rule.REPLAY_WRITES, _forge(ledger, chain, "Settle", forge)


def _namespace(opened: Opened, name: str, write: kv_rwset_pb2.KVRWSet) -> None:
    sets = rwset_pb2.TxReadWriteSet.FromString(opened.result.results)
    sets.ns_rwset.add(namespace=name, rwset=write.SerializeToString())
    opened.result.results = sets.SerializeToString()


@kind("the chaincode's own definition written by the rules' chaincode")
def _second_namespace(ledger: Ledger, chain: Chain) -> Expected:
    def change(rwset: kv_rwset_pb2.KVRWSet) -> None:
        _write(rwset, f"namespaces/fields/{ledger.chaincode}/Collections", b"x")

    # Every transaction reads its chaincode's definition there.
    return Rule.REPLAY_WRITES, _forge(ledger, chain, "Settle", lambda opened: opened.rwset(change, "_lifecycle"))


@kind("a namespace that nobody defined")
def _undefined_namespace(ledger: Ledger, chain: Chain) -> Expected:
    write = kv_rwset_pb2.KVRWSet(writes=[kv_rwset_pb2.KVWrite(key="k", value=b"x")])
    return Rule.VALIDATION_CODE, _forge(ledger, chain, "Settle", lambda o: _namespace(o, "evil", write))


@kind("the rules' namespace a second time")
def _namespace_twice(ledger: Ledger, chain: Chain) -> Expected:
    write = kv_rwset_pb2.KVRWSet(writes=[kv_rwset_pb2.KVWrite(key="k", value=b"x")])
    return Rule.VALIDATION_CODE, _forge(ledger, chain, "Settle", lambda o: _namespace(o, ledger.chaincode, write))


def _event_kind(name: str, change: Callable[[chaincode_event_pb2.ChaincodeEvent], None]) -> None:
    def forge(ledger: Ledger, chain: Chain) -> Expected:
        def edit(opened: Opened) -> None:
            event = chaincode_event_pb2.ChaincodeEvent.FromString(opened.result.events)
            change(event)
            opened.result.events = event.SerializeToString()

        return Rule.REPLAY_EVENT, _forge(ledger, chain, "OpenRound", edit)

    KINDS[name] = forge


_event_kind("an event left out", lambda event: event.Clear())
_event_kind("an event's payload changed", lambda event: setattr(event, "payload", b"{}"))
_event_kind("an event that names another transaction", lambda event: setattr(event, "tx_id", "ab" * 32))


def _response_kind(name: str, change: Callable[[proposal_response_pb2.Response], None]) -> None:
    def forge(ledger: Ledger, chain: Chain) -> Expected:
        return Rule.REPLAY_RESPONSE, _forge(ledger, chain, "OpenRound", lambda opened: change(opened.result.response))

    KINDS[name] = forge


_response_kind("a response's payload changed", lambda response: setattr(response, "payload", b'{"round":9}'))
_response_kind("a response's status changed", lambda response: setattr(response, "status", 201))
_response_kind("a response that carries a message", lambda response: setattr(response, "message", "paid"))
