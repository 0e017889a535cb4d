"""What one participant may do to its vector, its proposals and its states, drawn by hypothesis; its node does it."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from fl_node.canonical import canonical_json
from fl_node.plan.state_codec import MAGIC, Leaf, decode_state, encode_state
from tests.faults import synthetic
from tests.model.nodes import Rules, Runner, difference, digest

Change = Callable[[bytes], bytes]
SEGMENTS = synthetic.LAYOUT.flat.segments


@dataclass
class Misdeeds:
    """One participant's: `plain` before masking and within every slot, `masked` after it, any bytes.

    Attributes:
        added: What the change of the masked vector adds to the sum; None where it is no vector any more.
    """

    plain: Change = bytes
    masked: Change = bytes
    proposal: Callable[[dict[str, Any]], dict[str, Any]] = dict
    state: Change = bytes
    spread: bool = True
    contrary: bool = False
    done: bool = False
    added: bytes | None = field(default_factory=lambda: bytes(synthetic.LAYOUT.size))

    def kinds(self) -> tuple[type[Rules], type[Runner]]:
        """Return the participant's client of the ledger and its runner; once `done`, both are honest."""
        misdeeds = self

        class Adversary(Rules):
            async def submit(self, function: str, /, **arguments: Any) -> Any:
                return await super().submit(function, **misdeeds.changed(self, function, arguments))

            async def word(self, function: str, /, **arguments: Any) -> dict[str, str]:
                return await super().word(function, **misdeeds.changed(self, function, arguments))

        class Garbler(Runner):
            def misdone(self, vector: bytes) -> bytes:
                return vector if misdeeds.done else misdeeds.plain(vector)

        return Adversary, Garbler

    def repent(self) -> None:
        """Be honest from now on."""
        self.done, self.added = True, bytes(synthetic.LAYOUT.size)

    def changed(self, rules: Rules, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Return a transaction's arguments as the participant sends them."""
        match function:
            case _ if self.done:
                return arguments
            case "CommitUpdate":
                blob = rules.world.store.read(arguments["digest"])
                other = self.masked(blob)
                self.added = difference(other, blob) if len(other) == len(blob) else None
                return {**arguments, "digest": rules.world.ledger.put(other), "length": len(other)}
            case "ProposeAggregate":
                state = self.state(rules.world.store.read(arguments["state"]))
                name = rules.world.ledger.put(state) if self.spread else digest(state)
                return self.proposal({**arguments, "state": name})
            case "Attest" if self.contrary:
                return {**arguments, "agree": not arguments["agree"], "deviation_e9": 0}
        return arguments


# ---- vectors


@st.composite
def moved(draw: st.DrawFn, *, within: bool) -> Change:
    """Add to some slots: a little, to the edges of their ranges, or anything; `within` keeps each in its range."""
    steps = []
    for segment in draw(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3)):
        most = segment.maximum if within else (1 << segment.word) - 1
        edges = st.sampled_from([segment.maximum, 3 * segment.maximum, 4 * segment.maximum, most // 2])
        slot = draw(st.none() | st.integers(0, segment.slots - 1))
        steps.append((segment, slot, draw(st.integers(-2, 2) | edges | st.integers(-most, most))))

    def change(vector: bytes) -> bytes:
        mine = bytearray(vector)
        for segment, slot, step in steps:
            words = segment.view(mine)
            for at in range(segment.slots) if slot is None else [slot]:
                word = int(words[at]) + step
                words[at] = min(max(word, 0), segment.maximum) if within else word % (1 << segment.word)
        return bytes(mine)

    return change


@st.composite
def spelled(draw: st.DrawFn) -> Change:
    """Exchange, cut off and add bytes."""
    places = draw(st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), max_size=3))
    kept = draw(st.none() | st.integers(0, 400))
    more = draw(st.binary(max_size=17))

    def change(blob: bytes) -> bytes:
        mine = bytearray(blob)
        for place, flip in places:
            mine[place % len(mine)] ^= flip
        return bytes(mine[:kept]) + more

    return change


