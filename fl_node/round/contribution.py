"""What each group of the round before contributed, as this node finds on its own hold-out, in its vector's slots.

The groups' sums are known to all members, so every set of groups gives a model: the plan's update of their summed sums.
The node measures each by its loss on rows that it holds out, and Shapley's values of that game are its word: over all
sets of up to six groups, over some orders that it draws where they are more. It stands in slots of the masked vector:
nobody sees one node's word, and the rule over groups makes one of all.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from fl_node.blobs.mirror import Mirror
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.ledger.records import Round
from fl_node.plan.errors import PlanError
from fl_node.plan.pool import Workshop
from fl_node.round.shapley import by_orders, drawn_orders, sets_of, shapley
from fl_node.secagg.layout import Layout, Vector
from fl_node.secagg.modes.robust import CONTRIBUTION

log = structlog.get_logger("participant")
PATIENCE_S: Final = 20.0
"""An update that comes too late costs more than a word on contributions that is missing."""
UNITS: Final = 1 << 16
"""Steps of the slots, in 1 of the loss."""
MOST_SETS: Final = 64
"""How many models a node evaluates: every set of six groups."""
WORST: Final = 16.0
"""A model's loss counts for at most so much: one that is useless is not worse than any other."""


class ContributionDependencies(Protocol):
    """What evaluating needs of the node."""

    ledger: Ledger
    mirror: Mirror
    workshop: Workshop


@dataclass(frozen=True)
class Opened:
    """A group's revealed sum: its number, the rows that its survivors declared, and its bytes."""

    group: int
    counts: tuple[int, ...]
    total: bytes


async def with_contributions(node: ContributionDependencies, view: Round, vector: Vector) -> Vector:
    """Returns a vector with this node's word in the place of none; as it is where there is nothing to say."""
    if not view.groups or not view.parent:
        return vector
    try:
        async with asyncio.timeout(PATIENCE_S):
            values = await _found(node, view)
    except (NodeError, PlanError, TimeoutError) as error:
        log.warning("contributions are not evaluated", attempt=view.name, error=str(error))
        return vector
    layout = (await node.workshop.runner(view.plan)).manifest.layout.flat
    return written(layout, vector, values) if values else vector


def written(layout: Layout, vector: Vector, values: dict[int, float]) -> Vector:
    """Writes contributions, group → what it took from the loss, into their slots, as far as there are any."""
    segment, sent = layout.segment(CONTRIBUTION), bytearray(vector)
    words = segment.view(sent)
    nothing = (segment.maximum + 1) // 2
    for group, value in values.items():
        if group < segment.slots:
            words[group] = min(max(round(value * UNITS) + nothing, 0), segment.maximum)
    return sent


async def _found(node: ContributionDependencies, view: Round) -> dict[int, float]:
    room = (await node.workshop.runner(view.plan)).manifest.contribution
    if not room:
        return {}
    before = await node.ledger.round(view.training, view.parent)
    if before is None or before.epoch != view.epoch or before.proposal is None or not before.proposal.sums:
        return {}
    groups = await _opened(node, before)
    if len(groups) > room:
        return {}
    base = await node.workshop.state(view.plan, before.base_state)
    layout = (await node.workshop.runner(view.plan)).manifest.layout.flat
    orders = drawn_orders(len(groups), MOST_SETS, random.SystemRandom()) if 1 << len(groups) > MOST_SETS else []
    utilities = {
        chosen: await _utility(
            node, view.plan, base, layout, [one for at, one in enumerate(groups) if chosen >> at & 1]
        )
        for chosen in (sorted(set(sets_of(orders))) if orders else range(1 << len(groups)))
    }
    values = by_orders(utilities, orders) if orders else shapley(list(utilities.values()), len(groups))
    return {one.group: value for one, value in zip(groups, values, strict=True)}


async def _opened(node: ContributionDependencies, before: Round) -> list[Opened]:
    """Returns the opened groups of a round with their sums, which their digests name."""
    assert before.proposal
    survivors = [tuple(name for name in before.survivors if name in group) for group in before.groups]
    opened = [(group, names) for group, names in enumerate(survivors) if names]
    totals = await node.mirror.get_all((digest, before.proposal.proposer) for digest in before.proposal.sums)
    return [
        Opened(group, tuple(before.updates[name].examples for name in names), total)
        for (group, names), total in zip(opened, totals, strict=True)
    ]


async def _utility(
    node: ContributionDependencies, plan: str, base: bytes, layout: Layout, chosen: Sequence[Opened]
) -> float:
    """Returns minus the loss, on this node's hold-out, of the model that some groups alone would have made."""
    state = base
    if chosen:
        counts = [count for one in chosen for count in one.counts]
        state = (await node.workshop.update(plan, base, summed(layout, [one.total for one in chosen]), counts)).state
    metrics = await node.workshop.evaluate(plan, state)
    return -min(metrics.get("loss", WORST), WORST)


def summed(layout: Layout, vectors: Sequence[Vector]) -> bytes:
    """Adds vectors slot by slot."""
    total = bytearray(layout.length)
    for segment in layout.segments:
        words = segment.view(total)
        for vector in vectors:
            words += segment.view(vector)
    return bytes(total)
