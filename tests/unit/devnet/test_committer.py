import asyncio
import hashlib

import pytest

from network.devnet import lifecycle
from network.devnet import protos as p
from network.devnet.blocks import BlockError, new_block, sign_block
from network.devnet.commithash import commit_hash, update_bytes
from network.devnet.envelopes import COMMIT_HASH, SIGNATURES, block_hash
from network.devnet.rwset import NamespaceSet
from network.devnet.store import Store
from network.errors import NetworkError
from tests.unit.devnet.harness import Chain, definition_transaction, peer, puts, user

Codes = p.transaction


def get(chain, key):
    found = chain.store.current.get("fedledger", key)
    return found[0] if found else None


async def test_the_first_blocks_are_configuration_and_definition(chain):
    assert chain.store.height == 2
    found = lifecycle.defined(chain.store.current, "fedledger")
    assert (1, "1.0", "escc", "vscc") == (
        found.sequence,
        found.version,
        found.endorsement_plugin,
        found.validation_plugin,
    )
    keys = [key for key, _, _ in chain.store.current.scan("_lifecycle", "", "")]
    assert (
        sorted(
            ["namespaces/metadata/fedledger"]
            + [
                f"namespaces/fields/fedledger/{f}"
                for f in ("Collections", "EndorsementInfo", "Sequence", "ValidationInfo")
            ]
        )
        == keys
    )


async def test_a_definition_without_a_majority_of_the_members_is_invalid(genesis_chain):
    envelope = definition_transaction(genesis_chain.consortium, genesis_chain.run)
    payload = p.common.Payload.FromString(envelope.payload)
    transaction = p.transaction.Transaction.FromString(payload.data)
    content = p.transaction.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
    del content.action.endorsements[2:]
    transaction.actions[0].payload = content.SerializeToString()
    payload.data = transaction.SerializeToString()
    envelope.payload = payload.SerializeToString()
    envelope.signature = user(genesis_chain.run, "hospital-a", "admin").sign(envelope.payload)
    assert await genesis_chain.commit(envelope) == [Codes.ENDORSEMENT_POLICY_FAILURE]


async def test_valid_writes_are_applied_and_others_are_not(chain):
    good = chain.transaction(puts(a=b"1"))
    few = chain.transaction(puts(b=b"1"), endorsers=("hospital-a", "hospital-b"))
    assert await chain.commit(good, few) == [Codes.VALID, Codes.ENDORSEMENT_POLICY_FAILURE]
    assert (b"1", None) == (get(chain, "a"), get(chain, "b"))


@pytest.mark.parametrize(
    "endorsers",
    [
        ("hospital-a", "hospital-b", "regulator"),
        ("hospital-a", "hospital-a", "hospital-a"),
        (),
    ],
    ids=["the regulator", "one organisation thrice", "nobody"],
)
async def test_endorsements_that_do_not_count(chain, endorsers):
    envelope = chain.transaction(puts(a=b"1"), endorsers=endorsers)
    assert await chain.commit(envelope) == [Codes.ENDORSEMENT_POLICY_FAILURE]


async def test_a_clients_signature_is_no_endorsement(chain, monkeypatch):
    monkeypatch.setattr("tests.unit.devnet.harness.peer", user)
    assert await chain.commit(chain.transaction(puts(a=b"1"))) == [Codes.ENDORSEMENT_POLICY_FAILURE]


async def test_a_read_that_no_longer_holds_is_a_conflict_with_the_earlier_in_the_block(chain):
    read = {"fedledger": NamespaceSet(reads={"a": None}, writes={"a": b"1"})}
    first, second = chain.transaction(read), chain.transaction(read)
    assert await chain.commit(first, second) == [Codes.VALID, Codes.MVCC_READ_CONFLICT]


async def test_a_definition_read_at_another_sequence_is_a_conflict(chain):
    key = lifecycle.field_key("fedledger", "Sequence")
    sets = {"_lifecycle": NamespaceSet(reads={key: (1, 0)})} | puts(a=b"1")
    stale = {"_lifecycle": NamespaceSet(reads={key: None})} | puts(a=b"2")
    codes = await chain.commit(chain.transaction(sets), chain.transaction(stale))
    assert [Codes.VALID, Codes.MVCC_READ_CONFLICT] == codes


async def test_an_id_has_one_effect_in_one_block_and_over_blocks(chain):
    envelope = chain.transaction(puts(a=b"1"))
    assert await chain.commit(envelope, envelope) == [Codes.VALID, Codes.DUPLICATE_TXID]
    assert await chain.commit(envelope) == [Codes.DUPLICATE_TXID]
    assert (2, 0, Codes.VALID) == place(chain, envelope)


