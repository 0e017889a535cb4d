"""What an audit found: what holds, what fails and what could not be checked, each with its place."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from audit import codes
from audit.fabric.state import State


class Rule(StrEnum):
    """A rule that the audit checks; the value is the code that a failure carries."""

    GENESIS = codes.GENESIS
    ORDER = codes.ORDER
    PREVIOUS_HASH = codes.PREVIOUS_HASH
    DATA_HASH = codes.DATA_HASH
    FORMAT = codes.FORMAT
    ORDERER_SIGNATURES = codes.ORDERER_SIGNATURES
    LAST_CONFIG = codes.LAST_CONFIG
    CONFIG_UPDATE = codes.CONFIG_UPDATE
    VALIDATION_CODE = codes.VALIDATION_CODE
    COMMIT_HASH = codes.COMMIT_HASH
    DEFINITION = codes.DEFINITION
    REPLAY_WRITES = codes.REPLAY_WRITES
    REPLAY_REFUSED = codes.REPLAY_REFUSED
    REPLAY_EVENT = codes.REPLAY_EVENT
    AGGREGATE = codes.AGGREGATE
    LINEAGE = codes.LINEAGE
    EXPIRED = codes.EXPIRED
    HEIGHT = codes.HEIGHT
    BUNDLE = codes.BUNDLE


TITLES = {
    Rule.GENESIS: "the chain starts at the pinned genesis block",
    Rule.ORDER: "blocks follow one another without gap or repetition",
    Rule.PREVIOUS_HASH: "each block names the hash of the one before",
    Rule.DATA_HASH: "each block's transactions match its header",
    Rule.FORMAT: "blocks and transactions parse",
    Rule.ORDERER_SIGNATURES: "the ordering service signed each block",
    Rule.LAST_CONFIG: "each block names the configuration in force",
    Rule.CONFIG_UPDATE: "each change of configuration was authorised",
    Rule.VALIDATION_CODE: "recorded validation codes are those recomputed",
    Rule.COMMIT_HASH: "the peer's commit hashes follow from the writes",
    Rule.DEFINITION: "who endorsed the chaincode's definition had approved it",
    Rule.REPLAY_WRITES: "the rules give the writes that were committed",
    Rule.REPLAY_REFUSED: "the rules accept every valid transaction",
    Rule.REPLAY_EVENT: "the rules give the events that were committed",
    Rule.AGGREGATE: "published aggregates are the verified sums",
    Rule.LINEAGE: "every model follows from the initial state",
    Rule.EXPIRED: "no certificate was used after its expiry",
    Rule.HEIGHT: "other organisations stand at the same block",
    Rule.BUNDLE: "the bundle is whole",
}
BEYOND = (
    "A majority of organisations attested the step from each sum to the next model; the audit does not train again.",
    "What data a participant trained on, the vetting vote and the participant's own signature vouch for.",
    "Metrics are what the aggregator published and a majority of organisations let stand.",
)
"""What no audit of the ledger can show, whatever it is given."""
MOST_BLOCK, MOST_TEXT = (1 << 63) - 1, 1000
WARNINGS = frozenset({Rule.EXPIRED})
"""Rules whose breach is worth saying but proves no fraud: Fabric itself does not check them at validation."""


@dataclass(frozen=True)
class Finding:
    """One breach of a rule, or one thing left unchecked; `block` is -1 where no block is concerned."""

    code: str
    block: int
    txid: str
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return {"code": self.code, "block": self.block, "transaction": self.txid, "text": self.text}


@dataclass
class Verdict:
    """The outcome of an audit; `held` counts how often each rule was checked and held."""

    channel: str = ""
    height: int = 0
    transactions: int = 0
    last_hash: str = ""
    genesis_hash: str = ""
    held: dict[str, int] = field(default_factory=dict)
    failures: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    unchecked: list[Finding] = field(default_factory=list)

    def unchecked_rule(self, rule: Rule, text: str, block: int = -1) -> None:
        """Say what could not be checked, and why."""
        self.unchecked.append(Finding(rule.value, block, "", text))

    def failed_rule(self, rule: Rule, text: str, block: int = -1) -> None:
        """Say what does not hold."""
        self.failures.append(Finding(rule.value, block, "", text))

    def held_rule(self, rule: Rule, times: int = 1) -> None:
        """Count checks that held."""
        self.held[rule.value] = self.held.get(rule.value, 0) + times

    @property
    def ok(self) -> bool:
        """Whether nothing failed; read `unchecked` before believing it."""
        return not self.failures

    @property
    def word(self) -> str:
        """The verdict in short; it never says OK alone where something was left unchecked."""
        if not self.ok:
            return "FAILED"
        left = len(self.unchecked)
        return f"OK, with {left} thing{'s' if left != 1 else ''} not checked" if left else "OK"

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain values for machines."""
        return {
            "ok": self.ok,
            "verdict": self.word,
            "channel": self.channel,
            "height": self.height,
            "transactions": self.transactions,
            "genesis_hash": self.genesis_hash,
            "last_hash": self.last_hash,
            "held": [
                {"code": r.value, "rule": TITLES[r], "times": self.held[r.value]} for r in Rule if r.value in self.held
            ],
            "failures": [f.as_json() for f in self.failures],
            "warnings": [f.as_json() for f in self.warnings],
            "unchecked": [f.as_json() for f in self.unchecked],
            "beyond": list(BEYOND),
        }


class Record:
    """Findings and counts as they arise, kept in the audit's state so that they outlive the run."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.held: dict[str, int] = state.recall("held", {})

    def hold(self, rule: Rule) -> None:
        """Count one check that held."""
        self.held[rule.value] = self.held.get(rule.value, 0) + 1

    def fail(self, rule: Rule, block: int, text: str, txid: str = "") -> None:
        """Record a breach of a rule at its place."""
        self._note("warning" if rule in WARNINGS else "failure", rule, block, text, txid)

    def stop(self, rule: Rule, block: int, text: str) -> None:
        """Record why the audit cannot go on; the next run tries again."""
        self._note("stop", rule, block, text, "")

    def skip(self, rule: Rule, block: int, text: str, txid: str = "") -> None:
        """Record that a rule could not be checked, and why."""
        self._note("unchecked", rule, block, text, txid)

    def _note(self, kind: str, rule: Rule, block: int, text: str, txid: str) -> None:
        # A block may claim any number, and what a finding quotes may have any length.
        self._state.note(kind, rule.value, min(block, MOST_BLOCK), txid[:MOST_TEXT], text[:MOST_TEXT])

    def save(self) -> None:
        """Put the counts where the next checkpoint keeps them."""
        self._state.remember("held", self.held)

    def verdict(self, **facts: Any) -> Verdict:
        """Return the verdict over everything recorded."""
        found = {
            kind: [Finding(*row) for row in self._state.notes(kind)]
            for kind in ("failure", "stop", "warning", "unchecked")
        }
        return Verdict(
            held=dict(self.held),
            failures=found["failure"] + found["stop"],
            warnings=found["warning"],
            unchecked=found["unchecked"],
            **facts,
        )
