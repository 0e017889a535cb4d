"""The retry rules over the wire: what the peer sees."""

import asyncio

import grpc
import pytest
from wire_peer import Failure

from gateway import Deadlines, RetryPolicy, ValidationCode
from gateway.errors import CommitError, CommitStatusError, EndorseError, EvaluateError, StatusCode, SubmitError
from tests.waiting import PATIENCE_S

UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE)
LOST = Failure(grpc.StatusCode.UNAVAILABLE, after=True)
VERIFYING = Failure(
    grpc.StatusCode.ABORTED, details=(("peer:1", "Org2MSP", "chaincode response 500, FL0901: verifying, retry"),)
)
MVCC = 11
PHANTOM, DUPLICATE, POLICY = 12, 9, 10


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


# Refusals as Fabric 3.1.5 words them.
FOR_GOOD = [
    "error validating proposal: access denied: channel [channel] creator org [Org1MSP]",
    "error validating proposal: access denied: channel [channel] creator org unknown, creator is malformed",
    "access denied for [peer/Propose][channel]: [implicit policy evaluation failed]",
    "rpc error: code = Unknown desc = request unauthorized due to incorrect timestamp 2026-01-01T00:00:00Z",
    "rpc error: code = Unknown desc = proposal client identity expired",
    "error in simulation: transaction returned with failure: encode the response: string field contains invalid UTF-8",
    "chaincode response 0, ",
]


@pytest.mark.parametrize("said", FOR_GOOD)
@pytest.mark.parametrize("kind", ["evaluate", "submit"])
async def test_what_a_peer_would_say_again_is_asked_once(contract, peer, kind, said):
    method, error_type = ("Evaluate", EvaluateError) if kind == "evaluate" else ("Endorse", EndorseError)
    peer.fail(method, Failure(grpc.StatusCode.ABORTED, "see attached details", (("peer:1", "Org1MSP", said),)))
    with pytest.raises(error_type) as caught:
        await getattr(contract, kind)("Put")
    assert [method] == peer.requests
    assert said == caught.value.details[0].message


async def test_what_one_of_several_peers_says_for_good_is_not_the_last_word(contract, peer):
    details = (("peer:1", "Org1MSP", FOR_GOOD[0]), ("peer:2", "Org2MSP", "ProposalResponsePayloads do not match"))
    peer.fail("Endorse", Failure(grpc.StatusCode.ABORTED, "see attached details", details))
    assert await contract.submit("Put") == b"Put"
    assert 2 == peer.requests.count("Endorse")


@pytest.mark.parametrize("said", ["grpc: received message larger than max (104857632 vs. 104857600)"])
async def test_a_proposal_that_is_too_large_is_sent_once(contract, peer, said):
    peer.fail("Endorse", Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, said))
    with pytest.raises(EndorseError, match="larger than max"):
        await contract.submit("Put")
    assert ["Endorse"] == peer.requests


def from_orderers(*texts):
    details = tuple((f"orderer{number}:1", "OrdererMSP", text) for number, text in enumerate(texts))
    return Failure(grpc.StatusCode.UNAVAILABLE, "insufficient number of orderers could successfully process", details)


REFUSALS = [
    "received unsuccessful response from orderer: status=BAD_REQUEST, info=message payload is 9 bytes and exceeds",
    "received unsuccessful response from orderer: status=FORBIDDEN, info=implicit policy evaluation failed",
    "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (104857632 vs. 104857600)",
]


@pytest.mark.parametrize("said", REFUSALS)
async def test_what_all_orderers_refuse_ends_at_once(contract, peer, said):
    peer.fail("Submit", from_orderers(said, said))
    with pytest.raises(SubmitError) as caught:
        await contract.submit("Put")
    assert ["Endorse", "Submit"] == peer.requests
    assert [said, said] == [detail.message for detail in caught.value.details]


@pytest.mark.parametrize("said", REFUSALS)
async def test_what_one_orderer_refuses_while_another_is_down_is_sent_again(contract, peer, said):
    peer.fail("Submit", from_orderers(said, "connection refused"))
    assert await contract.submit("Put") == b"Put"
    assert 2 == peer.requests.count("Submit")


async def test_a_refusal_by_a_crash_tolerant_orderer_is_final(contract, peer):
    peer.fail("Submit", Failure(grpc.StatusCode.ABORTED, REFUSALS[0]))
    with pytest.raises(SubmitError, match="exceeds"):
        await contract.submit("Put")
    assert ["Endorse", "Submit"] == peer.requests


async def test_answers_that_differ_are_asked_for_again(contract, peer):
    details = (("peer:2", "Org2MSP", "ProposalResponsePayloads do not match"),)
    differ = Failure(grpc.StatusCode.ABORTED, "failed to collect enough", details)
    peer.fail("Endorse", differ, differ)
    assert await contract.submit("Put") == b"Put"
    assert 3 == peer.requests.count("Endorse")


async def test_a_status_that_does_not_come_is_asked_for_after_the_same_envelope_was_sent_again(contract, peer):
    peer.fail("CommitStatus", Failure(grpc.StatusCode.DEADLINE_EXCEEDED))
    assert await contract.submit("Put") == b"Put"
    assert peer.requests == ["Endorse", "Submit", "CommitStatus", "Submit", "CommitStatus"]
    assert peer.envelopes[0] == peer.envelopes[1]