def place(chain, envelope):
    payload = p.common.Payload.FromString(envelope.payload)
    txid = p.common.ChannelHeader.FromString(payload.header.channel_header).tx_id
    found = chain.store.transaction(txid)
    return found.number, found.position, found.code


async def test_a_write_to_another_chaincode_is_refused(chain):
    other = {"another": NamespaceSet(writes={"a": b"1"})}
    meddling = {"_lifecycle": NamespaceSet(writes={"namespaces/fields/fedledger/Sequence": b"2"})}
    codes = await chain.commit(chain.transaction(other), chain.transaction(meddling))
    assert [Codes.INVALID_CHAINCODE, Codes.ILLEGAL_WRITESET] == codes


def tamper(envelope, signer, change):
    """Change a transaction's payload and sign it again."""
    payload = p.common.Payload.FromString(envelope.payload)
    change(payload)
    envelope.payload = payload.SerializeToString()
    envelope.signature = signer.sign(envelope.payload)
    return envelope


def with_header(**fields):
    def change(payload):
        header = p.common.ChannelHeader.FromString(payload.header.channel_header)
        for name, value in fields.items():
            setattr(header, name, value)
        payload.header.channel_header = header.SerializeToString()

    return change


def empty_transaction(payload):
    payload.data = p.transaction.Transaction().SerializeToString()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (with_header(tx_id="00"), Codes.BAD_PROPOSAL_TXID),
        (with_header(type=99), Codes.BAD_COMMON_HEADER),
        (with_header(epoch=1), Codes.BAD_COMMON_HEADER),
        (with_header(type=int(p.common.CONFIG_UPDATE)), Codes.UNSUPPORTED_TX_PAYLOAD),
        (with_header(extension=b"\xff"), Codes.INVALID_ENDORSER_TRANSACTION),
        (with_header(channel_id="another"), Codes.INVALID_ENDORSER_TRANSACTION),
        (empty_transaction, Codes.INVALID_ENDORSER_TRANSACTION),
    ],
    ids=["id", "type", "epoch", "config update", "extension", "channel", "no action"],
)
async def test_a_transaction_changed_after_endorsement_gets_fabrics_code(chain, change, code):
    signer = user(chain.run, "hospital-a")
    assert await chain.commit(tamper(chain.transaction(puts(a=b"1")), signer, change)) == [code]
    assert get(chain, "a") is None


async def test_bytes_that_are_no_transaction_get_a_code_and_stop_nothing(chain):
    unsigned = chain.transaction(puts(a=b"1"))
    unsigned.signature = b"x"
    stranger = chain.transaction(puts(a=b"2"))
    stranger.signature = user(chain.run, "hospital-b").sign(stranger.payload)
    codes = await chain.commit(b"\xff\xff", p.common.Envelope(), unsigned, stranger, chain.transaction(puts(a=b"3")))
    assert [
        Codes.BAD_PAYLOAD,
        Codes.BAD_PAYLOAD,
        Codes.BAD_CREATOR_SIGNATURE,
        Codes.BAD_CREATOR_SIGNATURE,
        Codes.VALID,
    ] == codes
    assert get(chain, "a") == b"3"


async def test_the_commit_hash_runs_from_the_first_block(chain):
    await chain.commit(chain.transaction(puts(a=b"1", b=b"2")))
    blocks = [chain.store.block(n) for n in range(3)]
    first, second = (p.common.Metadata.FromString(b.metadata.metadata[COMMIT_HASH]).value for b in blocks[1:])
    writes = {("fedledger", "a"): (b"1", (2, 0)), ("fedledger", "b"): (b"2", (2, 0))}
    assert commit_hash(b"\x00", update_bytes(writes), first) == second
    assert blocks[0].metadata.metadata[COMMIT_HASH] == b""


async def test_a_peer_that_starts_again_goes_on_with_the_same_hashes(chain):
    again = Chain.start(chain.consortium, chain.run)
    transaction = chain.transaction(puts(a=b"1"))
    block = chain.block([transaction.SerializeToString()])
    copy = p.common.Block.FromString(block.SerializeToString())
    await chain.committer.commit(block)
    other = Store(chain.run / "data" / "other.db")
    other.close()
    again.store.close()
    reopened = Chain.start(chain.consortium, chain.run)
    assert reopened.store.block(2) == chain.store.block(2)
    assert copy.header == block.header


