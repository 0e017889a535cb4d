"""Whether each model follows from its sum: made again, bit for bit, for plans whose step is exact arithmetic.

No framework is needed: the arithmetic is `fl_node.plan.arithmetic` and `fl_node.plan.kinds`, which every node attests
with. Of other plans the step was attested by a majority of organisations, and the audit says so.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from audit.evidence.blobs import PREFIX, is_digest
from audit.fabric.state import State
from audit.verify.privacy import breaches, spent_by
from audit.verify.story import round_of
from audit.verify.verdict import Rule, Unchecked, Verdict
from fl_node import codes as plan_codes
from fl_node.ledger.decimals import decimal
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.container import Plan, read_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.kinds.step import next_state as next_state_of_kind
from fl_node.plan.manifest import Manifest

SHOWN = 16


@dataclass(frozen=True)
class Blobs:
    """The blobs that are at hand, each what its name says (`evidence.blobs.gather`); None: no folder was given."""

    folder: Path | None

    def get(self, digest: object) -> bytes | None:
        """Return a blob, None where it is not at hand."""
        if self.folder is None or not is_digest(digest):
            return None
        path = self.folder / digest[:PREFIX] / digest
        return path.read_bytes() if path.is_file() else None


def check_states(verdict: Verdict, state: State, training: dict[str, Any], blobs: Blobs) -> None:
    """Add to a verdict whether a training's models follow from their sums.

    Args:
        verdict: The verdict.
        state: The audit's state, for where each round ended.
        training: The training's story, with its rounds.
        blobs: What is at hand.
    """
    finals = [one for one in training["rounds"] if one["phase"] == "Final"]
    verdict.steps += len(finals)
    if not training["rounds"]:
        return
    plan = _plan(verdict, training, blobs)
    _check_privacy(verdict, training, plan.manifest if plan else None)
    if plan is None or not isinstance(plan.manifest, AveragingManifest | KindManifest):
        return
    blocks = {round_of(event): event["block"] for event in state.events() if event["name"] == "RoundFinal"}
    for one in finals:
        place = f"{training['training']}/{one['round']}/{one['attempt']}"
        _check(verdict, plan, one, blobs, (place, blocks.get(place, -1)))


def _plan(verdict: Verdict, training: dict[str, Any], blobs: Blobs) -> Plan | None:
    raw = blobs.get(training["plan"])
    try:
        return read_plan(raw, training["plan"]) if raw is not None else None
    except PlanError as error:
        verdict.leave(Unchecked.STATE, attempt=training["training"], why=f"its plan cannot be read: {error.message}")
        return None


def _check_privacy(verdict: Verdict, training: dict[str, Any], manifest: Manifest | None) -> None:
    """Add to a verdict what each participant has spent, and whether the ledger counts so."""
    found = breaches(manifest, training)
    for text in found:
        verdict.failed_rule(Rule.PRIVACY, f"{training['training']}: {text}")
    spent = spent_by(manifest, training)
    if spent:
        verdict.privacy.append(spent)
    if spent and spent.ledger and not found:
        verdict.held_rule(Rule.PRIVACY)


def _check(verdict: Verdict, plan: Plan, one: dict[str, Any], blobs: Blobs, place: tuple[str, int]) -> None:
    proposal, (where, block) = one["proposal"], place
    first = one["base_state"] == plan.manifest.initial_state
    base = plan.initial_state if first else blobs.get(one["base_state"])
    aggregate = blobs.get(proposal["aggregate"])
    if base is None or aggregate is None:
        lacking = "base state" if base is None else "sum"
        verdict.leave(Unchecked.STATE, block, attempt=where, why=f"its {lacking} is not at hand")
        return
    counts = [one["updates"].get(name, {}).get("examples", 0) for name in one["survivors"]]
    try:
        following, metrics = _next_state(plan, base, aggregate, counts)
    except PlanError as error:
        if error.code in {plan_codes.NOT_IEEE, plan_codes.OTHER_FRAMEWORK}:
            verdict.leave(Unchecked.STATE, block, attempt=where, why=error.message)
        else:
            verdict.failed_rule(Rule.STATE, f"{where}: no state follows from its sum: {error}", block)
        return
    verdict.derived += 1
    found = sha256(following).hexdigest()
    breaches = []
    if found != proposal["state"]:
        breaches.append(f"{where}: its sum gives the state {found[:SHOWN]}, not {str(proposal['state'])[:SHOWN]}")
    if {name: decimal(value) for name, value in metrics.items()} != proposal["metrics"]:
        breaches.append(f"{where}: its sum gives other metrics than those published")
    for text in breaches:
        verdict.failed_rule(Rule.STATE, text, block)
    if not breaches:
        verdict.held_rule(Rule.STATE)


def _next_state(plan: Plan, base: bytes, aggregate: bytes, counts: list[int]) -> tuple[bytes, dict[str, float]]:
    if isinstance(plan.manifest, KindManifest):
        return next_state_of_kind(plan.manifest, base, aggregate, counts)
    assert isinstance(plan.manifest, AveragingManifest), "no other plan's step is exact"
    return next_state(plan.manifest, base, aggregate, counts)
