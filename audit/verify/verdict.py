"""What an audit found: what holds, what fails and what could not be checked, each with its place."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from audit import codes
from audit.fabric.state import State
from audit.verify.privacy import Spent


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
    REPLAY_RESPONSE = codes.REPLAY_RESPONSE
    AGGREGATE = codes.AGGREGATE
    LINEAGE = codes.LINEAGE
    STATE = codes.STATE
    PARENT = codes.PARENT
    PRIVACY = codes.PRIVACY
    EXPIRED = codes.EXPIRED
    HEIGHT = codes.HEIGHT
    REWRITTEN = codes.REWRITTEN
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
    Rule.REPLAY_RESPONSE: "the rules give the responses that were committed",
    Rule.AGGREGATE: "published aggregates are the verified sums",
    Rule.LINEAGE: "every model follows from the initial state",
    Rule.STATE: "models of exact plans are what their sums give, bit for bit",
    Rule.PARENT: "models that plans began from are those that other channels released",
    Rule.PRIVACY: "the ledger's accounts of privacy follow from plans and survivors",
    Rule.EXPIRED: "no certificate was used after its expiry",
    Rule.HEIGHT: "other organisations stand at the same block",
    Rule.REWRITTEN: "no block differs from one that an earlier audit verified",
    Rule.BUNDLE: "the bundle is whole",
}


class Unchecked(StrEnum):
    """Every way in which an audit leaves something unchecked.

    What is unchecked is open in its outcome only: the writes that follow from the outcome are compared all the same.
    tests/auditor has a tampered ledger for each member.
    """

    NO_PIN = "no-pin"
    NO_COMMIT_HASH = "no-commit-hash"
    REFUSAL = "refusal"
    FAULT = "fault"
    SUM = "sum"
    UPDATE = "update"
    SEALED = "sealed"
    STATE = "state"
    PARENT = "parent"
    NO_FEDERATION = "no-federation"
    UNREADABLE = "unreadable"
    RULES_NOT_RUN = "rules-not-run"
    LATER_BLOCKS = "later-blocks"
    FEW_WITNESSES = "few-witnesses"
    OLD_FOLDER = "old-folder"


REASONS = {
    Unchecked.NO_PIN: (Rule.GENESIS, "no genesis hash was pinned; this chain's is {hash}"),
    Unchecked.NO_COMMIT_HASH: (Rule.COMMIT_HASH, "{blocks} blocks carry no commit hash of the peer that gave them"),
    Unchecked.REFUSAL: (
        Rule.AGGREGATE,
        "the refusal of a sum of {attempt} was not made again: its masked updates are not at hand",
    ),
    Unchecked.FAULT: (
        Rule.AGGREGATE,
        "the fault that {attempt} ended with was not proven again: its masked updates are not at hand",
    ),
    Unchecked.SUM: (Rule.AGGREGATE, "the sum of {attempt} was not recomputed: its masked updates are not at hand"),
    Unchecked.UPDATE: (Rule.AGGREGATE, "{count} masked updates were not at hand when committed to"),
    Unchecked.SEALED: (Rule.AGGREGATE, "{count} bundles of sealed shares were not at hand when committed to"),
    Unchecked.STATE: (Rule.STATE, "the step from sum to model of {attempt} was not made again: {why}"),
    Unchecked.PARENT: (
        Rule.PARENT,
        "how the model that {plan} began from was made: the blocks of {channel} (first block {genesis}) tell; {why}",
    ),
    Unchecked.NO_FEDERATION: (
        Rule.LINEAGE,
        "{chaincode} founded no federation in these blocks: there was no vote, sum or model to check",
    ),
    Unchecked.UNREADABLE: (Rule.LINEAGE, "the models cannot be followed in the state committed: {error}"),
    Unchecked.RULES_NOT_RUN: (
        Rule.REPLAY_WRITES,
        "the rules were not run again: no vote, draw, reward, sum or model was checked",
    ),
    Unchecked.LATER_BLOCKS: (
        Rule.HEIGHT,
        "whether later blocks exist: compare height and last hash with other organisations, online",
    ),
    Unchecked.FEW_WITNESSES: (
        Rule.HEIGHT,
        "{level} other organisations hold this last block, {need} are needed; not heard: {silent}",
    ),
    Unchecked.OLD_FOLDER: (
        Rule.HEIGHT,
        "this folder ends before block {height}; {own}'s own peer holds it: fetch again",
    ),
}
"""The rule that each leaves unchecked, and the sentence that says so."""
ATTESTED = (
    "A majority of organisations attested the step from each sum to the next model; the audit does not train again."
)
DERIVED = (
    "Of {steps} steps from a sum to the next model the audit made {derived} again, bit for bit. A majority of "
    "organisations attested each; only a plan's framework can repeat the others, or their plan file was not at hand."
)
BEYOND = (
    "What data a participant trained on, the vetting vote and the participant's own signature vouch for.",
    "Metrics are what the aggregator published and a majority of organisations let stand.",
)
"""What no audit of the ledger can show, whatever it is given."""
SINGLE_ORDERER = (
    "A single orderer signed each block, as the channel's policy demands: whoever holds one orderer's key can sign "
    "another end of the chain. Other organisations' peers show whether theirs is the same."
)
MOST_BLOCK, MOST_TEXT = (1 << 63) - 1, 1000
WARNINGS = frozenset({Rule.EXPIRED})
"""Rules whose breach is worth saying but proves no fraud: Fabric itself does not check them at validation."""


@dataclass(frozen=True)
class Finding:
    """One breach of a rule, or one thing left unchecked.

    `block` is -1 where no block is concerned. `reason` is a value of Unchecked, "" for a breach.
    """

    code: str
    block: int
    txid: str
    text: str
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        plain: dict[str, Any] = {
            "code": self.code,
            "block": self.block,
            "transaction": self.txid,
            "text": self.text,
        }
        return plain | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True)
class Origin:
    """A plan that began from a model which another consortium released.

    Attributes:
        plan: The plan's digest, in whichever channel it is.
        name: Its name.
        parent: The model as the ledger has it: channel, genesis, passport, release, training, round, state, lineage, …
        seen: What the audit saw of it: "blocks", all of that channel's; "passport"; or "", nothing.
    """

    plan: str
    name: str
    parent: dict[str, Any]
    seen: str

    @classmethod
    def of(cls, plan: dict[str, Any], seen: str) -> "Origin":
        """Return a plan's origin."""
        return cls(plan["plan"], plan["name"], plan["parent"], seen)


