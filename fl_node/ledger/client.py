"""The federation contract as typed functions over the gateway client."""

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fl_node import codes
from fl_node.canonical import canonical_json
from fl_node.errors import NodeError
from fl_node.journal.egress import EgressLog
from fl_node.ledger.records import Parameters, Participant, Plan, Reveal, Round, Training
from gateway import Contract, Gateway, RetryPolicy, Transaction, ValidationCode
from gateway.errors import ConnectError, GatewayError
from network import codes as network_codes
from network import contract_codes
from network.connection import Profile
from network.errors import NetworkError

RETRYABLE: Final = (contract_codes.BLOB_MISSING, contract_codes.VERIFYING, contract_codes.INTERNAL)
"""A blob that is still on its way, a verification under way, an internal hiccup: the same proposal may pass later."""
IMPATIENT_ATTEMPTS: Final = 3
OVERTAKEN: Final = (ValidationCode.MVCC_READ_CONFLICT, ValidationCode.PHANTOM_READ_CONFLICT)
COMMIT_ALARM_S: Final = 45.0
PAGE: Final = 50


class LedgerError(NodeError):
    """The chaincode, a peer or the orderers refused; the code is the chaincode's where it gave one."""


class Endorsed:
    """A transaction that enough peers have endorsed and no orderer has seen.

    Attributes:
        answer: What the function returned.
    """

    def __init__(self, function: str, transaction: Transaction) -> None:
        self._function = function
        self._transaction = transaction
        self.answer: dict[str, Any] = json.loads(transaction.result or b"{}")

    async def committed(self) -> bool:
        """Have it ordered and wait for its block; False where another transaction overtook it.

        Raises:
            LedgerError: as `Ledger.submit`, of orderers.
        """
        with _explaining(self._function):
            async with asyncio.timeout(COMMIT_ALARM_S):
                status = await (await self._transaction.submit()).status()
        if not status.successful and status.code not in OVERTAKEN:
            raise LedgerError(codes.LEDGER_UNREACHABLE, f"committed as {status.code.name}", where=self._function)
        return status.successful


