"""Forms the channel on running processes: join, install, approve, commit, and wait until every gateway routes."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway import Endpoint, Gateway, Identity, connect, errors
from network import codes
from network.blocking import finish
from network.connection import profile
from network.errors import NetworkError
from network.fabric.admin import Admin
from network.fabric.participation import OrdererAdmin
from network.topology import Consortium

ROUTES_S = 60.0
POLL_S = 0.2
UNKNOWN_FUNCTION = "fedledger:does-it-route"  # any answer of the chaincode, a refusal too, shows the way is open


def form_channel(run: Path, consortium: Consortium, report: Callable[[str], None]) -> None:
    """Do what of it has not been done.

    Raises:
        NetworkError: FL1053 or FL1054 if a peer or orderer refuses, FL1055 if gateways do not route in time.
    """
    report("joining the channel")
    _together(OrdererAdmin(consortium, run, *each).join for each in consortium.orderers)
    admins = [Admin(consortium, run, organisation) for organisation in consortium.peer_organisations]
    _together(admin.join for admin in admins)
    members = [admin for admin in admins if admin.organisation.role == "member"]
    if not members[0].committed():
        report("installing and approving the chaincode")
        _together(admin.install for admin in members)
        _together(admin.approve for admin in members)
        members[0].commit()
    report("waiting for the gateways")
    finish(_routes(run, consortium))


def join_channel(run: Path, consortium: Consortium, organisation: str, report: Callable[[str], None]) -> None:
    """Let a newcomer's peer into a channel that is already formed and knows it; what of it has been done stays.

    Raises:
        NetworkError: as form_channel.
    """
    report("joining the channel")
    admin = Admin(consortium, run, consortium.organisation(organisation))
    admin.join()
    if admin.organisation.role == "member":
        report("installing and approving the chaincode")
        admin.install()
        admin.approve()
    report("waiting for the gateways")
    finish(_routes(run, consortium))


async def _routes(run: Path, consortium: Consortium) -> None:
    deadline = time.monotonic() + ROUTES_S
    await asyncio.gather(*(_gateway_routes(run, consortium, o.name, deadline) for o in consortium.peer_organisations))


async def _gateway_routes(run: Path, consortium: Consortium, organisation: str, deadline: float) -> None:
    user = profile(run, organisation, "client")
    endpoints = [Endpoint(address, root_certificates=root) for address, root in user.peers]
    async with connect(endpoints, Identity(user.msp_id, user.cert_pem), user.signer) as gateway:
        for member in consortium.members:
            while problem := await _problem(gateway, consortium, member.msp_id):
                if time.monotonic() > deadline:
                    message = f"the gateway of {organisation} does not reach {member.name}: {problem}"
                    raise NetworkError(codes.CHAINCODE_NOT_REACHED, message, where=user.peers[0][0])
                await asyncio.sleep(POLL_S)


async def _problem(gateway: Gateway, consortium: Consortium, msp_id: str) -> str | None:
    contract = gateway.network(consortium.channel).contract(consortium.chaincode.name)
    try:
        await contract.evaluate(UNKNOWN_FUNCTION, "{}", endorsing_organizations=[msp_id], retry=False)
    except errors.GatewayError as error:
        return None if "chaincode response" in str(error) else str(error)
    return None


def _together(steps: Iterable[Callable[[], Any]]) -> None:
    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(step) for step in steps]:
            future.result()
