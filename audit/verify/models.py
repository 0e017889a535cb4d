"""Whether every published model follows from the plan's initial state and its sum, and which blobs nobody saw again."""

from collections.abc import Mapping
from typing import Any

from audit.fabric.state import State
from audit.verify.derive import Blobs, check_states
from audit.verify.execute import COUNTED
from audit.verify.story import Reader, lineage_breaks, training_story
from audit.verify.verdict import Rule, Unchecked, Verdict


def check_models(verdict: Verdict, state: State, reader: Reader, blobs: Blobs) -> None:
    """Add to a verdict what holds of each training's models."""
    if not any(event["name"] == "Founded" for event in state.events()):
        verdict.leave(Unchecked.NO_FEDERATION, chaincode=reader.chaincode)
        return
    plans = {plan["plan"]: plan for plan in reader.items("ListPlans")}
    for entry in reader.items("ListTrainings"):
        training = training_story(reader, entry)
        check_lineage(verdict, training, plans)
        check_states(verdict, state, training, blobs)


def count_unseen(verdict: Verdict, state: State) -> None:
    """Add to a verdict how many blobs were not at hand when they were committed to."""
    for reason in COUNTED.values():
        unseen = state.recall(f"unseen_{reason.value}", 0)
        if unseen:
            verdict.leave(reason, count=unseen)


def check_lineage(verdict: Verdict, training: dict[str, Any], plans: Mapping[str, Any]) -> None:
    """Add whether a training's models lead from its plan's initial state to its head without a break."""
    breaks = lineage_breaks(training)
    initial = plans.get(training["plan"], {}).get("initial_state")
    if training["lineage"]["initial_state"] != initial:
        breaks.append(f"it starts from {training['lineage']['initial_state'][:16]}, the plan from {initial}")
    for text in breaks:
        verdict.failed_rule(Rule.LINEAGE, f"{training['training']}: {text}")
    if not breaks:
        verdict.held_rule(Rule.LINEAGE)
