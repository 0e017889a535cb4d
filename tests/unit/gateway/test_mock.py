"""The gateway in memory, as the tests of other programs use it."""

import asyncio

import pytest

from gateway import Identity, MockRefusal, MockTransport, RetryPolicy, Signer, ValidationCode, connect
from gateway.errors import CommitError, CommitStatusError, EndorseError, EvaluateError, StatusCode, TransportError

DOWN = TransportError(StatusCode.UNAVAILABLE, "down")
POLICY = RetryPolicy(first_delay=0.001, longest_delay=0.002, ask_deadline=0.05)


class Counter:
    """A chaincode that counts."""

    def __init__(self):
        self.total = 0

    def __call__(self, call):
        if call.function == "Refuse":
            raise MockRefusal("FL0203: round 7 is closed")
        if call.kind == "submit":
            self.total += int(call.arguments[0])
            call.announce("Added", call.arguments[0])
        return str(self.total).encode()


@pytest.fixture
def mock():
    return MockTransport(Counter())


@pytest.fixture
async def network(mock):
    signer = Signer(sign=lambda _: b"signature")
    async with connect(mock, Identity("OrgMSP", b"certificate"), signer, retry=POLICY) as gateway:
        yield gateway.network("channel")


@pytest.fixture
def contract(network):
    return network.contract("counter")


async def test_a_function_plays_the_chaincode(contract, mock):
    assert await contract.submit("Add", "3", transient={"k": b"v"}, endorsing_organizations=["A"]) == b"3"
    assert await contract.evaluate("Get") == b"3"
    call = mock.calls[0]
    assert ("submit", "channel", "counter", "Add", (b"3",)) == (
        call.kind,
        call.channel,
        call.chaincode,
        call.function,
        call.arguments,
    )
    assert ({"k": b"v"}, ("A",), "OrgMSP", b"certificate") == (
        call.transient,
        call.organizations,
        call.msp_id,
        call.certificate,
    )


async def test_a_refusal_carries_its_code(contract):
    with pytest.raises(EndorseError) as caught:
        await contract.submit("Refuse")
    assert ("FL0203", StatusCode.ABORTED) == (caught.value.chaincode_code, caught.value.code)
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate("Refuse")
    assert "FL0203" == caught.value.chaincode_code


async def test_events_follow_valid_transactions_and_survive_a_cut(network, contract, mock):
    async with network.chaincode_events("counter") as events:
        await contract.submit("Add", "1")
        first = await asyncio.wait_for(anext(events), 5)
        await mock.cut()
        mock.invalidate(ValidationCode.ENDORSEMENT_POLICY_FAILURE)
        with pytest.raises(CommitError):
            await contract.submit("Add", "2")
        await contract.submit("Add", "3")
        second = await asyncio.wait_for(anext(events), 5)
    assert [(1, "Added", b"1"), (3, "Added", b"3")] == [
        (event.block_number, event.name, event.payload) for event in (first, second)
    ]


async def test_blocks_carry_their_validation_codes(network, contract, mock):
    mock.invalidate(ValidationCode.MVCC_READ_CONFLICT)
    await contract.submit("Add", "1")
    async with network.filtered_block_events(start_block=1) as blocks:
        found = [(await asyncio.wait_for(anext(blocks), 5)).filtered_transactions[0] for _ in range(2)]
    assert [11, 0] == [transaction.tx_validation_code for transaction in found]
    assert [call.transaction_id for call in mock.calls] == [transaction.txid for transaction in found]
    async with network.block_events(start_block=2) as blocks:
        assert 2 == (await asyncio.wait_for(anext(blocks), 5)).header.number


async def test_calls_can_be_made_to_fail_before_or_after_their_work(contract, mock):
    mock.fail("Submit", DOWN, after=True)
    assert await contract.submit("Add", "1") == b"1"
    mock.fail("Endorse", DOWN, DOWN)
    assert await contract.submit("Add", "1") == b"2"
    mock.fail("Submit", DOWN)
    assert await contract.submit("Add", "1") == b"3"


async def test_the_status_of_a_transaction_nobody_sent_times_out(contract):
    transaction = await contract.proposal("Add", "1").endorse()
    with pytest.raises(CommitStatusError) as caught:
        await transaction.commit().status(deadline=0.05)
    assert StatusCode.DEADLINE_EXCEEDED is caught.value.code


async def test_an_envelope_sent_twice_has_one_effect(contract, mock):
    transaction = await (await contract.proposal("Add", "1").endorse()).signed()
    await transaction.submit()
    commit = await transaction.submit()
    status = await commit.status()
    assert (ValidationCode.VALID, 1) == (status.code, status.block_number)
