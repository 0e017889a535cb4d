"""A running network, as the cases see it: the same on devnet and on real Fabric."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gateway import Contract, Endpoint, Gateway, Identity, Signer, Transaction, connect
from gateway.errors import EndorseError, SubmitError
from network import bringup
from network.connection import Profile, consortium_of, network_kind, profile
from network.plan import Plan
from network.topology import DEFAULT_DEFINITION, Consortium
from tests.contract.harness.collections import COLLECTIONS
from tests.ports import free_ports
from tests.waiting import PATIENCE_S

CONTRACT = "./cmd/conformance"
CALLEE = "callee"
"""The same contract once more on the channel, under a name of its own."""
FABRIC_PROGRAMS = ("peer", "orderer", "configtxgen")


@dataclass(frozen=True)
class Ledger:
    """A network of four members and a regulator that runs the conformance contract."""

    run: Path
    kind: str
    consortium: Consortium = field(repr=False)

    @property
    def members(self) -> list[str]:
        """Names of the member organisations."""
        return [member.name for member in self.consortium.members]

    @property
    def msp_ids(self) -> list[str]:
        """MSP ids of the members, in the same order."""
        return [member.msp_id for member in self.consortium.members]

    @property
    def threshold(self) -> int:
        """How many members must endorse."""
        return self.consortium.threshold

    def user(self, organisation: str = "hospital-a", name: str = "client") -> Profile:
        """The identity of a user."""
        return profile(self.run, organisation, name)

    def endpoint(self, organisation: str = "hospital-a") -> Endpoint:
        """The peer of an organisation."""
        address, root = self.user(organisation).peers[0]
        return Endpoint(address, root_certificates=root)

    @asynccontextmanager
    async def gateway(
        self,
        organisation: str = "hospital-a",
        user: str = "client",
        *,
        identity: tuple[Identity, Signer] | None = None,
        endpoint: Endpoint | None = None,
        **options: Any,
    ) -> AsyncIterator[Gateway]:
        """Connect to an organisation's peer as one of its users, or as another identity or at another endpoint.

        It is the peers that are to refuse a bad identity here, so the client does not look first.
        """
        who = self.user(organisation, user)
        known = identity or (Identity(who.msp_id, who.cert_pem), who.signer)
        async with connect([endpoint or self.endpoint(organisation)], *known, check=False, **options) as gateway:
            yield gateway

    @asynccontextmanager
    async def contract(
        self, organisation: str = "hospital-a", user: str = "client", **options: Any
    ) -> AsyncIterator[Contract]:
        """Connect and return the conformance contract."""
        async with self.gateway(organisation, user, **options) as gateway:
            yield self.contract_of(gateway)

    def contract_of(self, gateway: Gateway) -> Contract:
        """The conformance contract behind a gateway."""
        return gateway.network(self.consortium.channel).contract(self.consortium.chaincode.name)

    @property
    def orderers(self) -> list[str]:
        """Names of the ordering processes."""
        return [process.name for process in Plan.read(self.run).processes if process.name.startswith("orderer")]

    def start(self, name: str) -> None:
        """Start a process again."""
        bringup.start_one(self.run, name)

    def up(self) -> None:
        """Start what does not run and wait until every gateway finds endorsers again."""
        bringup.up(bringup.Request(self.run, self.kind), lambda _: None)  # type: ignore[arg-type]

    def kill(self, name: str) -> None:
        """Kill a process as a power failure would."""
        assert bringup.stop_one(self.run, name, kill=True), f"{name} did not run"


@contextmanager
def running(run: Path, kind: str, ordering: str = "bft", orderers: Sequence[str] = ()) -> Iterator[Ledger]:
    """Bring up a network for the time of a session or case, and take it down after.

    `orderers` names the members and regulators that have an orderer each; none: the default's ordering organisation.
    """
    definition = run.with_name("consortium.yaml")
    value = yaml.safe_load(DEFAULT_DEFINITION.read_text())
    if orderers:
        value["organisations"] = [
            {**o, "orderers": int(o["name"] in orderers)} for o in value["organisations"] if o["role"] != "orderer"
        ]
    chaincode = {**value["chaincode"], "collections": COLLECTIONS}
    changes = {"ordering": ordering, "chaincode": chaincode, "others": [{"name": CALLEE, "package": CONTRACT}]}
    definition.write_text(yaml.safe_dump({**value, **changes}, sort_keys=False))
    request = bringup.Request(run, kind, definition, free_ports(), CONTRACT)  # type: ignore[arg-type]
    try:
        bringup.up(request, lambda _: None)
        yield opened(run)
    finally:
        bringup.down(run)


def opened(run: Path) -> Ledger:
    """The network that is up in a run folder."""
    return Ledger(run, network_kind(run), consortium_of(run))


async def endorse(contract: Contract, function: str, *arguments: str, **options: Any) -> Transaction:
    """Endorse a transaction that reads; a peer that has not committed the last block yet answers otherwise at first."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await contract.proposal(function, *arguments, **options).endorse()
            except EndorseError as error:
                if not any("do not match" in detail.message for detail in error.details):
                    raise
            await asyncio.sleep(0.05)


def refusals(error: SubmitError) -> list[str]:
    """What the orderers that refused a transaction say; a gateway asks all under BFT, any one under Raft."""
    return [detail.message for detail in error.details] or [error.message]


def fabric_program(name: str) -> str | None:
    """Path of a program of Fabric, None where this machine has none."""
    return shutil.which(name, path=os.environ.get("FABRIC_BIN")) or shutil.which(name)
