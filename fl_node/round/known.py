"""What a node knows of a training from its own deeds and from what a majority attested, for `refusals` to judge by."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from fl_node.errors import RefusalError
from fl_node.ledger.records import Round
from fl_node.node.context import Context
from fl_node.round.checks import Trusted


async def gather(context: Context, view: Round) -> Trusted:
    """Return what the node knows about the round's training.

    Raises:
        RefusalError: FL4301, the organisation's own policy does not accept the plan.
    """
    ledger = context.ledger
    training, parameters, records = await asyncio.gather(
        _voted(context, f"training {view.training}", lambda: ledger.training(view.training)),
        _voted(context, "parameters", ledger.parameters),
        _voted(context, "participants", lambda: ledger.everything("ListParticipants")),
    )
    accepted = context.config.policy.plans
    if accepted and training.plan not in accepted:
        raise RefusalError("FL4301", "the organisation does not accept this plan", where=training.plan)
    runner = await context.workshop.runner(training.plan)
    return Trusted(
        plan=training.plan,
        layout_digest=runner.manifest.layout_digest,
        base_states=await _base_states(context, view, runner.manifest.initial_state),
        organisations={record["participant"]: record["msp_id"] for record in records},
        survivor_difference_min=int(parameters["survivor_difference_min"]),
        share_limit_ppm=int(parameters["share_limit_ppm"]),
        count_bucket=int(parameters["count_bucket"]),
    )


async def _voted(context: Context, what: str, read: Callable[[], Awaitable[Any]]) -> Any:
    if what not in context.voted:
        context.voted[what] = await read()
    return context.voted[what]


def attested(context: Context, training: str, state: str) -> None:
    """Remember a state that this node itself recomputed and found right."""
    context.journal.remember(_states(training), state)


def earlier_sets(context: Context, view: Round) -> tuple[frozenset[str], ...]:
    """Return the survivor sets frozen on the round's base state in other attempts: the ledger's and the own."""
    sets = context.journal.facts(_frozen(view))
    remembered = {frozenset(members) for name, members in sets if name != view.name}
    return tuple(remembered | {frozenset(frozen.survivors) for frozen in view.frozen})


def freeze(context: Context, view: Round) -> None:
    """Remember, synced, the survivors that the node is about to reveal shares for."""
    context.journal.remember(_frozen(view), [view.name, list(view.survivors)])


def frozen_as(context: Context, view: Round) -> list[str] | None:
    """Return the survivors that the node remembers for this very attempt."""
    return next((list(members) for name, members in context.journal.facts(_frozen(view)) if name == view.name), None)


async def _base_states(context: Context, view: Round, initial: str) -> frozenset[str]:
    known = {initial, *context.journal.facts(_states(view.training))}
    if view.base_state not in known and await _majority_attested(context, view):
        known.add(view.base_state)
    return frozenset(known)


async def _majority_attested(context: Context, view: Round) -> bool:
    """Tell whether a majority of organisations attested the base state in the round that made it."""
    lineage: list[dict[str, Any]] = (await context.ledger.query("GetLineage", training=view.training))["steps"]
    for entry in lineage:
        if entry["state"] != view.base_state:
            continue
        made = await context.ledger.round(view.training, int(entry["round"]), int(entry["attempt"]))
        agreeing = [a for a in made.attestations.values() if a.agree] if made else []
        if len(agreeing) >= context.consortium.majority:
            return True
    return False


def _states(training: str) -> str:
    return f"states:{training}"


def _frozen(view: Round) -> str:
    return f"frozen:{view.base_state}"
