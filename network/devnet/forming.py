"""Forms the channel on running devnet processes: the chaincode's definition is committed once a majority approves."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway import Contract, errors
from network import codes
from network.connection import profile
from network.devnet import lifecycle
from network.devnet import protos as p
from network.errors import NetworkError
from network.forming import Formed
from network.organisation import here
from network.topology import Consortium

ARRIVED_S = 120.0
POLL_S = 0.05
Step = Callable[[Contract, Consortium], Awaitable[Formed]]


async def form(run: Path, consortium: Consortium) -> Formed:
    """Do what of it has not been done by the organisations here.

    Raises:
        NetworkError: FL1055 if what was committed does not arrive at a peer here in time.
    """
    for other in consortium.each()[1:]:
        await form(run, other)
    present = [o for o, _ in here(run, consortium) if o.peers]
    if not present:
        return Formed(None)
    members = [o for o in present if o.role == "member"]
    enough = len(members) >= consortium.majority  # then those here decide: a peer that is slow is waited for
    if members:
        formed = await _patiently(run, consortium, members[0].name, _commit, until_committed=enough)
    else:
        formed = await _patiently(run, consortium, present[0].name, _seen)
    if formed.committed:
        await asyncio.gather(*(_patiently(run, consortium, o.name, _seen, until_committed=True) for o in present))
    return formed


async def _commit(contract: Contract, consortium: Consortium) -> Formed:
    """Commit the definition if enough approve it."""
    if await _defined(contract, consortium):
        return Formed(committed=True)
    content = lifecycle.arguments(consortium.chaincode).SerializeToString()
    answers = await asyncio.gather(*(_approves(contract, content, m.msp_id) for m in consortium.members))
    approving = [m for m, answer in zip(consortium.members, answers, strict=True) if answer]
    names = tuple(m.name for m in approving)
    if len(approving) < consortium.majority:
        return Formed(False, names, consortium.majority)
    chosen = [m.msp_id for m in approving[: consortium.majority]]
    try:
        await contract.submit(lifecycle.COMMIT, content, endorsing_organizations=chosen)
    except errors.GatewayError:
        if not await _defined(contract, consortium):  # another member's commit was first
            raise
    return Formed(True, names, consortium.majority)


async def _approves(contract: Contract, content: bytes, msp_id: str) -> bool:
    """Say whether an organisation's peer would endorse the commit; one that does not answer does not."""
    try:
        await contract.evaluate(lifecycle.COMMIT, content, endorsing_organizations=[msp_id], retry=False)
    except errors.GatewayError:
        return False
    return True


async def _defined(contract: Contract, consortium: Consortium) -> bool:
    question = p.lifecycle.QueryChaincodeDefinitionArgs(name=consortium.chaincode.name).SerializeToString()
    try:
        answer = await contract.evaluate("QueryChaincodeDefinition", question, retry=False)
    except errors.GatewayError:
        return False
    known = p.lifecycle.QueryChaincodeDefinitionResult.FromString(answer)
    return bool(known.sequence >= consortium.chaincode.sequence)


async def _seen(contract: Contract, consortium: Consortium) -> Formed:
    return Formed(await _defined(contract, consortium))


async def _patiently(
    run: Path, consortium: Consortium, organisation: str, step: Step, *, until_committed: bool = False
) -> Formed:
    """Do a step as an organisation's administrator, again where the peer is slow to answer or, asked to, to commit."""
    deadline = time.monotonic() + ARRIVED_S
    while True:
        try:
            async with profile(run, organisation, "admin").gateway() as gateway:
                contract = gateway.network(consortium.channel).contract(lifecycle.NAMESPACE)
                while not (formed := await step(contract, consortium)).committed and until_committed:
                    _require_time(deadline, organisation, f"approved by {len(formed.approved)}")
                    await asyncio.sleep(POLL_S)
                return formed
        except errors.ConnectError as error:
            _require_time(deadline, organisation, str(error))
        await asyncio.sleep(POLL_S)


def _require_time(deadline: float, organisation: str, problem: str) -> None:
    if time.monotonic() > deadline:
        message = f"the peer of {organisation} does not have the chaincode's definition: {problem}"
        hint = "See the logs of orderer and peer; the same command goes on."
        raise NetworkError(codes.CHAINCODE_NOT_REACHED, message, hint=hint)
