"""What goes wrong is said once, whole, and is not tried again where that is of no use."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway import Contract, Deadlines, Identity
from gateway.errors import EndorseError, EvaluateError, GatewayError, StatusCode, SubmitError
from tests.contract.harness.calls import counted
from tests.contract.harness.ledger import Ledger
from tests.waiting import PATIENCE_S

METHODS = {"evaluate": ("Evaluate", EvaluateError), "submit": ("Endorse", EndorseError)}
TOO_LARGE = 11 << 20  # the channel takes 10 MB


@pytest.fixture
async def counting(ledger: Ledger) -> AsyncIterator[tuple[Contract, Counter[str]]]:
    """The contract, and how often each method was called."""
    async with counted(ledger) as (gateway, connection):
        yield ledger.contract_of(gateway), connection.calls


async def refused(contract: Contract, stage: str, *call: str) -> GatewayError:
    with pytest.raises(METHODS[stage][1]) as caught:
        await getattr(contract, stage)(*call)
    return caught.value  # type: ignore[no-any-return]


@pytest.mark.parametrize("stage", METHODS)
async def test_an_error_of_a_megabyte_arrives_whole_with_its_code(counting: tuple[Contract, Counter[str]], stage: str):
    contract, calls = counting
    error = await refused(contract, stage, "LongError", "FL0203", "1000000")
    assert error.chaincode_code == "FL0203"
    assert error.details[0].message == "chaincode response 500, FL0203: " + "e" * 1_000_000
    assert calls == {METHODS[stage][0]: 1}


@pytest.mark.parametrize("stage", METHODS)
@pytest.mark.parametrize("function", ["Nothing", "BadText"])
async def test_a_chaincode_that_answers_nothing_or_no_text_is_asked_once(
    counting: tuple[Contract, Counter[str]], stage: str, function: str
):
    contract, calls = counting
    error = await refused(contract, stage, function)
    assert "transaction returned with failure" in error.details[0].message
    assert calls == {METHODS[stage][0]: 1}


async def test_a_transaction_that_all_orderers_find_too_large_ends_at_once(
    counting: tuple[Contract, Counter[str]], key: str
):
    contract, calls = counting
    with pytest.raises(SubmitError, match="exceeds maximum allowed"):
        await contract.submit("Put", key, "x" * TOO_LARGE, deadlines=Deadlines(endorse=PATIENCE_S, submit=PATIENCE_S))
    assert calls == {"Endorse": 1, "Submit": 1}


@pytest.mark.parametrize("stage", METHODS)
@pytest.mark.parametrize("what", ["organisation", "MSP id"])
async def test_an_identity_that_the_peer_does_not_believe_is_told_once(ledger: Ledger, stage: str, what: str):
    own, other = ledger.user("hospital-a"), ledger.user("hospital-b")
    msp_id, certificate, signer = {
        "organisation": (own.msp_id, other.cert_pem, other.signer),
        "MSP id": ("NobodyMSP", own.cert_pem, own.signer),
    }[what]
    async with counted(ledger, Identity(msp_id, certificate), signer) as (gateway, connection):
        error = await refused(ledger.contract_of(gateway), stage, "Get", "key")
    assert "access denied" in str(error)
    assert connection.calls == {METHODS[stage][0]: 1}


@pytest.mark.parametrize("stage", METHODS)
async def test_a_clock_that_is_wrong_is_told_once(
    counting: tuple[Contract, Counter[str]], monkeypatch: pytest.MonkeyPatch, stage: str
):
    contract, calls = counting
    monkeypatch.setattr("gateway._messages._now", lambda: Timestamp(seconds=1_500_000_000))
    error = await refused(contract, stage, "Get", "key")
    said = error.details[0].message
    assert "incorrect timestamp 2017-07-14" in said
    # Fabric 2.5 passes an endorser's own words off as the chaincode's where it evaluates (gateway/apiutils.go).
    as_chaincodes = stage == "evaluate" and said.startswith("chaincode response 500, request unauthorized")
    assert error.code in ({StatusCode.UNKNOWN} if as_chaincodes else {StatusCode.ABORTED, StatusCode.UNAVAILABLE})
    assert calls == {METHODS[stage][0]: 1}
