"""What a node knows of a training from its own deeds and from what a majority attested, for `checks` to judge by."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from fl_node import codes
from fl_node.errors import RefusalError
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Ledger
from fl_node.ledger.records import Frozen, Parameters, Round, Training
from fl_node.plan.pool import Workshop
from fl_node.round.checks import Trusted
from fl_node.round.consent import Consent


@dataclass
class GovernanceCache:
    """What only votes change, as it was last read; emptied at every vote, so that it is never older than one.

    Attributes:
        trainings: Training → its record.
        parameters: The federation's parameters; None where they must be read.
        organisations: Participant → MSP id, from the vetted records; None where they must be read.
    """

    trainings: dict[str, Training] = field(default_factory=dict)
    parameters: Parameters | None = None
    organisations: dict[str, str] | None = None

    def clear(self) -> None:
        """Forget everything, so that it is read again."""
        self.trainings, self.parameters, self.organisations = {}, None, None


class KnowledgeDependencies(Protocol):
    """What `gather` needs of the node."""

    consent: Consent
    ledger: Ledger
    workshop: Workshop
    journal: Journal
    governance_cache: GovernanceCache


async def gather(node: KnowledgeDependencies, view: Round) -> Trusted:
    """Return what the node knows about the round's training.

    Raises:
        RefusalError: FL4301, the organisation does not consent to the plan.
    """
    training, parameters, organisations = await asyncio.gather(
        _training(node, view.training), _parameters(node), _organisations(node)
    )
    if node.consent.plans and training.plan not in node.consent.plans:
        raise RefusalError(codes.WRONG_PLAN_OR_BASE, "the organisation does not accept this plan", where=training.plan)
    runner = await node.workshop.runner(training.plan)
    registered = (await node.ledger.plan(training.plan)).privacy
    return Trusted(
        plan=training.plan,
        layout_digest=runner.manifest.layout_digest,
        base_states=await _base_states(node, view, runner.manifest.initial_state),
        organisations=organisations,
        survivor_difference_min=parameters.survivor_difference_min,
        share_limit_ppm=parameters.share_limit_ppm,
        count_bucket=parameters.count_bucket,
        promise=runner.manifest.promise,
        numbers=runner.manifest.registered,
        registered=registered.numbers if registered else None,
        zeroing=runner.manifest.zeroing,
        rounds=training.rounds,
    )


async def _training(node: KnowledgeDependencies, training: str) -> Training:
    known = node.governance_cache.trainings
    if training not in known:
        known[training] = await node.ledger.training(training)
    return known[training]


async def _parameters(node: KnowledgeDependencies) -> Parameters:
    known = node.governance_cache.parameters
    if known is None:
        known = node.governance_cache.parameters = await node.ledger.parameters()
    return known


async def _organisations(node: KnowledgeDependencies) -> dict[str, str]:
    known = node.governance_cache.organisations
    if known is None:
        records = await node.ledger.everything("ListParticipants")
        known = {record["participant"]: record["msp_id"] for record in records}
        node.governance_cache.organisations = known
    return known


def attested(journal: Journal, training: str, state: str) -> None:
    """Remember a state that this node itself recomputed and found right."""
    journal.remember(_states(training), state)


def earlier_sets(journal: Journal, view: Round) -> tuple[frozenset[str], ...]:
    """Return the sets with one sum frozen on the round's base state in other attempts: the ledger's and the own."""
    sets = journal.facts(_frozen(view))
    remembered = {frozenset(members) for name, members, *groups in sets if not groups and name != view.name}
    return tuple(remembered | {frozenset(frozen.survivors) for frozen in view.frozen if not frozen.groups})


def earlier_groups(journal: Journal, view: Round) -> tuple[tuple[frozenset[str], ...], ...]:
    """Return the same of attempts that had groups: the survivors of each group, none of one that stayed closed."""
    remembered = [groups[0] for name, _, *groups in journal.facts(_frozen(view)) if groups and name != view.name]
    found = [frozen.groups for frozen in view.frozen if frozen.groups]
    return tuple({tuple(map(frozenset, groups)) for groups in (*remembered, *found)})


def excused(frozen: Iterable[Frozen]) -> frozenset[str]:
    """Return who was blamed with proof on a base state: they count in no difference between the sets frozen on it.

    The ledger leaves the same ones out (chaincode/round/freeze.go, frozenOn).
    """
    return frozenset(name for one in frozen for name in one.blamed)


def freeze(journal: Journal, view: Round) -> None:
    """Remember, synced, the survivors that the node is about to reveal shares for."""
    groups = [[name for name in view.survivors if name in group] for group in view.groups]
    journal.remember(_frozen(view), [view.name, list(view.survivors), *([groups] if groups else [])])


def frozen_as(journal: Journal, view: Round) -> list[str] | None:
    """Return the survivors that the node remembers for this very attempt."""
    return next((list(members) for name, members, *_ in journal.facts(_frozen(view)) if name == view.name), None)


async def _base_states(node: KnowledgeDependencies, view: Round, initial: str) -> frozenset[str]:
    known = {initial, *node.journal.facts(_states(view.training))}
    if view.base_state not in known and await _majority_attested(node.ledger, view):
        known.add(view.base_state)
    return frozenset(known)


async def _majority_attested(ledger: Ledger, view: Round) -> bool:
    """Tell whether a majority of organisations attested the base state in the round that made it."""
    for entry in (await ledger.lineage(view.training))["steps"]:
        if entry["state"] != view.base_state:
            continue
        made = await ledger.round(view.training, int(entry["round"]), int(entry["attempt"]))
        if made and sum(attestation.agree for attestation in made.attestations.values()) >= made.majority:
            return True
    return False


def _states(training: str) -> str:
    return f"states:{training}"


def _frozen(view: Round) -> str:
    return f"frozen:{view.base_state}"