@pytest.mark.parametrize(
    ("code", "requests"),
    [
        (PHANTOM, ["Endorse", "Submit", "CommitStatus"] * 2),
        (DUPLICATE, ["Endorse", "Submit", "CommitStatus", "CommitStatus"]),
    ],
)
async def test_a_phantom_is_proposed_again_and_a_duplicate_is_committed(contract, peer, code, requests):
    peer.codes.append(code)
    assert await contract.submit("Put") == b"Put"
    assert requests == peer.requests


async def test_any_other_validation_code_is_final(contract, peer):
    peer.codes.append(POLICY)
    with pytest.raises(CommitError) as caught:
        await contract.submit("Put")
    assert ValidationCode.ENDORSEMENT_POLICY_FAILURE is caught.value.validation_code
    assert ["Endorse", "Submit", "CommitStatus"] == peer.requests


CRASHED = "error in simulation: failed to execute transaction ab: error sending: chaincode stream terminated"
DOWN = "could not launch chaincode: connection to the chaincode failed: it does not answer"


def from_peer(said):
    return Failure(grpc.StatusCode.ABORTED, "see attached details", (("peer:1", "Org1MSP", said),))


async def test_a_chaincode_whose_process_was_killed_is_waited_for(contract, peer):
    peer.fail("Endorse", from_peer(CRASHED), from_peer(DOWN), from_peer(CRASHED), from_peer(DOWN))
    assert await contract.submit("Put") == b"Put"


@pytest.mark.parametrize("kind", ["evaluate", "submit"])
async def test_a_call_that_broke_its_chaincode_three_times_is_not_made_again(contract, peer, kind):
    method, error_type = ("Evaluate", EvaluateError) if kind == "evaluate" else ("Endorse", EndorseError)
    peer.fail(method, from_peer(CRASHED), from_peer(DOWN), from_peer(CRASHED), from_peer(CRASHED))
    with pytest.raises(error_type, match="stream terminated"):
        await getattr(contract, kind)("Put")
    assert [method] * 4 == peer.requests


async def test_a_call_that_breaks_each_chaincode_in_turn_is_not_made_again(contract, peer):
    """Where each attempt asks several peers, some are not back yet from the one before."""
    mixed = Failure(
        grpc.StatusCode.ABORTED,
        "see attached details",
        (("peer:1", "Org1MSP", DOWN), ("peer:2", "Org2MSP", CRASHED), ("peer:3", "Org3MSP", DOWN)),
    )
    peer.fail("Evaluate", mixed, mixed, mixed)
    with pytest.raises(EvaluateError, match="stream terminated"):
        await contract.evaluate("Read")
    assert ["Evaluate"] * 3 == peer.requests


async def test_the_last_error_names_the_first(contract, peer):
    peer.fail("Endorse", from_peer(CRASHED), from_peer(DOWN))
    with pytest.raises(EndorseError, match="does not answer") as caught:
        await contract.submit("Put", retry=RetryPolicy(attempts=2, first_delay=0.001))
    assert isinstance(caught.value.__cause__, EndorseError)
    assert CRASHED == caught.value.__cause__.details[0].message


@pytest.mark.parametrize("text", ["x" * 1_000_000, "é" * 250_000], ids=["text of 1 MB", "text that is escaped"])
@pytest.mark.parametrize("kind", ["evaluate", "submit"])
async def test_an_error_of_a_megabyte_arrives_whole_with_its_code(contract, peer, kind, text):
    said = f"chaincode response 500, FL0203: {text}"
    method, code = ("Evaluate", "UNKNOWN") if kind == "evaluate" else ("Endorse", "ABORTED")
    message = f"evaluate call to endorser returned error: {said}"  # a gateway says it here and in the details
    peer.fail(method, Failure(grpc.StatusCode[code], message, (("peer:1", "Org1MSP", said),)))
    with pytest.raises((EvaluateError, EndorseError)) as caught:
        await getattr(contract, kind)("Put")
    assert (StatusCode[code], "FL0203", said) == (
        caught.value.code,
        caught.value.chaincode_code,
        caught.value.details[0].message,
    )


@pytest.mark.parametrize(
    ("method", "error_type"),
    [("Endorse", EndorseError), ("Submit", SubmitError), ("CommitStatus", CommitStatusError)],
)
async def test_no_submit_takes_longer_than_its_policy_says(contract, peer, method, error_type):
    peer.fail(method, *[1e6] * 10)
    policy = RetryPolicy(total=1.0, first_delay=0.001)
    patient = Deadlines(endorse=1e6, submit=1e6, commit_status=1e6)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(error_type) as caught:
            await contract.submit("Put", retry=policy, deadlines=patient)
    assert StatusCode.DEADLINE_EXCEEDED is caught.value.code


async def test_no_query_takes_longer_than_its_policy_says(contract, peer):
    peer.fail("Evaluate", *[1e6] * 10)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(EvaluateError):
            await contract.evaluate("Get", retry=RetryPolicy(total=1.0), deadlines=Deadlines(evaluate=1e6))