class Ledger:
    """The chaincode's functions, called as one user of one organisation.

    Attributes:
        answering: Whose peers may answer a query; empty means any. A gateway whose own chaincode is down asks another
            organisation's, which a node must not take for its own peer's word.
    """

    def __init__(
        self, gateway: Gateway, profile: Profile, egress: EgressLog | None = None, answering: tuple[str, ...] = ()
    ) -> None:
        self.gateway = gateway
        self.profile = profile
        self.answering = answering
        self.network = gateway.network(profile.channel)
        self._contract: Contract = self.network.contract(profile.chaincode)
        self._egress = egress
        self._plans: dict[str, Plan] = {}

    async def query(self, function: str, /, *, organisations: tuple[str, ...] = (), **arguments: Any) -> Any:
        """Ask a peer (of the given organisations, else of `answering`) and return the decoded answer.

        Raises:
            LedgerError: the query was refused, or nobody answered.
        """
        asked = organisations or self.answering
        argument = canonical_json(arguments)
        if self._egress:
            for msp in set(asked) - {self.profile.msp_id}:
                self._egress.query(msp, function, argument)
        try:
            raw = await self._contract.evaluate(function, argument, endorsing_organizations=asked or None)
        except GatewayError as error:
            raise explained(error, function) from None
        return json.loads(raw) if raw else {}

    async def submit(
        self, function: str, /, *, organisations: tuple[str, ...] = (), patient: bool = True, **arguments: Any
    ) -> Any:
        """Commit a transaction and return the function's answer; unless patient, RETRYABLE answers are raised too.

        Raises:
            LedgerError: with the chaincode's code where it refused; FL4401 where no block held it in time.
        """
        argument = canonical_json(arguments)
        if self._egress:
            self._egress.transaction(function, argument)
        with _explaining(function):
            async with asyncio.timeout(COMMIT_ALARM_S):
                raw = await self._contract.submit(
                    function,
                    argument,
                    endorsing_organizations=organisations or None,
                    retry=True if patient else RetryPolicy(attempts=IMPATIENT_ATTEMPTS),
                )
        return json.loads(raw) if raw else {}

    async def move(self, function: str, /, **arguments: Any) -> bool:
        """Commit what any node may, unless its endorsers see nothing to move; tell whether this transaction moved it.

        One that another's overtook is not repeated: the ledger has moved on.

        Raises:
            LedgerError: as `submit`.
        """
        endorsed = await self.endorsed(function, **arguments)
        return endorsed.answer.get("moved") is not False and await endorsed.committed()

    async def endorsed(self, function: str, /, **arguments: Any) -> "Endorsed":
        """Have a transaction endorsed, to be ordered later; nothing is tried again.

        Raises:
            LedgerError: as `submit`, of endorsers.
        """
        argument = canonical_json(arguments)
        if self._egress:
            self._egress.transaction(function, argument)
        with _explaining(function):
            async with asyncio.timeout(COMMIT_ALARM_S):
                return Endorsed(function, await self._contract.proposal(function, argument).endorse())

    async def word(self, function: str, /, **arguments: Any) -> dict[str, str]:
        """Return what this user would ask for, signed: `proposal` and `signature`, base64, for somebody to carry."""
        argument = canonical_json(arguments)
        if self._egress:
            self._egress.transaction(function, argument)
        payload, signature = await self._contract.proposal(function, argument).evidence()
        return _encoded(payload, signature)

    async def refused(self, function: str, /, **arguments: Any) -> tuple[LedgerError | None, dict[str, str]]:
        """Ask for endorsement only; return the refusal, None if there was none, and the signed payload as evidence."""
        proposal = self._contract.proposal(function, canonical_json(arguments))
        payload, signature = await proposal.evidence()
        evidence = _encoded(payload, signature)
        try:
            await proposal.with_signature(signature).endorse()
        except GatewayError as error:
            return explained(error, function), evidence
        return None, evidence

    async def everything(self, function: str, /, **arguments: Any) -> list[Any]:
        """Return all items of a paginated query."""
        return [item async for page in self._pages(function, arguments) for item in page["items"]]

    async def lineage(self, training: str) -> dict[str, Any]:
        """Return what led to a training's model, read by pages: no answer grows with its age."""
        pages = [page async for page in self._pages("GetLineage", {"training": training})]
        return {**pages[0], "steps": [step for page in pages for step in page["steps"]]}

    async def _pages(self, function: str, arguments: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        bookmark = ""
        while True:
            page = await self.query(function, page_size=PAGE, bookmark=bookmark, **arguments)
            yield page
            bookmark = page.get("bookmark", "")
            if not bookmark:
                return

    async def round(
        self, training: str, round_: int = 0, attempt: int = 0, organisations: tuple[str, ...] = ()
    ) -> Round | None:
        """Return an attempt of a round, by default the newest, or None where none was opened."""
        try:
            answer = await self.query(
                "GetRound", organisations=organisations, training=training, round=round_, attempt=attempt
            )
        except LedgerError as error:
            if error.code == contract_codes.UNKNOWN_ROUND:
                return None
            raise
        return Round.model_validate(answer)

    async def reveals(self, view: Round) -> dict[str, dict[str, Reveal]]:
        """Return receiver → dealer → revealed share of an attempt."""
        answer = await self.query("GetReveals", **view.ref)
        return {
            receiver: {dealer: Reveal.model_validate(share) for dealer, share in shares.items()}
            for receiver, shares in answer["reveals"].items()
        }

    async def training(self, training: str) -> Training:
        """Return a training."""
        return Training.model_validate(await self.query("GetTraining", training=training))

    async def trainings(self) -> list[Training]:
        """Return all trainings."""
        return [Training.model_validate(item) for item in await self.everything("ListTrainings")]

    async def plan(self, plan: str) -> Plan:
        """Return a registered plan, which never changes."""
        if plan not in self._plans:
            self._plans[plan] = Plan.model_validate(await self.query("GetPlan", plan=plan))
        return self._plans[plan]

    async def participant(self, participant: str) -> Participant:
        """Return a participant's record."""
        return Participant.model_validate(await self.query("GetParticipant", participant=participant))

    async def parameters(self) -> Parameters:
        """Return the federation's parameters."""
        return Parameters.model_validate(await self.query("GetParameters"))


def _encoded(proposal: bytes, signature: bytes) -> dict[str, str]:
    return {"proposal": base64.b64encode(proposal).decode(), "signature": base64.b64encode(signature).decode()}


@contextlib.contextmanager
def _explaining(function: str) -> Iterator[None]:
    """Raise what goes wrong with a transaction as ours; no block for too long is an alarm."""
    try:
        yield
    except GatewayError as error:
        raise explained(error, function) from None
    except TimeoutError:
        hint = "Look at the orderers; this may be censorship (docs/threat-model.md)."
        raise LedgerError(
            codes.NOT_COMMITTED, f"not committed after {COMMIT_ALARM_S:.0f} s", where=function, hint=hint
        ) from None


@contextlib.asynccontextmanager
async def open_ledger(
    profile: Profile, egress: EgressLog | None = None, answering: tuple[str, ...] = ()
) -> AsyncIterator[Ledger]:
    """Connect to the organisation's own peer.

    Raises:
        NodeError: FL4005, it does not answer; FL4002, certificate or key is not usable.
    """
    gateway = gateway_of(profile)
    try:
        await gateway.open()
    except ConnectError as error:
        await gateway.close()
        hint = "Is the network up (`fedledger network status`)?"
        raise NodeError(codes.LEDGER_UNREACHABLE, error.message, where=profile.peers[0][0], hint=hint) from None
    try:
        yield Ledger(gateway, profile, egress, answering)
    finally:
        await gateway.close()


def gateway_of(profile: Profile) -> Gateway:
    """Return a gateway to the profile's peers that connects with its first call.

    Raises:
        NodeError: FL4002, certificate or key is not usable.
    """
    try:
        return profile.gateway(RetryPolicy(attempts=25, longest_delay=2.0, retryable=RETRYABLE))
    except NetworkError as error:
        if error.code != network_codes.KEY_DAMAGED:
            raise
        text = f"the identity is not usable: {error.message}"
        raise NodeError(codes.IDENTITY_UNUSABLE, text, where=profile.organisation, hint=error.hint) from None


def meaning(code: str) -> str:
    """Return what one of the chaincode's codes means and what to do; empty for a code that is not known."""
    return " ".join(filter(None, contract_codes.CATALOGUE.get(code, ())))


def explained(error: GatewayError, function: str) -> LedgerError:
    """Return a gateway's error as ours, with the chaincode's own sentence where there is one."""
    texts = [*(detail.message for detail in error.details), error.message]
    code = error.chaincode_code
    if code:
        sentence = next(text for text in texts if code in text)
        return LedgerError(code, sentence.split(f"{code}: ", 1)[-1], where=function, hint=meaning(code))
    said = "; ".join(dict.fromkeys(texts))
    if "access denied" in said:
        hint = "It is revoked, expired or unknown: renew it with `fedledger identity rotate`, or `node rotate-key`."
        return LedgerError(
            codes.CERTIFICATE_REFUSED, f"the channel refuses this certificate: {said}", where=function, hint=hint
        )
    if "incorrect timestamp" in said:
        hint = "Set the clock (for example with chrony)."
        return LedgerError(
            codes.CLOCK_DIFFERS, f"peers do not accept this machine's time: {said}", where=function, hint=hint
        )
    return LedgerError(codes.LEDGER_UNREACHABLE, f"{error.stage}: {said}", where=function)


def public_key_hash(certificate_pem: bytes) -> str:
    """Return the SHA-256 of a certificate's SubjectPublicKeyInfo, hex."""
    key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
