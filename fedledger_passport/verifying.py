"""The check of a passport: no ledger, no network, nothing believed but the trusted organisations' authorities."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fedledger_passport import codes
from fedledger_passport.contents import PASSPORT, WITHDRAWAL, check_contents, check_model, check_type, subjects
from fedledger_passport.envelope import Envelope
from fedledger_passport.errors import PassportError
from fedledger_passport.strict import canonical
from fedledger_passport.trust import Trust

SKEW: Final = timedelta(minutes=5)
"""How far this machine's clock may be behind the consortium's."""


@dataclass(frozen=True)
class Verified:
    """A passport that holds.

    Attributes:
        digest: SHA-256 of the statement, hex.
        statement: What the organisations say.
        signed_by: MSP ids of those who signed, sorted.
        organisations: How many the consortium has.
        unlisted: Files of the model's folder that the passport says nothing of; empty where no folder was given.
    """

    digest: str
    statement: dict[str, Any]
    signed_by: tuple[str, ...]
    organisations: int
    unlisted: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "passport": self.digest,
            "signed_by": list(self.signed_by),
            "organisations": self.organisations,
            "unlisted": list(self.unlisted),
            "statement": self.statement,
        }


def verify(
    raw: bytes,
    trust: Trust,
    *,
    model: Path | None = None,
    withdrawals: Sequence[bytes] = (),
    now: datetime | None = None,
) -> Verified:
    """Check a passport.

    Args:
        raw: The file.
        trust: Whose signatures count.
        model: The folder with the model's files; None: they are not looked at.
        withdrawals: Withdrawals that one knows of, as files; each must itself be signed by a majority.
        now: The time; this machine's where it is None.

    Raises:
        PassportError: why it does not hold, FL6001 to FL6014.
    """
    moment = now or datetime.now(UTC)
    envelope = Envelope.read(raw)
    statement, signed_by = _signed(envelope, trust, PASSPORT, "released_ms", moment)
    if canonical(statement) != envelope.payload:
        raise PassportError(codes.NOT_A_PASSPORT, "the statement is not in its one form")
    check_contents(statement)
    for one in withdrawals:
        _check_withdrawal(one, envelope.digest, trust, moment)
    unlisted = check_model(statement, model) if model else []
    return Verified(envelope.digest, statement, signed_by, len(trust.organisations), tuple(unlisted))


def _signed(
    envelope: Envelope, trust: Trust, kind: str, clock: str, now: datetime
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return a statement of a kind that a majority signed, and who did."""
    statement = envelope.statement
    check_type(statement, kind)
    predicate = statement["predicate"]
    if (predicate["channel"], predicate["genesis"]) != (trust.channel, trust.genesis):
        text = f"it is of channel {predicate['channel']} with genesis block {predicate['genesis']}"
        raise PassportError(codes.OTHER_CONSORTIUM, text)
    if predicate[clock] > (now + SKEW).timestamp() * 1000:
        raise PassportError(codes.FROM_THE_FUTURE, f"{clock} is {predicate[clock]}")
    return statement, _signers(envelope, trust, predicate[clock], now)


def _signers(envelope: Envelope, trust: Trust, released_ms: int, now: datetime) -> tuple[str, ...]:
    """Return who signed, a majority.

    A wrong signature refuses the whole envelope. One whose certificate nobody vouches for any more does not count: its
    organisation has left, or replaced a key, and the others stand by what they signed.
    """
    signed_by: list[str] = []
    uncounted: list[PassportError] = []
    for at, one in enumerate(envelope.signatures, 1):
        where = f"signature {at}"
        one.check(envelope.payload, where)
        try:
            organisation = trust.signer(one.certificate, released_ms, now, where)
        except PassportError as error:
            uncounted.append(error)
            continue
        if organisation in signed_by:
            raise PassportError(codes.SIGNED_TWICE, f"{organisation} signed before", where=where)
        signed_by.append(organisation)
    if len(signed_by) < trust.majority:
        text = f"{len(signed_by)} of {len(trust.organisations)} organisations signed, {trust.majority} must"
        raise uncounted[0] if uncounted else PassportError(codes.NO_MAJORITY, text)
    return tuple(sorted(signed_by))


def _check_withdrawal(raw: bytes, digest: str, trust: Trust, now: datetime) -> None:
    """Refuse a passport that a withdrawal names; one that is not signed by a majority is an error by itself."""
    statement, _ = _signed(Envelope.read(raw), trust, WITHDRAWAL, "withdrawn_ms", now)
    if digest in subjects(statement).values():
        reason = statement["predicate"]["reason"]
        raise PassportError(codes.WITHDRAWN, f"it was withdrawn: {reason}" if reason else "it was withdrawn")
