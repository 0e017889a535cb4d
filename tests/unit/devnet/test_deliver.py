"""Seek requests against a ledger, without gRPC."""

import asyncio
import time

import pytest

from network.devnet import protos as p
from network.devnet.deliver import Deliver
from network.devnet.envelopes import channel_header, sign_envelope
from network.devnet.events import chaincode_events, filtered_block
from tests.unit.devnet.harness import puts, user
from tests.unit.devnet.test_configtx import admins, apply, revoke

Status = p.common
END = 2**64 - 1


def at(number):
    return p.ab.SeekPosition(specified=p.ab.SeekSpecified(number=number))


OLDEST = p.ab.SeekPosition(oldest=p.ab.SeekOldest())
NEWEST = p.ab.SeekPosition(newest=p.ab.SeekNewest())
NEXT = p.ab.SeekPosition(next_commit=p.ab.SeekNextCommit())


def request(chain, start, stop, *, who="regulator", wait=False, channel="fedchannel", age=0.0):
    behavior = p.ab.SeekInfo.BLOCK_UNTIL_READY if wait else p.ab.SeekInfo.FAIL_IF_NOT_READY
    seek = p.ab.SeekInfo(start=start, stop=stop, behavior=behavior)
    header = channel_header(p.common.DELIVER_SEEK_INFO, channel, seconds=time.time() - age)
    signer = user(chain.run, who) if isinstance(who, str) else who
    return sign_envelope(signer, header, seek.SerializeToString())


def served(chain, *envelopes):
    async def requests():
        for envelope in envelopes:
            yield envelope

    deliver = Deliver(chain.committer, "event/Block", 60.0)
    return deliver.serve(requests(), lambda block, _: block.header.number, Status.Status.Name)


async def answers(chain, *envelopes):
    return [answer async for answer in served(chain, *envelopes)]


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (OLDEST, NEWEST, [0, 1, "SUCCESS"]),
        (OLDEST, OLDEST, [0, "SUCCESS"]),
        (NEWEST, NEWEST, [1, "SUCCESS"]),
        (at(1), at(1), [1, "SUCCESS"]),
        (at(0), at(5), [0, 1, "NOT_FOUND"]),
        (at(9), at(END), ["NOT_FOUND"]),
        (at(1), at(0), ["BAD_REQUEST"]),
        (None, at(0), ["BAD_REQUEST"]),
        (at(0), None, ["BAD_REQUEST"]),
    ],
)
async def test_a_request_gets_its_blocks_and_a_status(chain, start, stop, expected):
    assert expected == await answers(chain, request(chain, start, stop))


async def test_one_stream_answers_several_requests_until_the_first_failure(chain):
    good, bad = request(chain, at(0), at(0)), request(chain, at(1), at(0))
    assert [0, "SUCCESS", "BAD_REQUEST"] == await answers(chain, good, bad, good)


@pytest.mark.parametrize("start", [at(2), NEXT])
async def test_a_stream_waits_for_blocks_to_come(chain, start):
    stream = served(chain, request(chain, start, at(END), wait=True))
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    await chain.commit(chain.transaction(puts(a=b"1")))
    assert await waiting == 2
    await stream.aclose()


async def test_those_who_may_not_read_are_forbidden(chain):
    stranger = user(chain.run, "hospital-a")
    stranger.serialized = user(chain.run, "hospital-b").serialized
    assert ["FORBIDDEN"] == await answers(chain, request(chain, OLDEST, NEWEST, who=stranger))
    malformed = p.common.Envelope(payload=b"\xff")
    assert ["BAD_REQUEST"] == await answers(chain, malformed)
    assert ["NOT_FOUND"] == await answers(chain, request(chain, OLDEST, NEWEST, channel="other"))
    assert ["BAD_REQUEST"] == await answers(chain, request(chain, OLDEST, NEWEST, age=61.0))


async def test_a_reader_that_is_revoked_gets_nothing_more(chain):
    stream = served(chain, request(chain, at(1), at(END), who="hospital-b", wait=True))
    assert await anext(stream) == 1
    await apply(chain, revoke(chain, admins(chain, "hospital-b")))
    assert await anext(stream) == "FORBIDDEN"


async def test_a_filtered_block_tells_codes_and_names_but_no_contents(chain):
    good = chain.transaction(puts(a=b"1"))
    few = chain.transaction(puts(b=b"1"), endorsers=("hospital-a",))
    await chain.commit(good, few, b"\xff")
    filtered = filtered_block(chain.store.block(2), "fedchannel")
    codes = p.transaction
    assert ("fedchannel", 2) == (filtered.channel_id, filtered.number)
    assert [codes.VALID, codes.ENDORSEMENT_POLICY_FAILURE] == [
        t.tx_validation_code for t in filtered.filtered_transactions
    ]
    assert b"hospital" not in filtered.SerializeToString().lower()


async def test_events_of_invalid_transactions_are_not_told(chain, monkeypatch):
    event = p.chaincode_event.ChaincodeEvent(chaincode_id="fedledger", tx_id="t", event_name="E", payload=b"x")
    action = p.proposal.ChaincodeAction

    def with_event(**fields):
        return action(events=event.SerializeToString(), **fields)

    monkeypatch.setattr(p.proposal, "ChaincodeAction", with_event)
    good = chain.transaction(puts(a=b"1"))
    few = chain.transaction(puts(b=b"1"), endorsers=("hospital-a",))
    monkeypatch.undo()
    await chain.commit(few, good)
    assert [event] == list(chaincode_events(chain.store.block(2)))
    shown = filtered_block(chain.store.block(2), "fedchannel").filtered_transactions[1]
    (told,) = shown.transaction_actions.chaincode_actions
    assert ("E", b"") == (told.chaincode_event.event_name, told.chaincode_event.payload)
