"""Every row of the table "what an error means and what to do" (docs/threat-model.md), as rules and as conversations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import RetryPolicy, ValidationCode
from gateway._retry import Verdict, after_commit, after_proposal, after_status, after_submit, is_transient
from gateway._submission import Ask, Propose, Send, Sign, Submission, Wait
from gateway.errors import (
    CommitError,
    CommitStatusError,
    EndorseError,
    ErrorDetail,
    EvaluateError,
    StatusCode,
    SubmitError,
)

OWN, OTHER = "OwnMSP", "OtherMSP"
TID = "ab" * 32


def endorse_error(code, *details):
    return EndorseError(
        "made", code=code, transaction_id=TID, details=tuple(ErrorDetail("peer:1", msp, text) for msp, text in details)
    )


def submit_error(code, *texts):
    details = tuple(ErrorDetail(f"orderer{n}", "OrdererMSP", text) for n, text in enumerate(texts))
    return SubmitError("made", code=code, transaction_id=TID, details=details)


def status_error(code):
    return CommitStatusError("made", code=code, transaction_id=TID)


class FakeTransaction:
    """A stage that only knows who it is."""

    def __init__(self, name="first"):
        self.name = name

    def commit(self):
        return FakeCommit(self)


class FakeCommit:
    def __init__(self, transaction):
        self.transaction = transaction
        self.result = b"result"


class FakeStatus:
    transaction_id = TID
    block_number = 7

    def __init__(self, code=ValidationCode.VALID):
        self.code = code


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def converse(flow, *answers, clock=None):
    """Talk to a flow: pairs of (type of the expected step, answer); waits are skipped and counted as time."""
    steps, result = [], None
    waiting = list(answers)
    try:
        step = next(flow)
        while True:
            if isinstance(step, Wait):
                if clock is not None:
                    clock.now += step.seconds
                step = flow.send(None)
                continue
            if isinstance(step, Sign):
                step = flow.send(step.transaction)
                continue
            expected, answer = waiting.pop(0)
            assert expected is type(step)
            steps.append(step)
            step = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
    except StopIteration as end:
        result = end.value
    assert [] == waiting
    return steps, result


def submission(**changes):
    clock = changes.pop("clock", Clock())
    may_choose = changes.pop("may_choose", True)
    return Submission(RetryPolicy(**changes), OWN, clock, may_choose=may_choose)


# Endorse


def test_a_permanent_chaincode_code_stops():
    error = endorse_error(StatusCode.ABORTED, (OWN, "chaincode response 500, FL0203: round 7 is closed"))
    assert "FL0203" == error.chaincode_code
    assert Verdict.STOP is after_proposal(error, RetryPolicy(), OWN)


@pytest.mark.parametrize("retryable", [{"FL0901"}, lambda code: code.startswith("FL09")])
def test_a_chaincode_code_the_caller_calls_retryable_backs_off_and_proposes_again(retryable):
    error = endorse_error(StatusCode.ABORTED, (OTHER, "chaincode response 500, FL0901: verifying, retry"))
    assert Verdict.PROPOSE_AGAIN is after_proposal(error, RetryPolicy(retryable=retryable), OWN)


def test_a_refusal_of_a_chaincode_without_codes_stops():
    error = endorse_error(StatusCode.ABORTED, (OTHER, "chaincode response 404, no such asset"))
    assert Verdict.STOP is after_proposal(error, RetryPolicy(), OWN)


def test_aborted_without_a_code_backs_off_within_bounds_and_proposes_again():
    mismatch = endorse_error(StatusCode.ABORTED, (OTHER, "ProposalResponsePayloads do not match"))
    assert Verdict.PROPOSE_AGAIN is after_proposal(mismatch, RetryPolicy(), OWN)
    flow = submission(attempts=3).committed()
    with pytest.raises(EndorseError):
        converse(flow, (Propose, mismatch), (Propose, mismatch), (Propose, mismatch))


def test_where_only_ones_own_organisation_disagrees_other_organisations_are_asked():
    error = endorse_error(StatusCode.ABORTED, (OWN, "chaincode is not installed"))
    flow = submission(fallback_organizations=("A", "B")).committed()
    steps, _ = converse(flow, (Propose, error), (Propose, FakeTransaction()), (Send, None), (Ask, FakeStatus()))
    assert [None, ("A", "B")] == [step.organizations for step in steps if isinstance(step, Propose)]


def test_organisations_the_caller_named_are_kept():
    error = endorse_error(StatusCode.ABORTED, (OWN, "chaincode is not installed"))
    flow = submission(fallback_organizations=("A", "B"), may_choose=False).committed()
    steps, _ = converse(flow, (Propose, error), (Propose, FakeTransaction()), (Send, None), (Ask, FakeStatus()))
    assert [None, None] == [step.organizations for step in steps if isinstance(step, Propose)]


def test_failed_precondition_at_endorse_stops():
    assert Verdict.STOP is after_proposal(endorse_error(StatusCode.FAILED_PRECONDITION), RetryPolicy(), OWN)


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        ("no peer combination can satisfy the endorsement policy", Verdict.PROPOSE_AGAIN),
        ("required chaincodes are not installed on sufficient peers", Verdict.PROPOSE_AGAIN),
        ("No metadata was found for chaincode nosuch in channel fedchannel", Verdict.STOP),
    ],
)
def test_peers_that_have_not_found_each_other_yet_are_waited_for_and_an_unknown_chaincode_is_not(reason, verdict):
    message = f"no combination of peers can be derived which satisfy the endorsement policy: {reason}"
    error = EndorseError(message, code=StatusCode.FAILED_PRECONDITION)
    assert verdict is after_proposal(error, RetryPolicy(), OWN)


def test_waiting_for_peers_to_find_each_other_is_bounded():
    message = "no combination of peers …: no peer combination can satisfy the endorsement policy"
    error = EndorseError(message, code=StatusCode.FAILED_PRECONDITION)
    clock = Clock()
    with pytest.raises(EndorseError):
        converse(submission(clock=clock).committed(), *[(Propose, error)] * 10, clock=clock)
    assert 10 < clock.now < 25


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED])
def test_peers_that_are_down_at_endorse_get_a_new_proposal(code):
    flow = submission().committed()
    steps, _ = converse(
        flow, (Propose, endorse_error(code)), (Propose, FakeTransaction()), (Send, None), (Ask, FakeStatus())
    )
    assert [Propose, Propose, Send, Ask] == [type(step) for step in steps]


# Submit


@pytest.mark.parametrize("code", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED])
def test_after_an_uncertain_submit_the_status_is_asked_with_a_deadline_then_the_same_envelope_is_sent(code):
    transaction = FakeTransaction()
    flow = submission(ask_deadline=2.5, resend_after=7.5).committed()
    steps, _ = converse(
        flow,
        (Propose, transaction),
        (Send, submit_error(code)),
        (Ask, status_error(StatusCode.DEADLINE_EXCEEDED)),
        (Send, None),
        (Ask, FakeStatus()),
    )
    assert [transaction, transaction] == [step.transaction for step in steps if isinstance(step, Send)]
    assert [2.5, 7.5] == [step.deadline for step in steps if isinstance(step, Ask)]


def test_an_uncertain_submit_that_did_commit_is_not_sent_again():
    flow = submission().committed()
    error = submit_error(StatusCode.UNAVAILABLE, "status=SERVICE_UNAVAILABLE, info=already processed")
    _, (commit, status) = converse(flow, (Propose, FakeTransaction()), (Send, error), (Ask, FakeStatus()))
    assert (b"result", ValidationCode.VALID) == (commit.result, status.code)


def test_forbidden_from_the_orderers_is_final():
    error = submit_error(StatusCode.UNAVAILABLE, "status=FORBIDDEN, info=x", "status=FORBIDDEN, info=y")
    assert Verdict.STOP is after_submit(error)
    with pytest.raises(SubmitError):
        converse(submission().committed(), (Propose, FakeTransaction()), (Send, error))


def test_forbidden_from_one_orderer_among_others_that_are_down_proves_nothing():
    error = submit_error(StatusCode.UNAVAILABLE, "status=FORBIDDEN, info=x", "connection refused")
    assert Verdict.ASK_THEN_RESEND is after_submit(error)


def test_a_refusal_by_a_crash_tolerant_orderer_is_final():
    assert Verdict.STOP is after_submit(submit_error(StatusCode.ABORTED))


def test_resending_ends_when_the_orderers_may_have_dropped_the_transaction():
    clock = Clock()
    flow = submission(clock=clock, give_up_after=10, first_delay=6, longest_delay=6, uniform=max).committed()
    down, unknown = submit_error(StatusCode.UNAVAILABLE), status_error(StatusCode.DEADLINE_EXCEEDED)
    with pytest.raises(SubmitError):
        converse(
            flow,
            (Propose, FakeTransaction()),
            *[(Send, down), (Ask, unknown)] * 3,
            clock=clock,
        )


def test_a_refused_status_question_ends_an_uncertain_submit():
    flow = submission().sent()
    refused = status_error(StatusCode.PERMISSION_DENIED)
    with pytest.raises(SubmitError):
        converse(flow, (Propose, FakeTransaction()), (Send, submit_error(StatusCode.UNAVAILABLE)), (Ask, refused))


# Commit status


@pytest.mark.parametrize("code", [StatusCode.DEADLINE_EXCEEDED, StatusCode.UNAVAILABLE, StatusCode.ABORTED])
def test_after_a_commit_status_timeout_the_same_envelope_is_sent_and_the_same_transaction_asked_for(code):
    transaction = FakeTransaction()
    steps, _ = converse(
        submission().committed(),
        (Propose, transaction),
        (Send, None),
        (Ask, status_error(code)),
        (Send, None),
        (Ask, FakeStatus()),
    )
    assert {transaction} == {step.transaction for step in steps if isinstance(step, Send)}
    assert {transaction} == {step.commit.transaction for step in steps if isinstance(step, Ask)}
    assert {RetryPolicy().resend_after} == {step.deadline for step in steps if isinstance(step, Ask)}


def test_a_refused_status_question_stops():
    assert Verdict.STOP is after_status(status_error(StatusCode.PERMISSION_DENIED))


def test_a_transaction_nobody_knows_ends_as_commit_status_error():
    clock = Clock()
    flow = submission(clock=clock, give_up_after=1, first_delay=2, uniform=max).committed()
    unknown = status_error(StatusCode.DEADLINE_EXCEEDED)
    with pytest.raises(CommitStatusError):
        converse(
            flow,
            (Propose, FakeTransaction()),
            (Send, None),
            (Ask, unknown),
            (Send, None),
            (Ask, unknown),
            clock=clock,
        )


# Commit


@pytest.mark.parametrize("code", [ValidationCode.MVCC_READ_CONFLICT, ValidationCode.PHANTOM_READ_CONFLICT])
def test_after_a_conflict_a_new_transaction_is_made(code):
    first, second = FakeTransaction("first"), FakeTransaction("second")
    steps, (commit, _) = converse(
        submission().committed(),
        (Propose, first),
        (Send, None),
        (Ask, FakeStatus(code)),
        (Propose, second),
        (Send, None),
        (Ask, FakeStatus()),
    )
    assert [first, second] == [step.transaction for step in steps if isinstance(step, Send)]
    assert second is commit.transaction


def test_conflicts_without_end_raise_after_the_attempts():
    conflict = FakeStatus(ValidationCode.MVCC_READ_CONFLICT)
    round_trip = [(Propose, FakeTransaction()), (Send, None), (Ask, conflict)]
    with pytest.raises(CommitError) as caught:
        converse(submission(attempts=2).committed(), *round_trip * 2)
    assert ValidationCode.MVCC_READ_CONFLICT is caught.value.validation_code


def test_duplicate_transaction_id_is_asked_once_more_and_then_is_success():
    _, (_, status) = converse(
        submission().committed(),
        (Propose, FakeTransaction()),
        (Send, None),
        (Ask, FakeStatus(ValidationCode.DUPLICATE_TXID)),
        (Ask, FakeStatus(ValidationCode.DUPLICATE_TXID)),
    )
    assert ValidationCode.DUPLICATE_TXID is status.code


def test_the_first_copys_code_counts_where_the_status_of_a_duplicate_was_told():
    with pytest.raises(CommitError):
        converse(
            submission(attempts=1).committed(),
            (Propose, FakeTransaction()),
            (Send, None),
            (Ask, FakeStatus(ValidationCode.DUPLICATE_TXID)),
            (Ask, FakeStatus(ValidationCode.MVCC_READ_CONFLICT)),
        )


def test_endorsement_policy_failure_raises_an_alarm_and_stops(caplog):
    failure = FakeStatus(ValidationCode.ENDORSEMENT_POLICY_FAILURE)
    with pytest.raises(CommitError):
        converse(submission().committed(), (Propose, FakeTransaction()), (Send, None), (Ask, failure))
    assert ["ERROR"] == [record.levelname for record in caplog.records]


def test_the_asynchronous_submit_reports_an_invalid_commit_it_learned_of():
    with pytest.raises(CommitError):
        converse(
            submission().sent(),
            (Propose, FakeTransaction()),
            (Send, submit_error(StatusCode.UNAVAILABLE)),
            (Ask, FakeStatus(ValidationCode.ENDORSEMENT_POLICY_FAILURE)),
        )


# What holds for every error


@given(code=st.sampled_from(StatusCode), message=st.text(max_size=20))
def test_no_endorse_error_leads_to_resending(code, message):
    verdict = after_proposal(endorse_error(code, (OTHER, message)), RetryPolicy(), OWN)
    assert verdict in {Verdict.STOP, Verdict.PROPOSE_AGAIN}


@given(code=st.sampled_from(StatusCode), text=st.sampled_from(["FORBIDDEN", "down", ""]))
def test_no_submit_error_leads_to_a_new_transaction(code, text):
    assert after_submit(submit_error(code, text)) in {Verdict.STOP, Verdict.ASK_THEN_RESEND}


@given(code=st.sampled_from(ValidationCode))
def test_only_valid_and_a_confirmed_duplicate_are_success(code):
    done = {ValidationCode.VALID, ValidationCode.DUPLICATE_TXID}
    assert (code in done) is (after_commit(code, asked_before=True) is Verdict.DONE)


@given(failures=st.integers(1, 10_000), first=st.floats(0, 10), longest=st.floats(0, 100))
def test_pauses_grow_with_jitter_and_never_beyond_the_longest(failures, first, longest):
    delay = RetryPolicy(first_delay=first, longest_delay=longest).delay(failures)
    assert 0 <= delay <= longest


@given(text=st.text(max_size=40), code=st.integers(0, 9999), sentence=st.text(max_size=20))
def test_a_chaincode_code_survives_any_text_before_it(text, code, sentence):
    stable = f"FL{code:04}"
    error = EvaluateError(f"{text} {stable}: {sentence}", code=StatusCode.UNKNOWN)
    assert error.chaincode_code is not None
    assert stable == error.chaincode_code or error.chaincode_code in text


def test_a_policy_without_attempts_is_refused():
    with pytest.raises(ValueError, match="attempts must be at least 1"):
        RetryPolicy(attempts=0)


def test_streams_are_opened_again_after_every_error_but_a_refusal():
    refusals = {code for code in StatusCode if not is_transient(code)}
    expected = {"INVALID_ARGUMENT", "NOT_FOUND", "PERMISSION_DENIED", "FAILED_PRECONDITION", "UNIMPLEMENTED"}
    assert expected | {"UNAUTHENTICATED"} == {code.name for code in refusals}
