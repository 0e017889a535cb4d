"""Versions of the contract's rules, where what is not the contract must know them (chaincode/round/versions.go)."""

from typing import Final

NEWEST_RULES: Final = 2
"""The newest version that this release holds."""
ACCOUNTS_SINCE: Final = 2
"""Since when plans are registered with what they promise of privacy, and the ledger keeps accounts of what is told."""
FLOWS_SINCE: Final = 2
"""Since when a phase in which everybody has spoken can be over without an Advance and without a record of it."""
WORDS_SINCE: Final = 2
"""Since when a carrier can put what many participants have signed into one transaction."""
DROPOUTS_SINCE: Final = 2
"""Since when a member can say that it takes no further part in an attempt, so that nobody waits for it."""
