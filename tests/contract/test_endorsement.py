"""Endorsement: who must agree, what must be the same, and how a contract's refusal comes back."""

import asyncio

import pytest

from gateway import Contract, Gateway, Signer, ValidationCode
from gateway.errors import EndorseError, EvaluateError, StatusCode
from tests.contract.harness.ledger import Ledger
from tests.contract.harness.wire import Endorsed, flipped


async def code_of(endorsed: Endorsed, gateway: Gateway) -> ValidationCode:
    commit = await endorsed.transaction(gateway).submit()
    return (await commit.status()).code


async def endorsed_put(ledger: Ledger, gateway: Gateway, key: str, organisations: list[str] | None = None) -> Endorsed:
    proposal = ledger.contract_of(gateway).proposal("Put", key, "value", endorsing_organizations=organisations)
    return Endorsed.of(await proposal.endorse())


async def test_an_organisations_own_process_answers_at_its_own_peer(ledger: Ledger):
    answers = []
    for member in ledger.members:
        async with ledger.contract(member) as contract:
            answers.append((await contract.evaluate("ProcessMSP")).decode())
    assert answers == ledger.msp_ids


async def test_a_named_organisations_process_answers_through_another_gateway(ledger: Ledger, contract: Contract):
    answers = [(await contract.evaluate("ProcessMSP", endorsing_organizations=[m])).decode() for m in ledger.msp_ids]
    assert answers == ledger.msp_ids


