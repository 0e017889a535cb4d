"""A consortium over the gateway: every member's administrator and node, and rounds with synthetic vectors."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_node.canonical import canonical_json, tagged_hash
from gateway import Contract, Endpoint, Identity, Signer, connect
from gateway.errors import EndorseError, GatewayError
from network.connection import Profile, consortium_of, profile
from network.folders import folder_of
from network.topology import Consortium
from tests.waiting import PATIENCE_S

CATALOGUE = json.loads((Path(__file__).resolve().parents[2] / "chaincode" / "errcode" / "catalogue.json").read_text())


def _segment(name: str, kind: str, word: int, maximum: int, slots: int) -> dict[str, Any]:
    shape = {"path": [], "shape": [slots], "dtype": f"int{word}"}
    return {"name": name, "kind": kind, "word": word, "ring": word, "max": maximum, "slots": slots} | shape


LAYOUT: dict[str, Any] = {
    "version": 1,
    "segments": [
        _segment("v", "value", 32, 65535, 1000),
        _segment("n", "count", 64, 1_000_000, 1),
        _segment("one", "one", 64, 1, 1),
    ],
    "count": {"segment": "n", "numerator": 1, "denominator": 1},
}


def digest(name: str) -> str:
    """Return a made-up digest."""
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass
class Federation:
    """Contracts by (organisation, user), over one gateway connection each."""

    run: Path
    consortium: Consortium
    contracts: dict[tuple[str, str], Contract] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def connect(cls, run: Path) -> AsyncIterator["Federation"]:
        """Connect as every member's administrator and node, and as the regulator's client."""
        federation = cls(run, consortium_of(run))
        users = [(member, user) for member in federation.members for user in ("admin", "node")]
        users += [(organisation.name, "client") for organisation in federation.consortium.regulators]
        async with AsyncExitStack() as stack:
            for organisation, user in users:
                who = profile(run, organisation, user)
                address, root = who.peers[0]
                gateway = await stack.enter_async_context(
                    connect(
                        [Endpoint(address, root_certificates=root)],
                        Identity(who.msp_id, who.cert_pem),
                        Signer.from_pem(who.key_pem),
                    )
                )
                contract = gateway.network(who.channel).contract(who.chaincode)
                federation.contracts[organisation, user] = contract
            yield federation

    @property
    def members(self) -> list[str]:
        """Names of the member organisations, which are their participants' ids too."""
        return [member.name for member in self.consortium.members]

    def msp(self, organisation: str) -> str:
        """Return an organisation's MSP id."""
        return self.consortium.organisation(organisation).msp_id

    def profile(self, organisation: str, user: str) -> Profile:
        """Return a user's identity."""
        return profile(self.run, organisation, user)

    async def submit(self, function: str, *, by: str = "", user: str = "admin", **arguments: Any) -> Any:
        """Commit a transaction; a peer that has not caught up yet is asked again."""
        contract = self.contracts[by or self.members[0], user]
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    return json.loads(await contract.submit(function, canonical_json(arguments)))
                except EndorseError as error:
                    if not CATALOGUE.get(error.chaincode_code or "", {}).get("retry"):
                        raise
                await asyncio.sleep(0.2)

    async def refused(self, function: str, *, by: str = "", user: str = "admin", **arguments: Any) -> str | None:
        """Return the code with which a transaction is refused; fail if it is not."""
        contract = self.contracts[by or self.members[0], user]
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await contract.submit(function, canonical_json(arguments), retry=False)
                except GatewayError as error:
                    # wrong phase: this peer has not caught up yet; verifying: it still reads the blob
                    if error.chaincode_code not in {"FL0408", "FL0901"}:
                        return error.chaincode_code
                else:
                    raise AssertionError(f"{function} was not refused")
                await asyncio.sleep(0.2)

    async def refused_by_all(self, function: str, *, by: str, user: str = "node", **arguments: Any) -> set[str | None]:
        """Ask each member's own peer to endorse a transaction; return the codes with which they refuse it."""
        codes = set()
        for member in self.members:
            codes.add(await self._refused_by(member, self.contracts[by, user], function, canonical_json(arguments)))
        return codes

    async def _refused_by(self, member: str, contract: Contract, function: str, argument: bytes) -> str | None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                proposal = contract.proposal(function, argument, endorsing_organizations=[self.msp(member)])
                with pytest.raises(EndorseError) as refusal:
                    await proposal.endorse()
                if refusal.value.chaincode_code != "FL0901":
                    return refusal.value.chaincode_code
                await asyncio.sleep(0.2)

    async def query(self, function: str, *, by: str = "", user: str = "admin", **arguments: Any) -> Any:
        """Evaluate a query."""
        contract = self.contracts[by or self.members[0], user]
        return json.loads(await contract.evaluate(function, canonical_json(arguments)))

    async def agree(self, kind: str, **body: Any) -> None:
        """Propose, and let members vote until it is decided."""
        answer = await self.submit("Propose", kind=kind, body=body, deadline_ms=0, reason="scenario")
        for member in self.members[1:]:
            if answer["status"] != "open":
                break
            answer = await self.submit("Vote", by=member, proposal=answer["proposal"], approve=True)
        assert answer["status"] == "executed"
        async with asyncio.timeout(PATIENCE_S):  # until the first member's peer, which the cases ask, has it too
            while True:
                if (await self.query("GetProposal", proposal=answer["proposal"]))["status"] == "executed":
                    break
                await asyncio.sleep(0.1)

    async def found(self) -> None:
        """Found the federation and make its first beacon."""
        definition = json.loads(folder_of(self.run, self.members[0]).terms.read_text())
        del definition["channel"]
        await self.submit("Found", **definition)
        await self.beacon()

    async def beacon(self) -> None:
        """Make the beacon that is asked for."""
        values = {member: os.urandom(32) for member in self.members}
        for member, value in values.items():
            commitment = tagged_hash("fedledger/v1/beacon-commitment", self.consortium.channel, self.msp(member), value)
            await self.submit("CommitBeacon", by=member, commitment=commitment.hex())
        for member, value in values.items():
            await self.submit("RevealBeacon", by=member, value=value.hex())

    async def admit(self, member: str) -> None:
        """Apply with the node's key, and vote."""
        certificate = x509.load_pem_x509_certificate(self.profile(member, "node").cert_pem)
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        await self.submit(
            "Apply",
            by=member,
            participant=member,
            key_hash=hashlib.sha256(spki).hexdigest(),
            profile={"rows": 200, "missing_ppm": 0, "labels": [100, 100], "schema": digest("schema")},
            evidence=[digest("evidence")],
            stake=2_000_000,
        )
        await self.agree("admit", participant=member)

    async def ready(self, rounds: int) -> None:
        """Found the federation, admit every member's participant and start the training "tumour"."""
        await self.found()
        for member in self.members:
            await self.admit(member)
        await self.start("tumour", rounds)

    async def start(self, training: str, rounds: int, cohort: int = 4) -> None:
        """Register the plan and start a training."""
        await self.agree(
            "register_plan",
            plan=digest("plan"),
            name="synthetic",
            layout=LAYOUT,
            initial_state=digest("state-0"),
            schema=digest("schema"),
        )
        await self.agree("start_training", training=training, plan=digest("plan"), rounds=rounds, cohort=cohort)

    def put_blob(self, content: bytes, holders: Collection[str]) -> str:
        """Put a blob into the folders that the holders' chaincode processes read."""
        name = hashlib.sha256(content).hexdigest()
        for holder in holders:
            path = folder_of(self.run, holder).blobs / name[:2] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return name
