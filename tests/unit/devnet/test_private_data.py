"""What a peer makes of private data, keys' own policies and history, block by block."""

import hashlib
from contextlib import contextmanager

import pytest

from network.contracts import Collection
from network.devnet import protos as p
from network.devnet.history import changes
from network.devnet.holder import private_map
from network.devnet.private_sets import hashes_of, key_hash, values_of
from network.devnet.simulator import Simulation, SimulationError
from network.policy_text import parse_policy
from tests.unit.devnet.harness import Chain, peer, puts

Codes = p.transaction
CC = "fedledger"
A, B, C, D = (f"Hospital{letter}MSP" for letter in "ABCD")
COLLECTIONS = (
    Collection(name="pair", policy=f"OR('{A}.member', '{B}.member')"),
    Collection(name="brief", policy=f"OR('{A}.member', '{B}.member')", block_to_live=1),
    Collection(
        name="single",
        policy=f"OR('{A}.member', '{B}.member')",
        endorsement_policy={"signature_policy": f"OR('{A}.peer')"},
    ),
)


def only(*letters):
    """The policy that one of some organisations' peers signs."""
    names = ", ".join(f"'Hospital{letter}MSP.peer'" for letter in letters)
    return parse_policy(f"OR({names})").SerializeToString()


@pytest.fixture
async def ledger(genesis_chain):
    """The ledger of hospital-a's peer, whose chaincode has collections."""
    chaincode = genesis_chain.consortium.chaincode.model_copy(update={"collections": COLLECTIONS})
    consortium = genesis_chain.consortium.model_copy(update={"chaincode": chaincode})
    made = Chain.start(consortium, genesis_chain.run, "private")
    made.committer.holder._serialized = peer(made.run, "hospital-a").serialized
    assert await made.define() == [Codes.VALID]
    yield made
    made.store.close()


@contextmanager
def simulated(chain, txid="tx"):
    snapshot = chain.store.open_snapshot()
    try:
        yield Simulation(txid, snapshot)
    finally:
        chain.store.release(snapshot)


def written(chain, write, *, keep=True, endorsers=("hospital-a", "hospital-b", "hospital-c"), height=0):
    """A transaction of what `write` does to a simulation, whose private sets the peer gets or not."""
    with simulated(chain) as simulation:
        write(simulation)
        simulation.results()
        envelope = chain.transaction(simulation._sets, endorsers=endorsers)
        private = simulation.private_results()
    payload = p.common.Payload.FromString(envelope.payload)
    txid = p.common.ChannelHeader.FromString(payload.header.channel_header).tx_id
    sets = {
        (txid, entry.namespace, held.collection_name): held.rwset
        for entry in (private.ns_pvt_rwset if private else ())
        for held in entry.collection_pvt_rwset
    }
    for (transaction, chaincode, collection), content in sets.items() if keep else ():
        chain.committer.holder.private.keep_transient(transaction, chaincode, collection, content, height)
    return envelope, sets


async def put(chain, collection, key, value, **options):
    envelope, sets = written(chain, lambda s: s.put_private(CC, collection, key, value), **options)
    return await chain.commit(envelope), sets


def held(chain, collection, key):
    found = chain.store.current.get(values_of(CC, collection), key)
    return found[0] if found else None


def known(chain, collection, key):
    found = chain.store.current.get(hashes_of(CC, collection), key_hash(key))
    return found[0] if found else None


async def test_a_member_keeps_the_value_and_everybody_its_hash(ledger):
    codes, _ = await put(ledger, "pair", "k", b"secret")
    assert codes == [Codes.VALID]
    assert held(ledger, "pair", "k") == b"secret"
    assert known(ledger, "pair", "k") == hashlib.sha256(b"secret").digest()
    ledger.committer.holder._serialized = peer(ledger.run, "hospital-c").serialized
    await put(ledger, "pair", "other", b"secret")
    assert (held(ledger, "pair", "other"), known(ledger, "pair", "other") is None) == (None, False)


async def test_a_value_that_did_not_come_is_asked_for_at_once_and_again(ledger):
    asked = []

    async def nobody(pieces):
        asked.append([piece.collection for piece in pieces])
        return {}

    ledger.committer.holder.fetch = nobody
    _, sets = await put(ledger, "pair", "k", b"secret", keep=False)
    assert held(ledger, "pair", "k") is None
    with simulated(ledger) as simulation, pytest.raises(SimulationError, match="not available"):
        simulation.get_private(CC, "pair", "k")

    async def somebody(pieces):
        return {piece: sets[piece.txid, piece.chaincode, piece.collection] for piece in pieces}

    assert await ledger.committer.holder.reconcile() == 0
    ledger.committer.holder.fetch = somebody
    assert await ledger.committer.holder.reconcile() == 1
    assert held(ledger, "pair", "k") == b"secret"
    assert asked == [["pair"], ["pair"]]
    assert await ledger.committer.holder.reconcile() == 0


async def test_a_value_that_comes_late_does_not_undo_a_later_one(ledger):
    _, sets = await put(ledger, "pair", "k", b"old", keep=False)
    await put(ledger, "pair", "k", b"new")

    async def somebody(pieces):
        return {piece: sets[piece.txid, piece.chaincode, piece.collection] for piece in pieces}

    ledger.committer.holder.fetch = somebody
    await ledger.committer.holder.reconcile()
    assert held(ledger, "pair", "k") == b"new"