VECTORS = st.builds(Misdeeds, plain=moved(within=True)) | st.builds(
    Misdeeds, masked=moved(within=False) | spelled()
)  # fmt: skip

# ---- states

NUMBERS = st.sampled_from([0.0, -0.0, 1e-9, 1e38, -1e38, float("inf"), float("nan")])
SHAPES = st.sampled_from([[0], [1, 64], [64, 1], [0, 1 << 62], [1] * 41, [-1], [True], [1 << 40], [2, 32], []])
DTYPES = st.sampled_from(["float64", "float16", "int32", "uint8", "bool", "string", "complex64", "object", ""])


@st.composite
def rewritten(draw: st.DrawFn) -> Change:
    """Exchange numbers or leaves of a state, or what its header says of them."""
    how, number = draw(st.sampled_from(["number", "scale", "order", "shape", "dtype", "path", "none"])), draw(NUMBERS)
    at, factor = draw(st.integers(0, 63)), draw(st.sampled_from([1 + 1e-8, 1 + 1e-5, -1.0, 2.0, 0.0]))
    shape, dtype = draw(SHAPES), draw(DTYPES)

    def change(blob: bytes) -> bytes:
        leaves = decode_state(blob)
        mean = leaves[0].array.copy()
        if how == "number":
            mean[at] = number
        elif how == "scale":
            mean *= np.float32(factor)
        else:
            header = [[leaf.path, leaf.dtype, list(leaf.array.shape)] for leaf in leaves]
            header[0] = {"shape": ["mean", "float32", shape], "dtype": ["mean", dtype, [64]]}.get(how, header[0])
            header = {"order": header[::-1], "path": [["\u0000", *header[0][1:]], *header[1:]], "none": []}.get(
                how, header
            )
            raw, old = canonical_json(header), blob.index(b"]]") + 2
            return MAGIC + struct.pack(">I", len(raw)) + raw + blob[old:]
        return encode_state([Leaf("mean", mean), *leaves[1:]])

    return change


STATES = st.builds(Misdeeds, state=rewritten() | spelled(), spread=st.integers(0, 3).map(bool))

# ---- proposals

WORDS = st.sampled_from(
    ["", "nan", "inf", "1,5", "0x10", "1e999", "-1e-999", "1_0", "\u0661", "9" * 33, "0.5", "1e40", " 1"]
)
VALUES = st.none() | st.booleans() | st.integers(-2, 1 << 65) | WORDS | st.lists(st.integers(0, 9), max_size=2)
DIGESTS = st.sampled_from([digest(b"lie"), "0" * 64, "f" * 63, "F" * 64, ""])
FIELDS = ("aggregate", "state", "metrics", "examples", "training", "round", "attempt")


NAMED = st.dictionaries(st.sampled_from(["mean", "loss", "", "\n", "a" * 101]), WORDS | VALUES, max_size=2)
DECIMALS = st.fixed_dictionaries({"mean": st.from_regex(r"\A-?[0-9]{1,32}(\.[0-9]{1,9})?(e-?[0-9]{1,3})?\Z")})
OTHERWISE = st.one_of(
    st.fixed_dictionaries({"metrics": DECIMALS}),
    st.fixed_dictionaries({"metrics": NAMED | VALUES}),
    st.fixed_dictionaries({"aggregate": DIGESTS}),
    st.fixed_dictionaries({"state": DIGESTS}),
    st.fixed_dictionaries({"examples": st.sampled_from([0, 39, 41]) | VALUES}),
    st.fixed_dictionaries({"survivors": st.lists(st.sampled_from(["hospital-000", "hospital-009"]), max_size=3)}),
)
"""Fields of a proposal with other values; metrics that are decimals, and those that are not."""


@st.composite
def reworded(draw: st.DrawFn) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Exchange fields of a proposal, add one, or leave one out."""
    other, without = draw(OTHERWISE | st.just({})), draw(st.just("") | st.sampled_from(FIELDS))

    def change(proposal: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in {**proposal, **other}.items() if name != without}

    return change


PROPOSALS = st.builds(Misdeeds, proposal=reworded(), contrary=st.booleans())
