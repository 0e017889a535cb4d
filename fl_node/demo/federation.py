"""What the organisations' admins do, one function for each decision; nothing here that a consortium would not do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fl_node.commands.blobs import place
from fl_node.commands.founding import found
from fl_node.commands.member import application
from fl_node.commands.proposal import cast, propose
from fl_node.commands.registering import registration, rules_of
from fl_node.ledger.client import Ledger, open_ledger
from fl_node.plan.container import load_plan
from network.connection import consortium_of, profile

STAKE: Final = 2_000_000
LAG_LOOKS: Final = 20
LAG_S: Final = 0.1


@dataclass(frozen=True)
class Federation:
    """One connection as admin of each member organisation, by the organisation's name."""

    run: Path
    admins: Mapping[str, Ledger]

    @property
    def first(self) -> Ledger:
        """Return the first member's connection."""
        return next(iter(self.admins.values()))

    async def found(self) -> dict[str, Any]:
        """Let every founder agree to the terms and give its part of the first beacon."""
        await asyncio.gather(*(found(ledger) for ledger in self.admins.values()))
        return dict(await self.first.query("GetFederation"))

    async def apply(self, plan: Path, data: Mapping[str, Path]) -> dict[str, Any]:
        """Let every organisation apply with its own profile; return organisation → profile."""

        async def one(name: str, ledger: Ledger) -> dict[str, Any]:
            described = await asyncio.to_thread(application, self.run, name, plan, data[name], name)
            await ledger.submit("Apply", **described, evidence=[], stake=STAKE)
            return dict(described["profile"])

        profiles = await asyncio.gather(*(one(name, ledger) for name, ledger in self.admins.items()))
        return dict(zip(self.admins, profiles, strict=True))

    async def decide(self, kind: str, body: dict[str, Any], proposer: str = "") -> dict[str, Any]:
        """Propose something and let the others vote yes until it is executed; return the proposal as it then stands."""
        names = [proposer, *(name for name in self.admins if name != proposer)] if proposer else list(self.admins)
        answer = await propose(self.admins[names[0]], kind, body)
        for name in names[1:]:
            if answer["status"].lower() != "open":
                break
            answer = await cast(self.admins[name], answer["proposal"], approve=True)
        for _ in range(LAG_LOOKS):
            decided = dict(await self.first.query("GetProposal", proposal=answer["proposal"]))
            if decided["status"] == answer["status"]:
                break
            await asyncio.sleep(LAG_S)  # our peer has not seen the last vote's block yet
        return decided

    async def vet(self) -> list[dict[str, Any]]:
        """Let the organisations vote every applicant in, each proposed by its own organisation."""
        decided = [self.decide("admit", {"participant": name}, name) for name in self.admins]
        return list(await asyncio.gather(*decided))

    async def register(self, plan: Path) -> str:
        """Place the plan and its initial state with every member and vote for it; return its digest."""
        read = await asyncio.to_thread(load_plan, plan)
        organisation = next(iter(self.admins))
        await place(self.run, organisation, await asyncio.to_thread(plan.read_bytes), "admin")
        await place(self.run, organisation, read.initial_state, "admin")
        await self.decide("register_plan", registration(read, await rules_of(self.first)))
        return read.digest


@contextlib.asynccontextmanager
async def opened(run: Path) -> AsyncIterator[Federation]:
    """Connect as every member's admin."""
    async with contextlib.AsyncExitStack() as stack:
        admins = {}
        for member in consortium_of(run).members:
            admins[member.name] = await stack.enter_async_context(open_ledger(profile(run, member.name, "admin")))
        yield Federation(run, admins)
