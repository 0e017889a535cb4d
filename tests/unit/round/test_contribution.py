"""What groups contributed: Shapley's value, a node's word from models of sets of groups, and its slots."""

import math
import random
from itertools import permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.round.contribution import UNITS, with_contributions, written
from fl_node.round.shapley import by_orders, drawn_orders, sets_of, shapley
from fl_node.secagg.layout import Layout

NOTHING = 1 << 31
SLOTS = 4
WIDE = {"word": 64, "ring": 64}


def layout_of(slots: int) -> Layout:
    told = {"name": "metric/contribution", "kind": "metric", **WIDE, "max": 2 * NOTHING - 1, "slots": slots}
    value = {"name": "value", "kind": "value", **WIDE, "max": 1000, "slots": 2}
    return Layout.from_fields({"version": 1, "count": None, "segments": [told, value]})


def packed(told: int, value: int, slots: int = SLOTS) -> bytes:
    words = {"metric/contribution": np.full(slots, told, np.uint64), "value": np.array([value, 9], np.uint64)}
    return bytes(layout_of(slots).pack(words))


LAYOUT = layout_of(SLOTS)
VECTOR = packed(NOTHING, 7)
GROUPS = (("a", "b", "c"), ("d", "e", "f"), ("g", "h", "i"))


def by_all_orders(utilities: list[float], players: int) -> list[float]:
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
    assert values == pytest.approx(by_all_orders(utilities, players))
    assert sum(values) == pytest.approx(utilities[-1] - utilities[0])


def test_over_all_orders_what_players_add_is_shapleys_value_and_over_drawn_ones_it_comes_close():
    utilities = np.random.default_rng(1).normal(size=1 << 5).tolist()
    exact = shapley(utilities, 5)
    assert by_orders(dict(enumerate(utilities)), list(permutations(range(5)))) == pytest.approx(exact)
    draw = random.Random(4)
    known = dict(enumerate(utilities))
    runs = [by_orders(known, drawn_orders(5, 20, draw)) for _ in range(400)]
    assert np.mean(runs, axis=0) == pytest.approx(exact, abs=0.15)
    assert all(sum(run) == pytest.approx(utilities[-1] - utilities[0]) for run in runs)


@pytest.mark.parametrize("players", [7, 12, 32, 80])
def test_drawn_orders_come_with_their_reverse_and_meet_no_more_sets_than_they_may(players: int):
    orders = drawn_orders(players, 64, random.Random(players))
    assert all(first == second[::-1] for first, second in zip(orders[::2], orders[1::2], strict=True))
    assert sorted(orders[0]) == list(range(players))
    assert len(set(sets_of(orders))) <= max(64, 2 * players)


async def test_of_more_than_six_groups_some_orders_tell_what_each_takes_from_the_loss():
    groups = tuple(tuple(f"{letter}{number}" for number in range(3)) for letter in "abcdefgh")
    names, many = tuple(name for group in groups for name in group), len(groups)
    totals = {f"sum-{at}": packed(0, 10 * at, many) for at in range(many)}
    told = before(
        groups=groups, survivors=names, updates={name: SimpleNamespace(examples=10) for name in names},
        proposal=SimpleNamespace(proposer="a0", sums=tuple(totals)),
    )  # fmt: skip
    view: Any = SimpleNamespace(**(vars(VIEW) | {"groups": groups}))
    vector = await with_contributions(Node(told, totals, many), view, packed(NOTHING, 7, many))
    words = [(int(word) - NOTHING) / UNITS for word in layout_of(many).segments[0].view(vector)]
    assert words == pytest.approx([(10 * at + 3) / 1000 for at in range(many)], abs=2 / UNITS)


def test_a_game_without_all_its_sets_is_refused():
    with pytest.raises(ValueError, match="3 utilities of 2 players"):
        shapley([0.0, 1.0, 2.0], 2)


class Node:
    """A node whose models lose less by what the groups' sums say: the first slot of each sum, in thousandths."""

    def __init__(self, before: SimpleNamespace | None, totals: dict[str, bytes], room: int = SLOTS) -> None:
        self.before, self.totals, self.asked = before, totals, list[tuple[str, ...]]()
        self.ledger = self.mirror = self.workshop = self
        self.manifest = SimpleNamespace(contribution=room, layout=SimpleNamespace(flat=layout_of(max(room, SLOTS))))

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
        return SimpleNamespace(
            state=str(int(self.manifest.layout.flat.segments[1].view(total)[0]) + len(counts)).encode()
        )

    async def evaluate(self, _: str, state: bytes) -> dict[str, float]:
        return {"loss": 1.0 - int(state) / 1000}


def total(value: int) -> bytes:
    return packed(0, value)


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
