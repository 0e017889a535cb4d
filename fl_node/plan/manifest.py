"""The manifest: everything about a plan that people vote on and nodes check, as canonical JSON."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from fl_node.canonical import canonical_json
from fl_node.data.schema import Decimal, Model, Schema
from fl_node.plan.layout import TensorLayout
from fl_node.plan.weights import WeightRule, can_follow, declared, named_weights, weighed
from fl_node.privacy.accounting import Promise
from fl_node.privacy.integers import NOTHING, Numbers
from fl_node.secagg.layout import Vector

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

MAX_TOLERANCE_E9: Final = 1000
"""How far two nodes' recomputed states may lie apart, in units of 10⁻⁹: the contract refuses to record that somebody
agrees with a larger deviation. `MaxDeviationE9` in chaincode/round/attest.go; tests/vectors/limits.json binds the two.
"""


class Quantisation(Model):
    """How a model update becomes integers (`tff.aggregation`, `arithmetic.quantise`); decimal text for real numbers.

    Attributes:
        bits: Width of a value slot.
        clip: Largest L2 norm of an update; a longer one is scaled down to it.
        zero_above: Updates with a coordinate beyond this are replaced by zeros; None: never.
        weight_cap: Largest weight of one participant, where a weight follows from rows; None: unweighted.
    """

    bits: int = Field(ge=8, le=24)
    clip: Decimal
    zero_above: Decimal | None = None
    weight_cap: int | None = Field(default=None, ge=1, le=1 << 20)


class Batching(Model):
    """How a node turns its rows into what `work` reads.

    Attributes:
        batch: Rows in a batch.
        epochs: Passes over the training rows in a round.
        holdout_percent: Share of rows, by stable hash, that only evaluation sees.
    """

    batch: int = Field(ge=1, le=65_536)
    epochs: int = Field(ge=1, le=1000)
    holdout_percent: int = Field(ge=0, le=50)


class StateLeaf(Model):
    """One tensor of the state: what a state blob's header must say."""

    path: str
    dtype: str
    shape: tuple[int, ...] = Field(strict=False)


class Manifest(Model):
    """What a plan is, whatever framework executes it; each framework's own kind of manifest adds what it needs.

    Attributes:
        name: Short name for people.
        framework: The runtime that executes the computations: a name in `frameworks`.
        framework_version: Its exact version.
        cohort_max: The largest cohort whose sums fit the slots.
        layout: The flat layout of the secure sums.
        layout_digest: Its digest, as the ledger's session binds it.
        weights: How each weight that the plan names follows from rows, in the layout's order.
        schema_: (`schema` in JSON) What a row must look like.
        schema_digest: Its digest, as the data profile quotes it.
        batching: How rows are batched and split.
        evaluation: Whether the vector carries the base model's loss and metrics on the hold-out.
        metrics: Names of the numbers that `update` returns, sorted.
        state: Every tensor of the state.
        random_ops: The random ops in the client's work, sorted; voters should know why a plan draws.
        tolerance_e9: Allowed relative deviation between recomputed states, in 10⁻⁹; 0 for a plan whose update is exact.
        files: SHA-256 of every other entry of the plan file.
    """

    programs: ClassVar[tuple[str, ...]] = ()
    """The plan file's entries that every plan of this kind has beside its initial state."""

    format: Literal["fedledger-plan/1"] = "fedledger-plan/1"
    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$")
    framework: str
    framework_version: str
    cohort_max: int = Field(ge=3, le=1000)
    layout: TensorLayout
    layout_digest: Digest
    weights: tuple[WeightRule, ...] = Field(default=(), strict=False)
    schema_: Schema = Field(alias="schema")
    schema_digest: Digest
    batching: Batching
    evaluation: bool
    metrics: tuple[str, ...] = Field(strict=False)
    state: tuple[StateLeaf, ...] = Field(strict=False)
    random_ops: tuple[str, ...] = Field(default=(), strict=False)
    tolerance_e9: int = Field(ge=0, le=MAX_TOLERANCE_E9)
    files: dict[str, Digest]

    @property
    def entries(self) -> tuple[str, ...]:
        """The plan file's entries that hold computations, in the order in which a child loads them."""
        return self.programs

    @model_validator(mode="after")
    def _digests_agree(self) -> Self:
        if self.layout.digest() != self.layout_digest:
            raise ValueError("layout_digest is not the digest of the layout")
        if self.schema_.digest() != self.schema_digest:
            raise ValueError("schema_digest is not the digest of the schema")
        if list(self.metrics) != sorted(set(self.metrics)):
            raise ValueError("metrics are sorted, each once")
        return self

    @model_validator(mode="after")
    def _every_weight_has_a_rule(self) -> Self:
        segments = named_weights(self.layout)
        if [rule.segment for rule in self.weights] != [segment.name for segment in segments]:
            raise ValueError("weights hold one rule for each weight that the plan names, in the layout's order")
        for rule, segment in zip(self.weights, segments, strict=True):
            if not can_follow(segment) or rule.cap > segment.max:
                raise ValueError(f"the rule of {rule.segment} does not fit its slot")
            if math.gcd(rule.numerator, rule.denominator) != 1:
                raise ValueError(f"the rule of {rule.segment} is in lowest terms")
        return self

    def weighed(self, aggregate: Vector, counts: Sequence[int]) -> Vector:
        """The sum with the declared rows' weights in the place of the masked ones; see `weights.weighed`."""
        return weighed(self.layout, self.weights, aggregate, counts)

    def tensors(self, aggregate: Vector, counts: Sequence[int]) -> list[NDArray[np.signedinteger[Any]]]:
        """The sum's tensors with the declared rows' weights, without a copy of the vector; errors as `unpack` too."""
        weights = declared(self.layout, self.weights, aggregate, counts)
        return self.layout.unpack(aggregate, len(counts), weights)

    @property
    def promise(self) -> Promise | None:
        """What each round of the plan gives away of a unit that it protects; None: it promises nothing."""
        return None

    @property
    def registered(self) -> Numbers:
        """The same as the ledger has it, in whole numbers."""
        return NOTHING

    @property
    def contribution(self) -> int:
        """For how many groups the sums have room to say what they contributed; 0: for none."""
        return 0

    @property
    def zeroing(self) -> bool:
        """Whether large updates are replaced by zeros, as far as the manifest tells."""
        return False

    @property
    def tolerance(self) -> float:
        """The allowed relative deviation between recomputed states."""
        return self.tolerance_e9 / 1e9

    @property
    def initial_state(self) -> str:
        """The initial state's digest: SHA-256 of its blob, hex."""
        return self.files["initial.state"]

    def canonical(self) -> bytes:
        """The manifest's bytes in the plan file."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))
