"""Transactions: exactly one effect each, whoever repeats, tampers with or forges them."""

import asyncio
import hashlib
import json
from contextlib import suppress

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway import Contract, Signer, ValidationCode
from gateway.errors import CommitStatusError, EndorseError, StatusCode, SubmitError
from tests.contract.harness.ledger import Ledger, endorse, refusals
from tests.contract.harness.wire import Endorsed, Proposed, flipped, high_s


async def test_the_same_envelope_sent_twice_has_exactly_one_effect(contract: Contract, key: str):
    transaction = await (await endorse(contract, "Increment", key)).signed()
    commit = await transaction.submit()
    again = asyncio.create_task(transaction.submit())
    assert (await commit.status()).code is ValidationCode.VALID
    for repeated in (again, transaction.submit()):
        with suppress(SubmitError):  # an orderer may say that it knows the request
            await repeated
    await contract.submit("Put", key + "later", "value")
    assert (await transaction.commit().status()).code is ValidationCode.VALID
    assert await contract.evaluate("Get", key) == b"1"


async def test_a_transaction_id_in_two_envelopes_has_exactly_one_effect(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        proposal = contract.proposal("Increment", key)
        first = await proposal.endorse()
        second = await proposal.endorse()
        assert (await (await first.submit()).status()).code is ValidationCode.VALID
        with suppress(SubmitError):  # an orderer may say that it knows the request
            await second.submit()
        await contract.submit("Put", key + "later", "value")
        assert (await second.commit().status()).code is ValidationCode.VALID  # the peer answers for the first
        assert await contract.evaluate("Get", key) == b"1"
        with pytest.raises(EndorseError) as caught:
            await proposal.endorse()
        assert "duplicate transaction found" in str(caught.value)


async def test_a_transaction_id_that_is_no_hash_of_nonce_and_creator_is_refused(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        proposed = Proposed.of(ledger.contract_of(gateway).proposal("Put", key, "value"))
        forged = hashlib.sha256(b"forged").hexdigest()
        proposed.channel_header.tx_id = proposed.message.transaction_id = forged
        with pytest.raises(EndorseError):
            await proposed.put_together(gateway).endorse()


@pytest.mark.parametrize("offset", [-300, 300], ids=["five-minutes-late", "five-minutes-early"])
async def test_a_proposal_outside_the_time_window_is_refused(ledger: Ledger, key: str, offset: int):
    async with ledger.gateway() as gateway:
        proposed = Proposed.of(ledger.contract_of(gateway).proposal("Put", key, "value"))
        seconds = proposed.channel_header.timestamp.seconds + offset
        proposed.channel_header.timestamp.CopyFrom(Timestamp(seconds=seconds))
        with pytest.raises(EndorseError) as caught:
            await proposed.put_together(gateway).endorse()
        assert "timestamp" in str(caught.value)


async def test_a_proposal_with_a_wrong_signature_is_refused(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        proposal = ledger.contract_of(gateway).proposal("Put", key, "value")
        signature = Signer.from_pem(ledger.user().key_pem).sign(proposal.digest)
        with pytest.raises(EndorseError) as caught:
            await proposal.with_signature(flipped(signature)).endorse()
        assert caught.value.chaincode_code is None
        assert (await proposal.endorse()).transaction_id == proposal.transaction_id


async def test_a_proposal_with_the_high_form_of_a_signature_is_refused(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        proposal = ledger.contract_of(gateway).proposal("Put", key, "value")
        signature = Signer.from_pem(ledger.user().key_pem).sign(proposal.digest)
        with pytest.raises(EndorseError):
            await proposal.with_signature(high_s(signature)).endorse()


async def test_a_transaction_with_a_wrong_signature_is_refused_by_the_orderers(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        transaction = await contract.proposal("Put", key, "value").endorse()
        signature = Signer.from_pem(ledger.user().key_pem).sign(transaction.digest)
        for wrong in (flipped(signature), high_s(signature)):
            with pytest.raises(SubmitError) as caught:
                await transaction.with_signature(wrong).submit()
            assert all("FORBIDDEN" in said for said in refusals(caught.value))
        assert await contract.evaluate("Get", key) == b""


async def test_a_transaction_signed_by_another_client_than_its_creator_is_refused(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        transaction = await ledger.contract_of(gateway).proposal("Put", key, "value").endorse()
        other = Signer.from_pem(ledger.user("hospital-b").key_pem)
        with pytest.raises(SubmitError):
            await transaction.with_signature(other.sign(transaction.digest)).submit()


async def test_stages_signed_elsewhere_go_through(ledger: Ledger, key: str):
    signer = Signer.from_pem(ledger.user().key_pem)
    async with ledger.gateway() as gateway:
        proposal = ledger.contract_of(gateway).proposal("Put", key, "signed elsewhere")
        signed = gateway.new_signed_proposal(proposal.bytes, signer.sign(proposal.digest))
        transaction = await signed.endorse()
        commit = await gateway.new_signed_transaction(transaction.bytes, signer.sign(transaction.digest)).submit()
        status = await gateway.new_signed_commit(commit.bytes, signer.sign(commit.digest)).status()
        assert (status.transaction_id, status.code) == (proposal.transaction_id, ValidationCode.VALID)
        assert await ledger.contract_of(gateway).evaluate("Get", key) == b"signed elsewhere"


async def test_the_status_of_an_unknown_transaction_waits_until_the_deadline(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        transaction = await ledger.contract_of(gateway).proposal("Put", key, "never sent").endorse()
        with pytest.raises(CommitStatusError) as caught:
            await transaction.commit().status(deadline=0.5)
        # The peer's clock may tell the deadline first, and then it ends the call.
        assert caught.value.code in {StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED}


async def test_the_status_names_the_block(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        first = await (await contract.submit_async("Put", key, "1")).status()
        second = await (await contract.submit_async("Put", key, "2")).status()
        assert second.block_number > first.block_number > 0


async def test_the_contract_sees_its_proposal_as_it_was_signed(ledger: Ledger):
    async with ledger.gateway() as gateway:
        proposal = ledger.contract_of(gateway).proposal("Proposal")
        proposed = Proposed.of(proposal)
        facts = json.loads(await proposal.evaluate())
        header = proposed.signature_header
        assert facts == {
            "txid": proposal.transaction_id,
            "channel": ledger.consortium.channel,
            "binding": hashlib.sha256(header.nonce + header.creator + bytes(8)).hexdigest(),
            "seconds": proposed.channel_header.timestamp.seconds,
            "nanos": proposed.channel_header.timestamp.nanos,
            "proposal": proposal.digest.hex(),
        }


async def test_every_process_sees_the_clients_time(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        proposal = contract.proposal("PutTime", key, endorsing_organizations=ledger.msp_ids)
        stamp = Proposed.of(proposal).channel_header.timestamp
        transaction = await proposal.endorse()
        assert transaction.result == str(stamp.seconds * 1000 + stamp.nanos // 1_000_000).encode()


async def test_transient_data_reaches_every_process_and_not_the_transaction(ledger: Ledger, key: str):
    secret = b"transient-" + key.encode()
    async with ledger.gateway() as gateway:
        contract = ledger.contract_of(gateway)
        assert await contract.evaluate("Transient", "secret", transient={"secret": secret}) == secret
        proposal = contract.proposal(
            "PutDigestOf", "secret", key, transient={"secret": secret}, endorsing_organizations=ledger.msp_ids
        )
        transaction = await proposal.endorse()
        assert transaction.result == hashlib.sha256(secret).hexdigest().encode()
        assert secret in proposal.bytes
        assert secret not in transaction.bytes
        assert Endorsed.of(transaction).proposal_hash == _hash_without_transient(transaction)


def _hash_without_transient(transaction: object) -> bytes:
    endorsed = Endorsed.of(transaction)  # type: ignore[arg-type]
    headers = endorsed.header.channel_header + endorsed.header.signature_header
    payload: bytes = endorsed.action.chaincode_proposal_payload
    return hashlib.sha256(headers + payload).digest()
