"""Transactions that no honest client makes, brought past the orderers: every peer marks them with the same code."""

import asyncio
import hashlib
from collections.abc import Callable

import pytest

from gateway import Commit, Gateway, Signer, Transaction, ValidationCode
from network.folders import folder_of
from tests.contract.harness.blocks import block_of, transactions
from tests.contract.harness.ledger import Ledger, endorse
from tests.contract.harness.wire import Endorsed

Forge = Callable[[Endorsed], Endorsed]


async def recorded_code(ledger: Ledger, gateway: Gateway, endorsed: Endorsed) -> ValidationCode:
    """Submit, and return the code in the block that every peer wrote."""
    transaction = endorsed.transaction(gateway)
    await transaction.submit()
    return await code_everywhere(ledger, transaction)


async def code_everywhere(ledger: Ledger, transaction: Transaction) -> ValidationCode:
    """The code of a submitted transaction at three peers."""
    status = await transaction.commit().status()
    for organisation in ("hospital-a", "hospital-d", "regulator"):
        async with ledger.gateway(organisation) as other:
            block = await block_of(other, ledger.consortium.channel, status.block_number)
        (code,) = [t.code for t in transactions(block) if t.transaction_id == transaction.transaction_id]
        assert code is status.code
    return status.code


def other_arguments(endorsed: Endorsed) -> Endorsed:
    return endorsed.with_arguments(b"Put", b"other", b"value")


def other_id(endorsed: Endorsed) -> Endorsed:
    return endorsed.with_id(hashlib.sha256(endorsed.transaction_id.encode()).hexdigest())


def no_endorsements(endorsed: Endorsed) -> Endorsed:
    return endorsed.with_endorsements([])


def nonsense_endorsers(endorsed: Endorsed) -> Endorsed:
    for endorsement in endorsed.endorsements:
        endorsement.endorser = b"nobody"
    return endorsed.with_endorsements(endorsed.endorsements)


@pytest.mark.parametrize(
    ("forge", "expected"),
    [
        (other_arguments, ValidationCode.INVALID_ENDORSER_TRANSACTION),
        (other_id, ValidationCode.BAD_PROPOSAL_TXID),
        (no_endorsements, ValidationCode.ENDORSEMENT_POLICY_FAILURE),
        (nonsense_endorsers, ValidationCode.ENDORSEMENT_POLICY_FAILURE),
    ],
)
async def test_a_forged_transaction_has_the_code_that_says_why(
    ledger: Ledger, key: str, forge: Forge, expected: ValidationCode
):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        endorsed = Endorsed.of(await contract.proposal("Put", key, "value").endorse())
        assert await recorded_code(ledger, gateway, forge(endorsed)) is expected
        assert await contract.evaluate("Get", key) == b""


async def test_a_transaction_with_two_actions_is_invalid(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        transaction = await ledger.contract_of(gateway).proposal("Put", key, "value").endorse()
        signer = Signer.from_pem(ledger.user().key_pem)
        await Endorsed.of(transaction).submit_as_it_is(ledger.endpoint(), signer, actions=2)
        assert await code_everywhere(ledger, transaction) is ValidationCode.INVALID_ENDORSER_TRANSACTION


async def test_what_a_majority_of_peers_signs_is_valid_whatever_a_process_said(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        endorsed = Endorsed.of(await contract.proposal("Put", key, "value").endorse())
        agreed = endorsed.with_written(ledger.consortium.chaincode.name, b"agreed")
        signed = [agreed.endorsed_by(*_peer(ledger, member)) for member in ledger.members[: ledger.threshold]]
        assert await recorded_code(ledger, gateway, agreed.with_endorsements(signed)) is ValidationCode.VALID
        assert await contract.evaluate("Get", key) == b"agreed"


def _peer(ledger: Ledger, member: str) -> tuple[bytes, str, Signer]:
    msp = folder_of(ledger.run, member).peer() / "msp"
    signer = Signer.from_pem((msp / "keystore/key.pem").read_bytes())
    return (msp / "signcerts/cert.pem").read_bytes(), ledger.consortium.organisation(member).msp_id, signer


async def test_of_several_conflicts_the_reads_are_told_before_the_ranges(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        stale = await endorse(contract, "CountThenIncrement", key, key + "~", key + "~count")
        await contract.submit("Put", key + "new", "value")
        await contract.submit("Put", key + "~count", "7")
        assert await recorded_code(ledger, gateway, Endorsed.of(stale)) is ValidationCode.MVCC_READ_CONFLICT


async def test_a_key_deleted_in_the_same_block_conflicts_with_its_readers(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        for attempt in range(20):  # until the orderers put the three into one block in this order
            block = await deleted_and_read(ledger, gateway, f"{key}{attempt}")
            if block == ["Delete", "Increment", "CountInto"]:
                return
    pytest.fail("the three transactions never came into one block in their order")


async def deleted_and_read(ledger: Ledger, gateway: Gateway, key: str) -> list[str]:
    """Delete, read and count a key at once; return what came into the deletion's block, whose codes are checked."""
    contract = ledger.contract_of(gateway)
    await contract.submit("Put", key, "1")
    deleting = await contract.proposal("Delete", key).endorse()
    reading = await endorse(contract, "Increment", key)
    counting = await endorse(contract, "CountInto", key, key + "~", key + "~count")
    commits = await asyncio.gather(deleting.submit(), _later(reading, 0.005), _later(counting, 0.01))
    statuses = [await commit.status() for commit in commits]
    block = await block_of(gateway, ledger.consortium.channel, statuses[0].block_number)
    names = dict(zip([s.transaction_id for s in statuses], ["Delete", "Increment", "CountInto"], strict=True))
    order = [names[t.transaction_id] for t in transactions(block) if t.transaction_id in names]
    if order == list(names.values()):
        assert [status.code for status in statuses] == [
            ValidationCode.VALID,
            ValidationCode.MVCC_READ_CONFLICT,
            ValidationCode.PHANTOM_READ_CONFLICT,
        ]
    return order


async def _later(transaction: Transaction, seconds: float) -> Commit:
    await asyncio.sleep(seconds)
    return await transaction.submit()


async def test_sixty_four_writes_at_once_each_commit_exactly_once(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        commits = await asyncio.gather(*(contract.submit_async("Put", f"{key}{n}", str(n)) for n in range(64)))
        statuses = await asyncio.gather(*(commit.status() for commit in commits))
        assert {status.code for status in statuses} == {ValidationCode.VALID}
        numbers = sorted({status.block_number for status in statuses})
        recorded = [
            transaction.transaction_id
            for number in range(numbers[0], numbers[-1] + 1)
            for transaction in transactions(await block_of(gateway, ledger.consortium.channel, number))
        ]
        ours = [commit.transaction_id for commit in commits]
        assert sorted(t for t in recorded if t in set(ours)) == sorted(ours)
