"""An administrator that sends all it may, all the time, stops neither a round's end nor the next one's beginning."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from fl_node.canonical import canonical_json
from gateway.errors import CommitError, GatewayError
from tests.scenarios.federation import Federation
from tests.scenarios.rounds import Attempt

Send = Callable[[], Coroutine[Any, Any, Any]]


@contextlib.asynccontextmanager
async def _continuously(*sends: Send) -> AsyncIterator[list[int]]:
    """Send each again and again, one after the other; what is refused or conflicts is tried on. Count what commits."""
    committed = [0] * len(sends)

    async def keep_on(place: int) -> None:
        while True:
            with contextlib.suppress(GatewayError):
                await sends[place]()
                committed[place] += 1

    tasks = [asyncio.create_task(keep_on(place)) for place in range(len(sends))]
    try:
        yield committed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _sender(federation: Federation, member: str, function: str, **arguments: Any) -> Send:
    contract = federation.contracts[member, "admin"]
    return lambda: contract.submit(function, canonical_json(arguments), retry=False)


def _rotating(federation: Federation, member: str) -> Send:
    contract = federation.contracts[member, "admin"]
    return lambda: contract.submit(
        "RotateKey", canonical_json({"participant": member, "key_hash": os.urandom(32).hex()}), retry=False
    )


async def test_transfers_all_the_time_let_every_final_commit_at_once(federation: Federation) -> None:
    await federation.ready(rounds=3)
    await federation.agree("set_parameters", parameters={"transfer_ms": 0})
    members = federation.members
    transfers = [
        _sender(federation, member, "Transfer", to=to, amount=1)
        for member, to in ((members[1], federation.msp(members[2])), (members[2], "treasury"))
    ]
    async with _continuously(*transfers) as committed:
        for _ in range(3):
            attempt = await Attempt.open(federation, "tumour")
            await attempt.keys_and_shares()
            await attempt.updates()
            await attempt.unmask()
            answer = await attempt.by_node("ProposeAggregate", await attempt.aggregator(), **attempt.result())
            await attempt.attest(number=answer["number"])
            await _ended(federation, attempt)
    assert min(committed) >= 10


async def _ended(federation: Federation, attempt: Attempt) -> None:
    """Advance to Final; a conflict would raise. Where the peer asked lacks the third attestation, nothing moves yet."""
    contract = federation.contracts[federation.members[0], "node"]
    for _ in range(20):
        answer = json.loads(await contract.submit("Advance", canonical_json(attempt.ref), retry=False))
        if answer["moved"]:
            break
        await asyncio.sleep(0.1)
    assert answer == {"phase": "Final", "moved": True}
    for member in federation.members:  # under this load a peer may be some blocks behind
        await _seen_by(federation, member, attempt)


async def _seen_by(federation: Federation, member: str, attempt: Attempt) -> None:
    for _ in range(100):
        if (await federation.query("GetRound", by=member, **attempt.ref))["phase"] == "Final":
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{member} does not see the end of the round")


async def test_one_administrators_transactions_do_not_keep_rounds_from_opening(federation: Federation) -> None:
    await federation.ready(rounds=3)
    await federation.agree("set_parameters", parameters={"keys_ms": 500})
    rogue, honest = federation.members[3], federation.members[0]
    arguments = canonical_json({"training": "tumour"})
    sends = [
        _rotating(federation, rogue),
        _sender(federation, rogue, "Transfer", to="treasury", amount=1),
        _sender(federation, rogue, "Stake", participant=rogue, amount=1),
    ]
    tries = []
    async with _continuously(*sends) as committed:
        await _under_way(committed)
        for _ in range(5):
            tries.append(await _opened(federation.contracts[honest, "admin"], arguments))
            await _let_it_void(federation)
    assert committed[0] >= 5
    assert committed[1] + committed[2] >= 1
    assert max(tries) <= 3
    assert sum(tries) <= 8


async def _under_way(committed: Sequence[int]) -> None:
    """Wait until the rogue's keys and tokens have moved at least once."""
    for _ in range(600):
        if committed[0] and committed[1] + committed[2]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nothing of the rogue's commits")


async def _let_it_void(federation: Federation) -> None:
    """End the attempt at its deadline: nobody publishes keys."""
    view = await federation.query("GetRound", training="tumour", round=0, attempt=0)
    ref = {name: view[name] for name in ("training", "round", "attempt")}
    for _ in range(50):
        if (await federation.submit("Advance", **ref))["moved"]:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the attempt does not end")


async def _opened(contract: Any, arguments: bytes) -> int:
    """Open a round and return how many tries it took."""
    for tries in range(1, 11):
        try:
            await contract.submit("OpenRound", arguments, retry=False)
        except CommitError:
            continue
        except GatewayError as error:  # this peer has not caught up with the last attempt's end
            if error.chaincode_code not in {"FL0407", None}:
                raise
            await asyncio.sleep(0.2)
        else:
            return tries
    raise AssertionError("no OpenRound of ten commits")
