"""Clients that give up at any moment, on a running network."""

import asyncio
import contextlib
import random

import pytest

from gateway import Endpoint, Identity, Signer, connect
from network.bringup import Request, down, up
from network.connection import profile
from network.processes import log_path
from tests.ports import free_ports

pytestmark = pytest.mark.slow


async def test_clients_that_give_up_disturb_nobody(tmp_path):
    run = tmp_path / "run"
    try:
        up(Request(run, "devnet", base_port=free_ports(), chaincode="./cmd/conformance"), lambda _: None)
        user = profile(run, "hospital-a")
        endpoints = [Endpoint(address, root_certificates=root) for address, root in user.peers]
        async with connect(endpoints, Identity(user.msp_id, user.cert_pem), Signer.from_pem(user.key_pem)) as gateway:
            contract = gateway.network(user.channel).contract(user.chaincode)
            await contract.submit("Put", "first", "1")
            await asyncio.gather(
                *(gives_up(contract, f"q{n}") for n in range(6)), *(stays(contract, f"s{n}") for n in range(4))
            )
            found = [await contract.evaluate("Get", f"s{n}-{m}") for n in range(4) for m in range(10)]
        logs = [log_path(run, f"peer-hospital-{letter}").read_text() for letter in "abcd"]
    finally:
        down(run)
    assert [b"1"] * 40 == found
    assert [] == [line for log in logs for line in log.splitlines() if "lost" in line]


async def gives_up(contract, name):
    for number in range(25):
        task = asyncio.create_task(contract.submit("Put", f"{name}-{number}", "1", retry=False))
        await asyncio.sleep(random.random() * 0.15)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def stays(contract, name):
    for number in range(10):
        await contract.submit("Put", f"{name}-{number}", "1", retry=False)
