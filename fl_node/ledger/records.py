"""What the ledger says, as frozen values: the answers of the chaincode's queries (docs/contract.md)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fl_node.privacy.integers import Numbers

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Phase = Literal["Keys", "Shares", "Updates", "Unmask", "Attest", "Final", "Void"]
OVER: tuple[Phase, ...] = ("Final", "Void")
WORDS: dict[Phase, str] = {
    "Keys": "PublishKeys",
    "Shares": "CommitShares",
    "Updates": "CommitUpdate",
    "Unmask": "RevealShares",
    "Attest": "Attest",
}
"""What participants say in each phase: a word that a carrier can put into a transaction with others."""


class View(BaseModel):
    """A record of the ledger; fields that this version does not know are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Keys(View):
    """A participant's two public X25519 keys of one attempt, hex."""

    seal_key: Digest
    mask_key: Digest


class Shares(View):
    """A participant's commitments of the Shares phase; `sealed` is the digest of its sealed bundle."""

    seed_commitment: Digest
    shares_root: Digest
    sealed: Digest


class Update(View):
    """A committed masked update: digest and length of the blob, examples as declared."""

    digest: Digest
    length: int
    examples: int


class Dropout(View):
    """A member's word that it takes no further part: since which phase and when, and its node's code of the reason."""

    phase: Phase
    reason: str
    time_ms: int


class Proposal(View):
    """A proposed aggregate."""

    number: int
    proposer: str
    aggregate: Digest
    state: Digest
    metrics: dict[str, str] = Field(default_factory=dict)
    examples: int = 0
    sums: tuple[Digest, ...] = ()
    outlying: tuple[int, ...] = ()

    @property
    def blobs(self) -> tuple[str, ...]:
        """Return the digests of what it names: the sum, the state, and each group's sum."""
        return (self.aggregate, self.state, *self.sums)


class Attestation(View):
    """One organisation's word on a proposed state."""

    state: str
    agree: bool
    deviation_e9: int = 0


class Member(View):
    """A drawn participant, as it stood when the round was opened."""

    participant: str
    msp_id: str
    rows: int


class Turn(View):
    """From when a survivor may propose the result."""

    participant: str
    from_ms: int


class Frozen(View):
    """A survivor set frozen on the same base state in another attempt."""

    survivors: tuple[str, ...]
    blamed: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()


class NoState(View):
    """An organisation's word that no state follows from a sum, and the code that its plan answered with."""

    aggregate: Digest
    code: str


class Exposure(View):
    """How many updates the smallest difference from an earlier survivor set holds that this participant is in (T27)."""

    participant: str
    difference: int