async def test_the_gateway_collects_endorsements_of_a_majority_by_itself(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        endorsed = await endorsed_put(ledger, gateway, key)
        assert len(set(endorsed.endorsers)) == len(endorsed.endorsers) == ledger.threshold
        assert set(endorsed.endorsers) <= set(ledger.msp_ids)
        assert await code_of(endorsed, gateway) is ValidationCode.VALID


async def test_any_majority_that_the_client_names_endorses(ledger: Ledger, key: str):
    named = ledger.msp_ids[1 : 1 + ledger.threshold]
    async with ledger.gateway() as gateway:
        endorsed = await endorsed_put(ledger, gateway, key, named)
        assert sorted(endorsed.endorsers) == named
        assert await code_of(endorsed, gateway) is ValidationCode.VALID


async def test_endorsement_by_too_few_organisations_is_invalid_and_writes_nothing(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        endorsed = await endorsed_put(ledger, gateway, key, ledger.msp_ids[: ledger.threshold - 1])
        assert await code_of(endorsed, gateway) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        assert await ledger.contract_of(gateway).evaluate("Get", key) == b""


async def test_an_organisation_that_endorses_twice_counts_once(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        endorsed = await endorsed_put(ledger, gateway, key)
        few = endorsed.endorsements[: ledger.threshold - 1]
        assert await code_of(endorsed.with_endorsements([*few, few[0]]), gateway) is (
            ValidationCode.ENDORSEMENT_POLICY_FAILURE
        )


async def test_a_clients_signature_is_no_endorsement(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        endorsed = await endorsed_put(ledger, gateway, key)
        client = ledger.user("hospital-d")
        forged = endorsed.endorsed_by(client.cert_pem, client.msp_id, Signer.from_pem(client.key_pem))
        few = [e for e in endorsed.endorsements if b"HospitalDMSP" not in e.endorser][: ledger.threshold - 1]
        assert await code_of(endorsed.with_endorsements([*few, forged]), gateway) is (
            ValidationCode.ENDORSEMENT_POLICY_FAILURE
        )


async def test_a_forged_endorsement_signature_does_not_count(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        endorsed = await endorsed_put(ledger, gateway, key)
        *few, last = endorsed.endorsements
        last.signature = flipped(last.signature)
        assert await code_of(endorsed.with_endorsements([*few, last]), gateway) is (
            ValidationCode.ENDORSEMENT_POLICY_FAILURE
        )


async def test_a_result_changed_after_endorsement_is_invalid(ledger: Ledger, key: str):
    async with ledger.gateway() as gateway:
        endorsed = await endorsed_put(ledger, gateway, key)
        forged = endorsed.with_written(ledger.consortium.chaincode.name, b"forged")
        assert await code_of(forged, gateway) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
        assert await ledger.contract_of(gateway).evaluate("Get", key) == b""


@pytest.mark.parametrize("function", ["PutRandom", "PutProcessMSP"])
async def test_processes_that_disagree_give_no_transaction(contract: Contract, key: str, function: str):
    with pytest.raises(EndorseError) as caught:
        await contract.submit(function, key, retry=False)
    assert caught.value.code is StatusCode.ABORTED
    assert any("ProposalResponsePayloads do not match" in text for text in [caught.value.message, *texts(caught.value)])
    assert await contract.evaluate("Get", key) == b""


async def test_an_organisation_without_the_blob_stops_nobody_where_the_others_suffice(
    ledger: Ledger, contract: Contract, key: str
):
    holders = ledger.msp_ids[: ledger.threshold]
    await contract.submit("PutIfProcessOf", key, *holders)
    assert await contract.evaluate("Get", key) == b"held"


async def test_a_client_whose_own_organisation_refuses_names_the_others(ledger: Ledger, key: str):
    holders = ledger.msp_ids[: ledger.threshold]
    async with ledger.contract("hospital-d") as contract:
        with pytest.raises(EndorseError) as caught:
            await contract.submit("PutIfProcessOf", key, *holders, retry=False)
        assert caught.value.chaincode_code == "FL0902"
        assert {detail.msp_id for detail in caught.value.details} == {"HospitalDMSP"}
        await contract.submit("PutIfProcessOf", key, *holders, endorsing_organizations=holders)
        assert await contract.evaluate("Get", key) == b"held"


async def test_where_too_few_organisations_hold_the_blob_nothing_is_endorsed(
    ledger: Ledger, contract: Contract, key: str
):
    holders = ledger.msp_ids[: ledger.threshold - 1]
    with pytest.raises(EndorseError) as caught:
        await contract.submit("PutIfProcessOf", key, *holders, retry=False)
    assert caught.value.chaincode_code == "FL0902"
    assert {detail.msp_id for detail in caught.value.details} <= set(ledger.msp_ids) - set(holders)
    assert all("does not hold the blob" in text for text in texts(caught.value))


async def test_a_contracts_code_reaches_the_client_from_a_submit(ledger: Ledger, contract: Contract):
    with pytest.raises(EndorseError) as caught:
        await contract.submit("Fail", "FL0203", "round 7 is closed", retry=False)
    error = caught.value
    assert (error.chaincode_code, error.code) == ("FL0203", StatusCode.ABORTED)
    address, _ = ledger.user().peers[0]
    assert [(d.address, d.msp_id, d.message) for d in error.details] == [
        (address, "HospitalAMSP", "chaincode response 500, FL0203: round 7 is closed")
    ]


async def test_a_contracts_code_reaches_the_client_from_an_evaluation(ledger: Ledger, contract: Contract):
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate("Fail", "FL0203", "round 7 is closed", retry=False)
    error = caught.value
    assert (error.chaincode_code, error.code) == ("FL0203", StatusCode.UNKNOWN)
    assert [(d.msp_id, d.message) for d in error.details] == [
        ("HospitalAMSP", "chaincode response 500, FL0203: round 7 is closed")
    ]


@pytest.mark.parametrize("status", ["400", "404", "500"])
async def test_a_status_from_400_is_not_endorsed(contract: Contract, status: str):
    with pytest.raises(EndorseError) as caught:
        await contract.submit("Status", status, "no", retry=False)
    assert texts(caught.value) == [f"chaincode response {status}, no"]


async def test_a_status_below_400_is_endorsed(contract: Contract):
    assert await contract.submit("Status", "399", "odd but fine") == b"status"


async def test_a_panic_fails_its_transaction_and_the_process_lives_on(ledger: Ledger, contract: Contract, key: str):
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate("Panic", "no such round", retry=False)
    assert "the contract panicked: no such round" in str(caught.value)
    assert await contract.submit("Put", key, "alive", endorsing_organizations=ledger.msp_ids) == b"alive"


async def test_a_goroutine_left_behind_harms_no_later_transaction(contract: Contract, key: str):
    await contract.submit("Put", key, "value")
    for _ in range(5):
        assert await contract.evaluate("LeaveAGoroutine", key) == b"left"
        assert await contract.evaluate("Get", key) == b"value"


async def test_slow_transactions_run_side_by_side(contract: Contract, key: str):
    await contract.submit("Put", key, "seen")
    waiting = [asyncio.create_task(contract.evaluate("ReadWait", key, key)) for _ in range(8)]
    await asyncio.sleep(0.5)
    assert not any(task.done() for task in waiting)
    await contract.evaluate("Release", key)
    assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [b"seen"] * 8


async def test_an_unknown_chaincode_is_a_clear_error(ledger: Ledger):
    async with ledger.gateway() as gateway:
        unknown = gateway.network(ledger.consortium.channel).contract("nosuch")
        with pytest.raises(EvaluateError) as evaluated:
            await unknown.evaluate("Get", "key", retry=False)
        with pytest.raises(EndorseError) as endorsed:
            await unknown.submit("Put", "key", "value", retry=False)
        with pytest.raises(EndorseError) as named:
            await unknown.submit("Put", "key", "value", endorsing_organizations=ledger.msp_ids, retry=False)
    assert ("nosuch" in str(evaluated.value), evaluated.value.code) == (True, StatusCode.FAILED_PRECONDITION)
    assert ("nosuch" in str(endorsed.value), endorsed.value.code) == (True, StatusCode.FAILED_PRECONDITION)
    assert named.value.code is StatusCode.UNAVAILABLE


async def test_an_unknown_channel_is_a_clear_error(ledger: Ledger):
    async with ledger.gateway() as gateway:
        unknown = gateway.network("nosuchchannel").contract(ledger.consortium.chaincode.name)
        with pytest.raises(EvaluateError) as caught:
            await unknown.evaluate("Get", "key", retry=False)
        with pytest.raises(EndorseError) as endorsed:
            await unknown.submit("Put", "key", "value", retry=False)
    assert ("nosuchchannel" in str(caught.value), caught.value.code) == (True, StatusCode.UNAVAILABLE)
    assert endorsed.value.code is StatusCode.FAILED_PRECONDITION


def texts(error: EndorseError | EvaluateError) -> list[str]:
    return [detail.message for detail in error.details]