@dataclass
class Verdict:
    """The outcome of an audit."""

    channel: str = ""
    height: int = 0
    """Blocks read. Invariant: each follows the one before and the orderers signed it."""
    transactions: int = 0
    quorum: int = 0
    """How many orderers signed the last blocks, as the configuration in force demands; 0 before the first block."""
    last_hash: str = ""
    genesis_hash: str = ""
    held: dict[str, int] = field(default_factory=dict)
    """How often each rule was checked and held, by its code. A rule that was never checked is not in it."""
    steps: int = 0
    """How many rounds ended with a model."""
    derived: int = 0
    """Of how many of them the step from sum to model was made again. Invariant: at most `steps`."""
    privacy: list[Spent] = field(default_factory=list)
    """What each training whose plan adds noise has spent, as far as its plan file is at hand."""
    origins: list[Origin] = field(default_factory=list)
    """The plans that began from other consortia's models; those of audited other channels come after one's own."""
    failures: list[Finding] = field(default_factory=list)
    """Invariant: every write of the rules' namespace that is not theirs stands here, with its block."""
    warnings: list[Finding] = field(default_factory=list)
    """Breaches of WARNINGS: they do not make the verdict FAILED."""
    unchecked: list[Finding] = field(default_factory=list)
    """Invariant: each has a reason; what is not in here and not in failures was checked and held."""

    def leave(self, reason: Unchecked, block: int = -1, **facts: object) -> None:
        """Say what could not be checked; `facts` fill the reason's sentence."""
        rule, text = REASONS[reason]
        self.unchecked.append(Finding(rule.value, block, "", text.format(**facts), reason.value))

    def failed_rule(self, rule: Rule, text: str, block: int = -1) -> None:
        """Say what does not hold."""
        self.failures.append(Finding(rule.value, block, "", text))

    def held_rule(self, rule: Rule, times: int = 1) -> None:
        """Count checks that held."""
        self.held[rule.value] = self.held.get(rule.value, 0) + times

    @property
    def ok(self) -> bool:
        """Whether nothing failed; read `word` before believing it."""
        return not self.failures

    @property
    def decided(self) -> bool:
        """Whether the audit can say anything of the federation: not where its rules were not run."""
        return not self.ok or all(finding.reason != Unchecked.RULES_NOT_RUN for finding in self.unchecked)

    @property
    def word(self) -> str:
        """The verdict in short; it never says OK alone where something was left unchecked."""
        if not self.ok:
            return "FAILED"
        if not self.decided:
            return "INCOMPLETE, the rules were not run"
        left = len(self.unchecked)
        return f"OK, with {left} thing{'s' if left != 1 else ''} not checked" if left else "OK"

    @property
    def beyond(self) -> tuple[str, ...]:
        """What no audit of this ledger can show."""
        step = DERIVED.format(steps=self.steps, derived=self.derived) if self.derived else ATTESTED
        return (step, *BEYOND, *([SINGLE_ORDERER] if self.quorum == 1 else []))

    @property
    def signed(self) -> str:
        """Who signed each block, in words."""
        return "a single orderer" if self.quorum == 1 else f"a quorum of {self.quorum} orderers"

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as plain values for machines; `complete` says that nothing was left unchecked."""
        return {
            "verdict": self.word,
            "ok": self.ok,
            "complete": not self.unchecked,
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
            "orderer_signatures": self.quorum,
            "models": {"steps": self.steps, "derived": self.derived},
            "privacy": [spent.as_json() for spent in self.privacy],
            "origins": [asdict(origin) for origin in self.origins],
            "beyond": list(self.beyond),
        }


class Record:
    """Findings and counts as they arise, kept in the audit's state so that they outlive the run."""

    def __init__(self, state: State) -> None:
        self._state = state
        # Invariant: counts of finished blocks only; an abandoned block puts back what it found.
        self.held: dict[str, int] = state.recall("held", {})

    def hold(self, rule: Rule) -> None:
        """Count one check that held."""
        self.held[rule.value] = self.held.get(rule.value, 0) + 1

    def fail(self, rule: Rule, block: int, text: str, txid: str = "") -> None:
        """Record a breach of a rule at its place."""
        self._note("warning" if rule in WARNINGS else "failure", rule, block, text, txid)

    def stop(self, rule: Rule, block: int, text: str) -> None:
        """Record why the audit stopped at this block; the next run tries it again."""
        self._note("stop", rule, block, text, "")

    def leave(self, reason: Unchecked, block: int, txid: str, **facts: object) -> None:
        """Record what could not be checked of a transaction; `facts` fill the reason's sentence."""
        rule, text = REASONS[reason]
        self._note("unchecked", rule, block, text.format(**facts), txid, reason.value)

    def _note(self, kind: str, rule: Rule, block: int, text: str, txid: str, reason: str = "") -> None:
        # A block may claim any number, and what a finding quotes may have any length.
        place = (min(block, MOST_BLOCK), txid[:MOST_TEXT])
        self._state.note(kind, rule.value, *place, text[:MOST_TEXT], reason)

    def save(self) -> None:
        """Put the counts where the next checkpoint keeps them."""
        self._state.remember("held", self.held)

    def verdict(self, **facts: Any) -> Verdict:
        """Return the verdict over everything recorded."""
        found = {
            kind: [Finding(*row) for row in self._state.findings(kind)]
            for kind in ("failure", "stop", "warning", "unchecked")
        }
        return Verdict(
            held=dict(self.held),
            failures=found["failure"] + found["stop"],
            warnings=found["warning"],
            unchecked=found["unchecked"],
            **facts,
        )