class Round(View):
    """One attempt of a round, as `GetRound` gives it; docs/life-of-a-round.md says what happens in each phase.

    Attributes:
        round: From 1.
        attempt: From 1; grows by one after each Void of the round.
        deadline_ms: From when on the phase may end without those who are missing, milliseconds since 1970.
        session: The session digest, which binds every key and share to this attempt.
        threshold: How many shares rebuild a secret. Invariant: more than two thirds of the cohort.
        cohort: The drawn participants, in the order of the draw. Invariant: it and all above but phase and deadline_ms
            never change.
        members: The cohort with organisations and rows, as they stood at the draw.
        kept_out: Those who would be in the cohort had nobody complained of them without proof; their pay is set aside.
        in_place: The members in their place. Invariant: empty where nobody is kept out.
        aggregators: Who proposes first, second …; from Attest on only survivors.
        turns: From when on each may propose. Invariant: empty outside Attest.
        dropouts: Who has said that it takes no further part. Invariant: nobody waits for any of them.
        complaints: Dealer → who cannot open its share → whether the dealer has answered.
        u1: Those with keys. Invariant: empty before Shares, fixed from then on.
        u2: Those of u1 with shares. Invariant: empty before Updates, fixed from then on.
        survivors: Those of u2 whose updates are summed. Invariant: empty before Unmask, fixed from then on.
        revealed: Those of u2 that have revealed shares, in cohort order.
        voters: How many organisations are active now: each may attest once to a proposal. Of a Final: how many were.
        majority: How many of them must agree for Final. Only the ledger counts them: a member may be suspended.
        proposal: The one that awaits attestations or became the result. Invariant: None before Attest and after Void.
        attestations: MSP id → its word on `proposal`.
        state: The result. Invariant: empty before Final.
        void_reason: The code. Invariant: empty unless Void.
        lifted: A vote lifted the rule that survivor sets on one base state differ enough, for this attempt.
        rules: The version of the rules that it was opened under.
        groups: The groups that masks are shared within. Invariant: a partition of the cohort, or empty: one sum of all.
        left_out: Those of u2 whose updates are there and are not summed, since their group stays closed.
        mode: How updates become one (fl_node/secagg/modes).
        robust_groups: The settings of that mode; empty in others.
        contribution: What the groups contributed until this Final, in 2⁻¹⁶ of the loss; empty without terms.
        epoch: Whose draw the cohort and its groups are of.
        parent: The round that made the base state, 0: none.
        plain: Likewise.
        frozen: The survivor sets frozen on this base state by other attempts, also by other trainings'.
    """

    training: str
    round: int
    attempt: int
    phase: Phase
    deadline_ms: int = 0
    opened_ms: int = 0
    plan: Digest
    base_state: Digest
    layout_digest: Digest
    session: Digest
    threshold: int
    depth: int = 0
    epoch: int = 0
    parent: int = 0
    cohort: tuple[str, ...]
    members: tuple[Member, ...] = ()
    kept_out: tuple[Member, ...] = ()
    in_place: tuple[str, ...] = ()
    aggregators: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    keys: dict[str, Keys] = Field(default_factory=dict)
    shares: dict[str, Shares] = Field(default_factory=dict)
    updates: dict[str, Update] = Field(default_factory=dict)
    dropouts: dict[str, Dropout] = Field(default_factory=dict)
    complaints: dict[str, dict[str, bool]] = Field(default_factory=dict)
    u1: tuple[str, ...] = ()
    u2: tuple[str, ...] = ()
    survivors: tuple[str, ...] = ()
    revealed: tuple[str, ...] = ()
    voters: int
    majority: int
    proposal: Proposal | None = None
    attestations: dict[str, Attestation] = Field(default_factory=dict)
    no_state: dict[str, NoState] = Field(default_factory=dict)
    state: str = ""
    deviation_e9: int = 0
    void_reason: str = ""
    beacon: str = ""
    lifted: bool = False
    rules: int = 1
    groups: tuple[tuple[str, ...], ...] = ()
    left_out: tuple[str, ...] = ()
    mode: str = "secure_sum"
    robust_groups: dict[str, Any] = Field(default_factory=dict)
    contribution: tuple[int, ...] = ()
    plain: dict[str, Any] = Field(default_factory=dict)
    frozen: tuple[Frozen, ...] = ()
    exposure: tuple[Exposure, ...] = ()

    @property
    def ref(self) -> dict[str, Any]:
        """Return what names the attempt in every transaction."""
        return {"training": self.training, "round": self.round, "attempt": self.attempt}

    @property
    def name(self) -> str:
        """Return the attempt for logs: training/round/attempt."""
        return f"{self.training}/{self.round}/{self.attempt}"

    @property
    def counts(self) -> tuple[int, ...]:
        """Return the rows that each survivor declared, in the order of the survivors; 0 where there is no update."""
        return tuple(self.updates[one].examples if one in self.updates else 0 for one in self.survivors)

    def in_order(self, members: "dict[str, object] | set[str] | tuple[str, ...]") -> tuple[str, ...]:
        """Return members of the cohort in cohort order."""
        return tuple(p for p in self.cohort if p in members)


class Reveal(View):
    """A revealed share: 66 bytes in hex."""

    kind: Literal["seed", "mask"]
    value: str


class Privacy(View):
    """What a plan promises of privacy, in whole numbers (fl_node/privacy/integers.py, `Numbers`)."""

    unit: str
    delta: str
    survivors: int
    colluders: int
    squared_e15: int
    slack_e15: int

    @property
    def numbers(self) -> Numbers:
        """Return them as readers compute with them."""
        return Numbers(**self.model_dump())


class Plan(View):
    """A registered plan.

    Attributes:
        privacy: What it promises; None where it was registered under version 1 of the rules, which keep no accounts.
    """

    plan: Digest
    name: str
    layout: dict[str, Any]
    initial_state: Digest
    privacy: Privacy | None = None


class Head(View):
    """The state that the next round trains from, and the round that made it (0: the plan's initial state)."""

    round: int
    state: Digest
    depth: int


class Beacon(View):
    """The newest beacon that the members make by commit and reveal.

    Attributes:
        number: Counts the beacons from 1.
        revealing_ms: When the first part was revealed; 0: none is, and parts may be committed to.
        value: Empty until the beacon is made.
        committed: MSP ids of those that have committed. Invariant: revealed is part of it.
    """

    number: int
    revealing_ms: int = 0
    value: str = ""
    committed: tuple[str, ...] = ()
    revealed: tuple[str, ...] = ()


class Training(View):
    """A training: a plan, how many rounds, and where it stands.

    Attributes:
        plan: Invariant: never changes.
        cohort: How many participants are drawn for an attempt.
        head: What the next round trains from; a vote may roll it back to an earlier state.
        stopped: A vote ended it; only a vote to roll back makes it run again.
        finished: All its rounds are Final; only a vote to roll back makes it run again.
    """

    training: str
    plan: Digest
    rounds: int
    cohort: int
    head: Head
    stopped: bool = False
    finished: bool = False

    @property
    def running(self) -> bool:
        """Tell whether rounds are still to come."""
        return not (self.stopped or self.finished)


class Parameters(View):
    """Those of the federation's parameters that a node acts by; docs/contract.md says what each means."""

    survivor_difference_min: int
    share_limit_ppm: int
    count_bucket: int
    time_window_ms: int


class Profile(View):
    """What a participant said of its data when it applied; only the digest of the schema matters here."""

    schema_digest: str = Field(alias="schema")


class Participant(View):
    """A participant's record."""

    participant: str
    msp_id: str
    key_hash: str
    status: str
    profile: Profile
