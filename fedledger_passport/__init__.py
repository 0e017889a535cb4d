"""Checks a model's passport without a ledger; docs/passport.md says what it proves."""

from fedledger_passport.envelope import Envelope, Signature, encoded
from fedledger_passport.errors import PassportError
from fedledger_passport.trust import Trust
from fedledger_passport.verifying import Verified, verify

__all__ = ["Envelope", "PassportError", "Signature", "Trust", "Verified", "encoded", "verify"]
