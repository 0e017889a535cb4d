"""Forms the channel on running processes: join, install, approve, commit, and wait until every gateway routes."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway import Gateway, errors
from network import codes
from network.blocking import finish
from network.connection import Profile, profile
from network.errors import NetworkError
from network.fabric.admin import Admin
from network.fabric.participation import OrdererAdmin
from network.forming import Formed
from network.organisation import here
from network.processes import answers
from network.topology import Consortium, Organisation

ROUTES_S = 60.0
POLL_S = 0.2
UNKNOWN_FUNCTION = "fedledger:does-it-route"  # any answer of the chaincode, a refusal too, shows the way is open


def form_channel(run: Path, consortium: Consortium, report: Callable[[str], None]) -> Formed:
    """Do what of it has not been done by the organisations whose folders are here.

    Raises:
        NetworkError: FL1053 or FL1054 if a peer or orderer refuses, FL1055 if gateways do not route in time.
    """
    present = [(o, folder.root) for o, folder in here(run, consortium)]
    report("joining the channel")
    _together(OrdererAdmin(consortium, root, o, orderer).join for o, root in present for orderer in o.orderers)
    admins = [Admin(consortium, root, o, number) for o, root in present for number, _ in enumerate(o.peers)]
    _together(admin.join for admin in admins)
    if not admins:
        return Formed(None)
    members = [admin for admin in admins if admin.organisation.role == "member"]
    formed = Formed(admins[0].committed())
    if members and (answering := _too_few_orderers(consortium)) is not None:
        return Formed(committed=False, needed=consortium.majority, orderers=answering)
    if members:
        report("installing and approving the chaincode")
        formed = _define_all(members, consortium)
    if formed.committed:
        report("waiting for the gateways")
        for each in consortium.each():
            wait_for_routes(run, each)
    return formed


def _too_few_orderers(consortium: Consortium) -> int | None:
    """Return how many orderers answer if they cannot order yet: their organisations come one after another."""
    answering = sum(answers(orderer.host, orderer.port) for _, orderer in consortium.orderers)
    return answering if answering < len(consortium.orderers) - consortium.tolerated else None


def _define_all(members: Sequence[Admin], consortium: Consortium) -> Formed:
    """Install and define every contract, the channel's first at last; return how that one stands, and what is lost."""
    _together(admin.install for admin in members)
    formed, lost = Formed(None), None
    for each in (*consortium.each()[1:], consortium):
        admins = [replace(admin, consortium=each) for admin in members]
        if each is not consortium:
            _together(admin.install for admin in admins)
        firsts = [admin for admin in admins if not admin.number]
        try:
            formed = _define(firsts, each)
        except NetworkError as error:
            if error.code != codes.APPROVAL_LOST:
                raise
            formed, lost = Formed(firsts[0].committed()), error  # it goes on as a member that endorses nothing
    return replace(formed, lost=lost)


def _define(members: Sequence[Admin], consortium: Consortium) -> Formed:
    """Approve the definition for the members here, and commit it if a majority has approved."""
    _together(admin.approve for admin in members)
    if members[0].committed():
        return Formed(committed=True)
    approved = _approvals(members, consortium)
    if len(approved) < consortium.majority:
        return Formed(False, approved, consortium.majority)
    try:
        members[0].commit(approved)
    except NetworkError:
        if not members[0].committed():  # another member's commit was first
            raise
    return Formed(True, approved, consortium.majority)


def _approvals(members: Sequence[Admin], consortium: Consortium) -> tuple[str, ...]:
    """Return who has approved; where a majority is here, once their approvals have arrived at the first one's peer."""
    deadline = time.monotonic() + ROUTES_S
    while len(approved := members[0].approvals()) < consortium.majority:
        if len(members) < consortium.majority or time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    return approved


def wait_for_routes(run: Path, consortium: Consortium) -> None:
    """Wait until the gateways here reach the chaincode; FL1055 if they do not in time."""
    finish(_routes(run, consortium, [o for o, _ in here(run, consortium) if o.peers]))


async def _routes(run: Path, consortium: Consortium, present: Sequence[Organisation]) -> None:
    """Wait until the gateways here reach the chaincode: everybody's where all are here, else any member's."""
    deadline = time.monotonic() + ROUTES_S
    members = [m.msp_id for m in consortium.members]
    wanted = members if len(present) == len(consortium.peer_organisations) else []
    users = [profile(run, o.name, "client") for o in present]
    every = [replace(user, peers=(peer,)) for user in users for peer in user.peers]
    await asyncio.gather(*(_gateway_routes(user, consortium, wanted, deadline) for user in every))


async def _gateway_routes(user: Profile, consortium: Consortium, wanted: Sequence[str], deadline: float) -> None:
    """Wait until the gateway of one peer, the profile's only one, reaches the chaincode."""
    ((address, _),) = user.peers
    async with user.gateway() as gateway:
        for targets in [[msp_id] for msp_id in wanted] or [[]]:
            while problem := await _problem(gateway, consortium, targets):
                if time.monotonic() > deadline:
                    whom = ", ".join(targets) or "any member"
                    message = f"the gateway of {user.organisation} does not reach {whom}: {problem}"
                    raise NetworkError(codes.CHAINCODE_NOT_REACHED, message, where=address)
                await asyncio.sleep(POLL_S)


async def _problem(gateway: Gateway, consortium: Consortium, targets: list[str]) -> str | None:
    contract = gateway.network(consortium.channel).contract(consortium.chaincode.name)
    try:
        await contract.evaluate(UNKNOWN_FUNCTION, "{}", endorsing_organizations=targets, retry=False)
    except errors.GatewayError as error:
        return None if "chaincode response" in str(error) else str(error)
    return None


def _together(steps: Iterable[Callable[[], Any]]) -> None:
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(step) for step in steps]:
            future.result()
