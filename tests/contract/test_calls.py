"""Calls of other chaincodes within a transaction."""

import pytest
from fabric_protos.peer.lifecycle import lifecycle_pb2

from gateway import Contract, ValidationCode
from gateway.errors import EndorseError, EvaluateError
from network.policy_text import parse_policy
from tests.contract.harness.ledger import CALLEE, Ledger, endorse
from tests.contract.harness.wire import Endorsed


@pytest.mark.parametrize("chaincode", ["qscc", "cscc"])
async def test_a_system_chaincode_that_could_wait_for_the_contract_rejects_it(
    ledger: Ledger, contract: Contract, chaincode: str
):
    with pytest.raises(EvaluateError, match=f"Rejecting invoke of {chaincode.upper()} from another chaincode"):
        await contract.evaluate("Call", chaincode, "", "GetChainInfo", ledger.consortium.channel)


async def test_a_contract_asks_for_the_definition_of_another(contract: Contract):
    question = lifecycle_pb2.QueryChaincodeDefinitionArgs(name=CALLEE).SerializeToString().decode()
    raw = await contract.evaluate("Call", "_lifecycle", "", "QueryChaincodeDefinition", question)
    assert lifecycle_pb2.QueryChaincodeDefinitionResult.FromString(raw).sequence == 1


async def test_a_contract_cannot_call_itself(ledger: Ledger, contract: Contract, key: str):
    with pytest.raises(EvaluateError, match="exists"):
        await contract.evaluate("Call", ledger.consortium.chaincode.name, "", "Get", key)


async def test_a_chaincode_that_is_not_there_is_refused(contract: Contract, key: str):
    with pytest.raises(EvaluateError, match=r"INVOKE_CHAINCODE failed.*absent"):
        await contract.evaluate("Call", "absent", "", "Get", key)


async def test_a_channel_that_is_not_there_is_refused(ledger: Ledger, contract: Contract, key: str):
    with pytest.raises(EvaluateError, match="INVOKE_CHAINCODE failed"):
        await contract.evaluate("Call", ledger.consortium.chaincode.name, "elsewhere", "Get", key)


async def test_what_another_contract_writes_belongs_to_it_and_to_the_same_transaction(
    ledger: Ledger, contract: Contract, key: str
):
    assert await contract.submit("CallAndPut", key, "caller's", CALLEE, "", "Put", key, "callee's") == b"callee's"
    assert await contract.evaluate("Get", key) == b"caller's"
    assert await contract.evaluate("Call", CALLEE, "", "Get", key) == b"callee's"
    async with ledger.gateway() as gateway:
        callee = gateway.network(ledger.consortium.channel).contract(CALLEE)
        assert await callee.evaluate("Get", key) == b"callee's"
        transaction = await endorse(contract, "CallAndPut", key, "1", CALLEE, "", "Increment", f"{key}number")
        assert {ledger.consortium.chaincode.name, CALLEE} <= set(Endorsed.of(transaction).namespaces)
        await callee.submit("Put", f"{key}number", "7")
        await transaction.submit()
        assert (await transaction.commit().status()).code is ValidationCode.MVCC_READ_CONFLICT
    assert await contract.evaluate("Get", key) == b"caller's"


async def test_the_called_contracts_keys_have_their_policies(ledger: Ledger, contract: Contract, key: str):
    everybody = ", ".join(f"'{msp_id}.peer'" for msp_id in ledger.msp_ids)
    await contract.submit("Call", CALLEE, "", "Put", key, "first")
    policy = parse_policy(f"AND({everybody})").SerializeToString().hex()
    await contract.submit("Call", CALLEE, "", "SetPolicy", key, policy)
    few = await endorse(
        contract, "CallAndPut", key, "1", CALLEE, "", "Put", key, "2", endorsing_organizations=ledger.msp_ids[:3]
    )
    await few.submit()
    assert (await few.commit().status()).code is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    asked = await endorse(contract, "CallAndPut", key, "1", CALLEE, "", "Put", key, "2")
    assert sorted(Endorsed.of(asked).endorsers) == sorted(ledger.msp_ids)


async def test_a_refusal_of_the_called_contract_reaches_the_caller(contract: Contract, key: str):
    with pytest.raises(EndorseError) as caught:
        await contract.submit("CallAndPut", key, "1", CALLEE, "", "Fail", "FL0203", "round 7 is closed")
    assert "FL0008: 500 FL0203: round 7 is closed" in str(caught.value.details)
    assert await contract.evaluate("Get", key) == b""
