"""Calls of other chaincodes within a transaction."""

import pytest
from fabric_protos.common import ledger_pb2

from gateway import Contract
from gateway.errors import EvaluateError
from tests.contract.harness.ledger import Ledger


async def test_a_contract_asks_a_system_chaincode(ledger: Ledger, contract: Contract, key: str):
    await contract.submit("Put", key, "value")
    raw = await contract.evaluate("Call", "qscc", "", "GetChainInfo", ledger.consortium.channel)
    assert ledger_pb2.BlockchainInfo.FromString(raw).height > 2


async def test_a_contract_cannot_call_itself(ledger: Ledger, contract: Contract, key: str):
    with pytest.raises(EvaluateError, match="exists"):
        await contract.evaluate("Call", ledger.consortium.chaincode.name, "", "Get", key)


async def test_a_chaincode_that_is_not_there_is_refused(contract: Contract, key: str):
    with pytest.raises(EvaluateError, match=r"INVOKE_CHAINCODE failed.*absent"):
        await contract.evaluate("Call", "absent", "", "Get", key)


async def test_a_channel_that_is_not_there_is_refused(ledger: Ledger, contract: Contract, key: str):
    with pytest.raises(EvaluateError, match="INVOKE_CHAINCODE failed"):
        await contract.evaluate("Call", ledger.consortium.chaincode.name, "elsewhere", "Get", key)
