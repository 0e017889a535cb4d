"""What groups contributed: Shapley's value, a node's word from models of sets of groups, and its slots."""

import math
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.round.contribution import UNITS, with_contributions, written
from fl_node.round.shapley import shapley
from fl_node.secagg.layout import Layout

NOTHING = 1 << 31
SLOTS = 4
WIDE = {"word": 64, "ring": 64}
LAYOUT = Layout.from_fields(
    {
        "version": 1,
        "count": None,
        "segments": [
            {"name": "metric/contribution", "kind": "metric", **WIDE, "max": 2 * NOTHING - 1, "slots": SLOTS},
            {"name": "value", "kind": "value", **WIDE, "max": 1000, "slots": 2},
        ],
    }
)  # fmt: skip
VECTOR = LAYOUT.pack({"metric/contribution": np.full(SLOTS, NOTHING, np.uint64), "value": np.array([7, 9], np.uint64)})
GROUPS = (("a", "b", "c"), ("d", "e", "f"), ("g", "h", "i"))


def by_orders(utilities: list[float], players: int) -> list[float]:
    """The definition: what each adds to those before it, over all orders."""
    values = [0.0] * players
    for order in permutations(range(players)):
        members = 0
        for player in order:
            values[player] += utilities[members | 1 << player] - utilities[members]
            members |= 1 << player
    return [value / math.factorial(players) for value in values]


@pytest.mark.parametrize("players", [0, 1, 2, 3, 5])
def test_shapleys_value_is_what_a_player_adds_over_all_orders(players: int):
    utilities = np.random.default_rng(players).normal(size=1 << players).tolist()
    values = shapley(utilities, players)
    assert values == pytest.approx(by_orders(utilities, players))
    assert sum(values) == pytest.approx(utilities[-1] - utilities[0])


def test_a_game_without_all_its_sets_is_refused():
    with pytest.raises(ValueError, match="3 utilities of 2 players"):
        shapley([0.0, 1.0, 2.0], 2)


class Node:
    """A node whose models lose less by what the groups' sums say: the first slot of each sum, in thousandths."""

    def __init__(self, before: SimpleNamespace | None, totals: dict[str, bytes], room: int = SLOTS) -> None:
        self.before, self.totals, self.asked = before, totals, list[tuple[str, ...]]()
        self.ledger = self.mirror = self.workshop = self
        self.manifest = SimpleNamespace(contribution=room, layout=SimpleNamespace(flat=LAYOUT))

    async def round(self, *_: object) -> SimpleNamespace | None:
        return self.before

    async def get_all(self, digests: Any) -> list[bytes]:
        names = [digest for digest, _ in digests]
        self.asked.append(tuple(names))
        if missing := [name for name in names if name not in self.totals]:
            raise NodeError(codes.BLOB_MISSING, "nobody has it", where=missing[0])
        return [self.totals[name] for name in names]

    async def runner(self, _: str) -> "Node":
        return self

    async def state(self, *_: str) -> bytes:
        return b"0"

    async def update(self, _: str, state: bytes, total: bytes, counts: list[int]) -> SimpleNamespace:
        assert state == b"0"
        return SimpleNamespace(state=str(int(LAYOUT.segments[1].view(total)[0]) + len(counts)).encode())

    async def evaluate(self, _: str, state: bytes) -> dict[str, float]:
        return {"loss": 1.0 - int(state) / 1000}


def total(value: int) -> bytes:
    return LAYOUT.pack({"metric/contribution": np.zeros(SLOTS, np.uint64), "value": np.array([value, 0], np.uint64)})


def before(survivors: str = "abcdefghi", **fields: object) -> SimpleNamespace:
    opened = [group for group in GROUPS if set(group) & set(survivors)]
    known: dict[str, object] = {
        "epoch": 2, "groups": GROUPS, "survivors": tuple(survivors), "base_state": "base",
        "updates": {name: SimpleNamespace(examples=10) for name in survivors},
        "proposal": SimpleNamespace(proposer="a", sums=tuple(f"sum-{group[0]}" for group in opened)),
    }  # fmt: skip
    return SimpleNamespace(**(known | fields))


VIEW: Any = SimpleNamespace(name="t/4/1", training="t", plan="plan", groups=GROUPS, parent=3, epoch=2)
TOTALS = {"sum-a": total(100), "sum-d": total(30), "sum-g": total(0)}


async def said(node: Any, view: Any = VIEW) -> list[float]:
    vector = await with_contributions(node, view, VECTOR)
    assert LAYOUT.segments[1].view(vector).tolist() == [7, 9]
    return [(int(word) - NOTHING) / UNITS for word in LAYOUT.segments[0].view(vector)]


async def test_each_groups_word_is_what_its_sum_takes_from_the_loss():
    assert await said(Node(before(), TOTALS)) == pytest.approx([0.103, 0.033, 0.003, 0], abs=2 / UNITS)


async def test_a_group_that_stayed_closed_contributed_nothing():
    node = Node(before("abcghi"), TOTALS)
    assert await said(node) == pytest.approx([0.103, 0, 0.003, 0], abs=2 / UNITS)
    assert node.asked == [("sum-a", "sum-g")]


@pytest.mark.parametrize(
    "node",
    [Node(None, TOTALS), Node(before(epoch=1), TOTALS), Node(before(proposal=None), TOTALS), Node(before(), TOTALS, 0),
     Node(before(), TOTALS, 2), Node(before(), {})],
    ids=["no round", "another epoch", "no result", "no slots", "fewer slots than groups", "a sum that nobody has"],
)  # fmt: skip
async def test_where_there_is_nothing_to_say_the_vector_stays_as_it_is(node: Any):
    assert await with_contributions(node, VIEW, VECTOR) is VECTOR


@pytest.mark.parametrize("changes", [{"groups": ()}, {"parent": 0}])
async def test_without_groups_or_a_round_before_nothing_is_asked(changes: dict[str, object]):
    node = Node(before(), TOTALS)
    assert await with_contributions(node, SimpleNamespace(**(vars(VIEW) | changes)), VECTOR) is VECTOR  # type: ignore[arg-type]
    assert node.asked == []


def test_what_is_beyond_a_slot_saturates_and_a_group_without_a_slot_is_left_out():
    vector = written(LAYOUT, VECTOR, {0: 1e9, 1: -1e9, 9: 1.0})
    assert LAYOUT.segments[0].view(vector).tolist() == [2 * NOTHING - 1, 0, NOTHING, NOTHING]