@pytest.mark.parametrize("fault", ["number", "previous", "data", "signature", "consenter", "unsigned", "peer"])
async def test_a_block_that_does_not_follow_or_is_not_signed_is_refused(chain, fault):
    number = chain.store.height + (fault == "number")
    previous = b"x" * 32 if fault == "previous" else chain.store.last_hash
    block = new_block(number, previous, [chain.transaction(puts(a=b"1")).SerializeToString()])
    signer = peer(chain.run, "hospital-a") if fault == "peer" else chain.orderer
    if fault != "unsigned":
        sign_block(block, signer, 2 if fault == "consenter" else 1, 0)
    if fault == "data":
        block.data.data[0] += b"x"
    if fault == "signature":
        block.header.data_hash = hashlib.sha256(b"other").digest()
        block.data.data[0] = b"other"
    with pytest.raises(BlockError):
        await chain.committer.commit(block)
    assert chain.store.height == 2


@pytest.fixture
async def raft(consortium, run):
    """A chain whose orderers agree by Raft: a block has the signature of one of them."""
    chain = Chain.start(consortium.model_copy(update={"ordering": "raft"}), run)
    await chain.define()
    return chain


async def test_one_orderers_signature_makes_a_block_of_a_raft_channel(raft):
    assert await raft.commit(raft.transaction(puts(a=b"1"))) == [Codes.VALID]
    signatures = p.common.Metadata.FromString(raft.store.block(2).metadata.metadata[SIGNATURES]).signatures
    assert [p.common.SignatureHeader.FromString(s.signature_header).creator for s in signatures] == [
        raft.orderer.serialized
    ]
    raft.store.close()
    assert Chain.start(raft.consortium, raft.run).store.height == 3


@pytest.mark.parametrize("who", ["the orderers' admin", "a peer", "nobody named"])
async def test_nobody_but_an_orderer_signs_a_block_of_a_raft_channel(raft, who):
    signers = {"the orderers' admin": user(raft.run, "orderer", "admin"), "a peer": peer(raft.run, "hospital-a")}
    block = new_block(2, raft.store.last_hash, [raft.transaction(puts(a=b"1")).SerializeToString()])
    sign_block(block, signers.get(who, raft.orderer), 1 if who == "nobody named" else None, 0)
    with pytest.raises(BlockError, match="'Writers' sub-policies"):
        await raft.committer.commit(block)
    assert raft.store.height == 2


async def test_whoever_waits_for_a_transaction_is_told_once(chain):
    envelope = chain.transaction(puts(a=b"1"))
    header = p.common.Payload.FromString(envelope.payload).header.channel_header
    txid = p.common.ChannelHeader.FromString(header).tx_id
    waiting = asyncio.create_task(chain.committer.wait_for_transaction(txid))
    cancelled = asyncio.create_task(chain.committer.wait_for_transaction(txid))
    await asyncio.sleep(0)
    cancelled.cancel()
    await chain.commit(envelope)
    assert (await waiting).code == Codes.VALID
    assert (await chain.committer.wait_for_transaction(txid)).number == 2
    assert not chain.committer._waiting


async def test_the_chain_of_hashes_holds(chain):
    await chain.commit(chain.transaction(puts(a=b"1")))
    blocks = [chain.store.block(n) for n in range(3)]
    assert [b"", *map(block_hash, (b.header for b in blocks[:2]))] == [b.header.previous_hash for b in blocks]


async def test_a_block_that_could_not_be_written_is_committed_later_as_if_nothing_had_been(chain, monkeypatch):
    block = chain.block([chain.transaction(puts(a=b"1")).SerializeToString()])
    again = p.common.Block.FromString(block.SerializeToString())
    append = chain.store.append

    def full(*_):
        raise NetworkError("FL1070", "the ledger cannot be written: disk is full")

    monkeypatch.setattr(chain.store, "append", full)
    before = chain.committer._commit_hash
    with pytest.raises(NetworkError):
        await chain.committer.commit(block)
    assert (before, 2, None) == (chain.committer._commit_hash, chain.store.height, get(chain, "a"))
    monkeypatch.setattr(chain.store, "append", append)
    await chain.committer.commit(again)
    assert (b"1", 3) == (get(chain, "a"), chain.store.height)


async def test_an_id_has_one_effect_even_where_a_transaction_reads_and_writes_nothing(chain):
    envelope = chain.transaction({})
    assert await chain.commit(envelope, envelope) == [Codes.VALID, Codes.DUPLICATE_TXID]
