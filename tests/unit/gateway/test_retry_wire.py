"""The retry rules over the wire: what the peer sees."""

import grpc
import pytest
from wire_peer import Failure

from gateway import RetryPolicy, ValidationCode
from gateway.errors import CommitError, CommitStatusError, EndorseError, EvaluateError, StatusCode, SubmitError

UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE)
LOST = Failure(grpc.StatusCode.UNAVAILABLE, after=True)
VERIFYING = Failure(
    grpc.StatusCode.ABORTED, details=(("peer:1", "Org2MSP", "chaincode response 500, FL0901: verifying, retry"),)
)
MVCC = 11


async def test_an_acknowledgement_that_was_lost_makes_no_second_transaction(contract, peer):
    peer.fail("Submit", LOST)
    assert await contract.submit("Put", "k") == b"Put|k"
    assert peer.requests == ["Endorse", "Submit", "CommitStatus"]


async def test_a_submit_that_never_arrived_is_repeated_byte_for_byte(contract, peer):
    peer.fail("Submit", UNAVAILABLE)
    await contract.submit("Put", "k")
    assert peer.requests == ["Endorse", "Submit", "CommitStatus", "Submit", "CommitStatus"]
    assert peer.envelopes[0] == peer.envelopes[1]


async def test_a_conflict_is_endorsed_again_under_a_new_id(contract, peer):
    peer.codes.append(MVCC)
    await contract.submit("Put", "k")
    first, second = peer.calls
    assert first.transaction_id != second.transaction_id
    assert first.args == second.args


async def test_without_retry_the_first_conflict_is_raised(contract, peer):
    peer.codes.append(MVCC)
    with pytest.raises(CommitError) as caught:
        await contract.submit("Put", "k", retry=False)
    expected = (peer.calls[0].transaction_id, ValidationCode.MVCC_READ_CONFLICT, 1)
    assert expected == (caught.value.transaction_id, caught.value.validation_code, caught.value.block_number)


async def test_without_retry_nothing_is_sent_twice(contract, peer):
    peer.fail("Submit", UNAVAILABLE)
    with pytest.raises(SubmitError):
        await contract.submit("Put", "k", retry=False)
    assert peer.requests == ["Endorse", "Submit"]


async def test_a_code_the_caller_names_is_waited_for(contract, peer, quick):
    peer.fail("Endorse", VERIFYING, VERIFYING)
    policy = RetryPolicy(first_delay=0.001, retryable={"FL0901"})
    assert await contract.submit("Put", retry=policy) == b"Put"
    assert peer.requests.count("Endorse") == 3


async def test_an_evaluation_backs_off_by_the_same_rules(contract, peer):
    peer.fail("Evaluate", UNAVAILABLE, VERIFYING)
    policy = RetryPolicy(first_delay=0.001, retryable={"FL0901"})
    assert await contract.evaluate("Get", retry=policy) == b"Get"


async def test_the_error_names_stage_transaction_peers_and_code(contract, peer):
    peer.fail("Endorse", VERIFYING)
    with pytest.raises(EndorseError) as caught:
        await contract.submit("Put")
    error = caught.value
    assert len(error.transaction_id) == 64
    assert (StatusCode.ABORTED, "FL0901") == (error.code, error.chaincode_code)
    assert [("peer:1", "Org2MSP")] == [(detail.address, detail.msp_id) for detail in error.details]
    assert "Org2MSP at peer:1: chaincode response 500, FL0901: verifying, retry" in str(error)
    assert str(error).startswith(f"endorse of transaction {error.transaction_id} failed with ABORTED")


async def test_details_without_an_error_detail_are_skipped(contract, peer):
    peer.fail("Evaluate", Failure(grpc.StatusCode.INVALID_ARGUMENT, "no channel"))
    with pytest.raises(EvaluateError) as caught:
        await contract.evaluate("Get")
    assert ((), None, StatusCode.INVALID_ARGUMENT) == (
        caught.value.details,
        caught.value.chaincode_code,
        caught.value.code,
    )


@pytest.mark.parametrize(
    ("method", "error_type"),
    [("Endorse", EndorseError), ("Submit", SubmitError), ("CommitStatus", CommitStatusError)],
)
async def test_each_stage_has_its_own_error(contract, peer, method, error_type):
    peer.fail(method, Failure(grpc.StatusCode.PERMISSION_DENIED, "not you"))
    with pytest.raises(error_type, match="not you"):
        await contract.submit("Put")
