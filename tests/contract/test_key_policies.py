"""Endorsement policies of single keys, history of keys, and the queries that a state by keys cannot answer."""

import json

import pytest

from gateway import Contract, ValidationCode
from gateway.errors import CommitError, EvaluateError
from network.policy_text import parse_policy
from tests.contract.harness.collections import EVERY
from tests.contract.harness.ledger import Ledger, endorse
from tests.contract.harness.wire import Endorsed

A, B, C, D = (f"Hospital{letter}MSP" for letter in "ABCD")


def policy(text: str) -> str:
    return str(parse_policy(text).SerializeToString().hex())


async def code(contract: Contract, function: str, *arguments: str, by: list[str]) -> ValidationCode:
    """The validation code of a transaction that some organisations endorse."""
    transaction = await endorse(contract, function, *arguments, endorsing_organizations=by)
    await transaction.submit()
    return (await transaction.commit().status()).code


async def test_a_keys_own_policy_takes_the_place_of_the_contracts(contract: Contract, key: str):
    await contract.submit("Put", key, "first")
    assert await contract.evaluate("Policy", key) == b""
    await contract.submit("SetPolicy", key, policy(f"OR('{A}.peer')"))
    assert await contract.evaluate("Policy", key) == policy(f"OR('{A}.peer')").encode()
    assert (
        await code(contract, "Put", key, "by three others", by=[B, C, D]) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    )
    assert await code(contract, "Put", key, "by its owner", by=[A]) is ValidationCode.VALID
    assert await contract.evaluate("Get", key) == b"by its owner"


async def test_the_gateway_asks_those_whom_a_keys_policy_names(ledger: Ledger, contract: Contract, key: str):
    await contract.submit("Put", key, "first")
    everybody = ", ".join(f"'{msp_id}.peer'" for msp_id in ledger.msp_ids)
    await contract.submit("SetPolicy", key, policy(f"AND({everybody})"))
    transaction = await endorse(contract, "Put", key, "second")
    assert sorted(Endorsed.of(transaction).endorsers) == sorted(ledger.msp_ids)
    await transaction.submit()
    assert (await transaction.commit().status()).code is ValidationCode.VALID


async def test_the_gateway_asks_for_both_policies_where_another_key_has_none(contract: Contract, key: str):
    await contract.submit("PutMany", key, "2")
    await contract.submit("SetPolicy", f"{key}0000", policy(f"OR('{D}.peer')"))
    transaction = await endorse(contract, "PutMany", key, "2")
    assert D in Endorsed.of(transaction).endorsers
    assert len(Endorsed.of(transaction).endorsers) >= 3
    await transaction.submit()
    assert (await transaction.commit().status()).code is ValidationCode.VALID


async def test_a_keys_policy_guards_itself_and_ends_with_its_key(contract: Contract, key: str):
    await contract.submit("Put", key, "first")
    await contract.submit("SetPolicy", key, policy(f"AND('{A}.peer', '{D}.peer')"))
    refused = await code(contract, "SetPolicy", key, policy(f"OR('{B}.peer')"), by=[A, B, C])
    assert refused is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    assert await code(contract, "Delete", key, by=[A, B, C]) is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    assert await code(contract, "Delete", key, by=[A, D]) is ValidationCode.VALID
    assert await contract.evaluate("Policy", key) == b""
    assert await code(contract, "Put", key, "again", by=[A, B, C]) is ValidationCode.VALID
    assert await contract.evaluate("Policy", key) == b""


async def test_a_policy_for_a_key_that_is_not_there_is_forgotten(contract: Contract, key: str):
    assert await code(contract, "SetPolicy", key, policy(f"OR('{A}.peer')"), by=[A, B, C]) is ValidationCode.VALID
    assert await contract.evaluate("Policy", key) == b""


async def test_who_read_a_key_whose_policy_changed_conflicts(contract: Contract, key: str):
    await contract.submit("Put", key, "1")
    late = await endorse(contract, "Increment", key)
    await contract.submit("SetPolicy", key, policy(f"OR('{A}.peer')"))
    await late.submit()
    assert (await late.commit().status()).code is ValidationCode.MVCC_READ_CONFLICT


async def test_a_private_key_has_a_policy_of_its_own(contract: Contract, key: str):
    await contract.submit("PutPrivateMany", EVERY, key, "1")
    name = f"{key}0000"
    await contract.submit("SetPrivatePolicy", EVERY, name, policy(f"OR('{B}.peer')"))
    assert await contract.evaluate("PrivatePolicy", EVERY, name) == policy(f"OR('{B}.peer')").encode()
    assert await contract.evaluate("GetPrivate", EVERY, name) == b"0"
    others = await code(contract, "IncrementPrivate", EVERY, name, by=[A, C, D])
    assert others is ValidationCode.ENDORSEMENT_POLICY_FAILURE
    assert await code(contract, "IncrementPrivate", EVERY, name, by=[B]) is ValidationCode.VALID
    assert await contract.evaluate("GetPrivate", EVERY, name) == b"1"


async def test_a_keys_history_is_its_valid_writes_the_newest_first(contract: Contract, key: str):
    done = []
    for value in ("one", "two"):
        transaction = await endorse(contract, "Put", key, value)
        await transaction.submit()
        await transaction.commit().status()
        done.append(transaction.transaction_id)
    with pytest.raises(CommitError):
        await contract.submit("Put", key, "invalid", endorsing_organizations=[A], retry=False)
    await contract.submit("Delete", key)
    await contract.submit("PutMany", key, "1")
    found = json.loads(await contract.evaluate("History", key))
    assert [(c["value"], c["deleted"]) for c in found] == [("", True), ("two", False), ("one", False)]
    assert [c["txid"] for c in found[1:]] == done[::-1]
    assert all(c["seconds"] > 1_700_000_000 for c in found)
    assert json.loads(await contract.evaluate("History", f"{key}absent")) == []


async def test_a_rich_query_is_refused_by_name(contract: Contract):
    for function, arguments in (("RichQuery", ["{}"]), ("RichPrivate", [EVERY, "{}"])):
        with pytest.raises(EvaluateError, match="ExecuteQuery not supported for leveldb"):
            await contract.evaluate(function, *arguments)