async def test_what_lives_briefly_goes_with_its_hash_unless_it_was_written_again(ledger):
    await put(ledger, "brief", "k", b"1")
    await put(ledger, "brief", "again", b"1")
    assert held(ledger, "brief", "k") == b"1"
    await put(ledger, "brief", "again", b"2")
    assert (held(ledger, "brief", "k"), known(ledger, "brief", "k")) == (None, None)
    assert held(ledger, "brief", "again") == b"2"


async def test_a_purge_takes_earlier_values_out_of_the_blocks_sets(ledger):
    await put(ledger, "pair", "deleted", b"1")
    await put(ledger, "pair", "purged", b"1")
    numbers = ledger.store.height - 2, ledger.store.height - 1
    await put(ledger, "pair", "deleted", None)
    envelope, _ = written(ledger, lambda s: s.put_private(CC, "pair", "purged", None, purge=True))
    assert await ledger.commit(envelope) == [Codes.VALID]
    shown = [private_map(ledger.committer.holder, number, lambda *_: True) for number in numbers]
    keys = [
        [write.key for write in p.kvrwset.KVRWSet.FromString(m[0].ns_pvt_rwset[0].collection_pvt_rwset[0].rwset).writes]
        for m in shown
    ]
    assert keys == [["deleted"], []]
    assert (held(ledger, "pair", "purged"), known(ledger, "pair", "purged")) == (None, None)
    assert private_map(ledger.committer.holder, numbers[0], lambda *_: False) == {}


async def test_endorsements_are_judged_by_key_then_collection_then_chaincode(ledger):
    one = ("hospital-a",)
    assert (await put(ledger, "single", "k", b"1", endorsers=one))[0] == [Codes.VALID]
    assert (await put(ledger, "pair", "k", b"1", endorsers=one))[0] == [Codes.ENDORSEMENT_POLICY_FAILURE]
    assert (await put(ledger, "none", "k", b"1"))[0] == [Codes.ENDORSEMENT_POLICY_FAILURE]
    await put(ledger, "pair", "k", b"1")
    policy = {"VALIDATION_PARAMETER": only("A")}
    envelope, _ = written(ledger, lambda s: s.put_private_metadata(CC, "pair", "k", policy))
    assert await ledger.commit(envelope) == [Codes.VALID]
    assert (await put(ledger, "pair", "k", b"2", endorsers=one))[0] == [Codes.VALID]
    others = ("hospital-b", "hospital-c", "hospital-d")
    assert (await put(ledger, "pair", "k", b"3", endorsers=others))[0] == [Codes.ENDORSEMENT_POLICY_FAILURE]
    assert held(ledger, "pair", "k") == b"2"


async def test_a_value_keeps_its_version_beside_its_hashs_when_only_its_policy_changes(ledger):
    await put(ledger, "pair", "k", b"1")
    policy = {"VALIDATION_PARAMETER": only("A", "B")}
    envelope, _ = written(ledger, lambda s: s.put_private_metadata(CC, "pair", "k", policy))
    await ledger.commit(envelope)
    with simulated(ledger) as simulation:
        assert simulation.get_private(CC, "pair", "k") == b"1"
        assert simulation.private_metadata(CC, "pair", "k") == policy


async def test_a_write_under_a_policy_that_the_block_changes_is_invalid(ledger):
    assert await ledger.commit(ledger.transaction(puts(k=b"1"))) == [Codes.VALID]
    change, _ = written(ledger, lambda s: s.put_metadata(CC, "k", {"VALIDATION_PARAMETER": only("A")}))
    write, other = ledger.transaction(puts(k=b"2")), ledger.transaction(puts(other=b"2"))
    codes = await ledger.commit(change, write, other)
    assert codes == [Codes.VALID, Codes.ENDORSEMENT_POLICY_FAILURE, Codes.VALID]
    refused = ledger.transaction(puts(k=b"3"), endorsers=("hospital-b", "hospital-c", "hospital-d"))
    allowed = ledger.transaction(puts(k=b"4"), endorsers=("hospital-a",))
    assert await ledger.commit(refused, allowed) == [Codes.ENDORSEMENT_POLICY_FAILURE, Codes.VALID]


async def test_a_namespace_that_hides_a_collection_is_no_chaincode(ledger):
    sets = {hashes_of(CC, "pair"): puts(a=b"1")[CC]}
    assert await ledger.commit(ledger.transaction(sets)) == [Codes.INVALID_CHAINCODE]


async def test_the_history_of_a_key_is_read_from_blocks(ledger):
    await ledger.commit(ledger.transaction(puts(k=b"1")), ledger.transaction(puts(k=b"2")))
    await ledger.commit(ledger.transaction(puts(k=None)), ledger.transaction(puts(k=b"x"), endorsers=("hospital-a",)))
    found = [(change.value, change.is_delete) for change in changes(ledger.store.current, CC, "k")]
    assert found == [(b"", True), (b"2", False), (b"1", False)]
