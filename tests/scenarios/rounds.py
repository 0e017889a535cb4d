"""One round over the network: real participants of fl_node.secagg with synthetic vectors."""

import asyncio
import base64
import hashlib
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from fl_node.canonical import canonical_json
from fl_node.secagg import messages as m
from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.choice import mode_of
from fl_node.secagg.session import Session
from fl_node.secagg.simulation import Simulation
from tests.scenarios.federation import LAYOUT, Federation, digest
from tests.waiting import PATIENCE_S

EXAMPLES = 100


@dataclass
class Attempt:
    """An open attempt with its participants; every step checks what the ledger says.

    Attributes:
        layout: The layout of the plan's sums.
    """

    layout: ClassVar[Mapping[str, Any]] = LAYOUT

    federation: Federation
    ref: Mapping[str, Any]
    simulation: Simulation
    revealed: dict[str, m.RevealShares] = field(default_factory=dict)

    @classmethod
    async def open(cls, federation: Federation, training: str) -> Self:
        """Open the next round or attempt."""
        ref = await federation.submit("OpenRound", training=training)
        view = await federation.query("GetRound", **ref)
        session = Session(
            channel=federation.consortium.channel,
            **ref,
            plan=bytes.fromhex(view["plan"]),
            base_state=bytes.fromhex(view["base_state"]),
            layout=Layout.parse(canonical_json(cls.layout)),
            cohort=tuple(view["cohort"]),
            threshold=view["threshold"],
            groups=tuple(map(tuple, view.get("groups", ()))),
            mode=mode_of(view["mode"], view.get("robust_groups") or view.get("plain") or {}),
        )
        assert session.digest.hex() == view["session"]
        return cls(federation, ref, Simulation(session))

    async def view(self) -> Any:
        """Return GetRound."""
        return await self.federation.query("GetRound", **self.ref)

    async def advance(self, to: str) -> None:
        """Move the round on, waiting for its deadline where someone is missing; the last word may have done so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self.federation.submit("Advance", user="node", **self.ref)
                if answer["moved"] or (answer["phase"] == to and not (await self.view())["proposal"]):
                    break
                await asyncio.sleep(0.5)
        assert answer["phase"] == to, (await self.view())["void_reason"]

    async def by_node(self, function: str, name: str, **arguments: Any) -> Any:
        """Commit a participant's transaction."""
        return await self.federation.submit(function, by=name, user="node", **self.ref, **arguments)

    async def keys_and_shares(self) -> None:
        """Run the phases Keys and Shares."""
        self.simulation.publish_keys()
        await self.keys(self.simulation.keys)
        await self.all_shares()

    async def keys(self, names: Collection[str]) -> None:
        """Let some participants publish their keys."""
        await asyncio.gather(*(self._publish(name) for name in names))

    async def all_shares(self) -> None:
        """Run the phase Shares, once all keys are there."""
        await self.advance("Shares")
        self.simulation.commit_shares()
        await asyncio.gather(*(self._commit(name) for name in self.simulation.commitments))
        await self.advance("Updates")

    async def _publish(self, name: str) -> None:
        keys = self.simulation.keys[name]
        await self.by_node("PublishKeys", name, seal_key=keys.seal.hex(), mask_key=keys.mask.hex())

    async def _commit(self, name: str) -> None:
        shares = self.simulation.commitments[name]
        self.federation.put_blob(self.simulation.blobs[shares.sealed], self.federation.members)
        await self.by_node(
            "CommitShares",
            name,
            seed_commitment=shares.seed_commitment.hex(),
            shares_root=shares.shares_root.hex(),
            sealed=shares.sealed.hex(),
        )

    async def updates(self, absent: Collection[str] = (), spoil: bool = False) -> None:
        """Mask and commit synthetic vectors, one of them garbage if asked; then the survivors are frozen."""
        self.simulation.commit_updates(self.vectors(), absent)
        if spoil:
            self.prepare_reveals()  # before: nobody reveals anything for an update that is not its own
            self._spoil(min(self.simulation.updates))
        await asyncio.gather(
            *(self.by_node("CommitUpdate", name, **self.update(name)) for name in self.simulation.updates)
        )
        await self.advance("Unmask")

    def vectors(self) -> dict[str, bytes]:
        """Return every participant's plain update."""
        return vectors(self.simulation.session)

    def _spoil(self, name: str) -> None:
        """Let a participant commit to an update whose masked slot lies out of range."""
        garbage = bytearray(self.simulation.blobs[self.simulation.updates[name]])
        garbage[3] ^= 0x40  # adds or takes 2^30 from the masked slot, and so from the plain one
        digest_of = hashlib.sha256(garbage).digest()
        self.simulation.updates[name], self.simulation.blobs[digest_of] = digest_of, bytes(garbage)

    def update(self, name: str) -> dict[str, Any]:
        """Return the rest of CommitUpdate's argument; the blob lies with every member."""
        session = self.simulation.session
        blob = self.simulation.blobs[self.simulation.updates[name]]
        return {
            "digest": self.federation.put_blob(blob, self.federation.members),
            "length": len(blob),
            "examples": EXAMPLES,
            "plan": session.plan.hex(),
            "base_state": session.base_state.hex(),
        }

    def prepare_reveals(self) -> None:
        """Let every survivor produce its shares."""
        session, updates = self.simulation.session, dict(self.simulation.updates)
        for name in session.members(updates):
            fixed = m.SurvivorsFixed(updates=updates, survivors=session.members(updates))
            (message,) = self.simulation.participants[name].receive(fixed)
            assert isinstance(message, m.RevealShares)
            self.revealed[name] = message
            self.simulation.reveals += [(share.dealer, name, share.value) for share in message.shares]

    async def unmask(self) -> None:
        """Reveal shares."""
        if not self.revealed:
            self.prepare_reveals()
        await asyncio.gather(*(self.by_node("RevealShares", name, shares=self.shares(name)) for name in self.revealed))
        await self.advance("Attest")

    def shares(self, name: str) -> list[dict[str, Any]]:
        """Return the shares that a survivor reveals."""
        return [
            {
                "dealer": share.dealer,
                "kind": str(share.kind),
                "value": share.value.hex(),
                "proof": [node.hex() for node in share.proof],
            }
            for share in self.revealed[name].shares
        ]

    def result(self, **changes: Any) -> dict[str, Any]:
        """Return the rest of ProposeAggregate's argument."""
        aggregate = self.simulation.unmask()
        true = {
            "aggregate": aggregate.digest.hex(),
            "state": self.state(),
            "metrics": {"loss": "0.25"},
            "examples": EXAMPLES * len(self.simulation.updates),
        }
        if aggregate.sums:
            true["sums"] = [one.hex() for one in aggregate.sums]
        if aggregate.outlying:
            true["outlying"] = list(aggregate.outlying)
        return true | changes

    def state(self) -> str:
        """Return the digest of the state that this round makes."""
        return digest(f"state-{self.ref['round']}-{self.ref['attempt']}")

    async def aggregator(self) -> str:
        """Return whose turn it is, waiting until the turn has come."""
        turn = (await self.view())["turns"][0]
        await asyncio.sleep(max(0.0, turn["from_ms"] / 1000 - time.time()))
        return str(turn["participant"])

    async def attest(self, *, number: int, agree: bool = True, state: str | None = None) -> None:
        """Let a majority of the members say the same; in version 2 of the rules the proposer's has said yes already."""
        members, said = self.federation.members, (await self.view())["attestations"]
        alike = sum(word["agree"] == agree for word in said.values())
        others = [name for name in members if self.federation.msp(name) not in said]
        for member in others[: len(members) // 2 + 1 - alike]:
            await self.federation.submit(
                "Attest",
                by=member,
                **self.ref,
                number=number,
                state=state or self.state(),
                agree=agree,
                deviation_e9=0,
            )

    async def report_lie(self, liar: str, lie: bytes) -> None:
        """Let an honest node bring a ProposeAggregate that the liar signed and endorsers refuse."""
        proposal, signature = await self.federation.contracts[liar, "node"].proposal("ProposeAggregate", lie).evidence()
        evidence = {
            name: base64.b64encode(raw).decode() for name, raw in (("proposal", proposal), ("signature", signature))
        }
        witness = next(member for member in self.federation.members if member != liar)
        await self.by_node("ReportFault", witness, kind="refused_payload", accused=liar, evidence=evidence)

    def lie(self) -> bytes:
        """Return a ProposeAggregate of this attempt whose sum is another."""
        return canonical_json({**self.ref, **self.result(aggregate=digest("another sum"))})

    async def finish(self) -> None:
        """Propose the true result and let it be attested."""
        answer = await self.by_node("ProposeAggregate", await self.aggregator(), **self.result())
        await self.attest(number=answer["number"])
        await self.advance("Final")


def vectors(session: Session) -> dict[str, bytes]:
    """Return every participant's plain update."""
    return {
        name: bytes(session.layout.pack({"v": [place + 1] * 1000, "n": [EXAMPLES], "one": [1]}))
        for place, name in enumerate(session.cohort)
    }
