"""Whether every published model follows from the verified sums: lineage, and which sums were made again."""

from collections.abc import Iterable, Mapping
from typing import Any

from audit.fabric.state import State
from audit.verify.execute import UNSEEN
from audit.verify.story import Reader, lineage_breaks, round_of, training_story
from audit.verify.verdict import Rule, Verdict


def check_models(verdict: Verdict, state: State, reader: Reader) -> None:
    """Add to a verdict what holds of each training's models."""
    if not any(event["name"] == "Founded" for event in state.events()):
        text = f"{reader.chaincode} founded no federation in these blocks: there was no vote, sum or model to check"
        verdict.unchecked_rule(Rule.LINEAGE, text)
        return
    plans = {plan["plan"]: plan for plan in reader.items("ListPlans")}
    recomputed = {text for _, _, _, text in state.notes("recomputed")}
    blocks = _proposed(state)
    for entry in reader.items("ListTrainings"):
        training = training_story(reader, entry)
        check_lineage(verdict, training, plans)
        check_sums(verdict, training, recomputed, blocks)
    for what, name in UNSEEN.items():
        unseen = state.recall(f"unseen_{what}", 0)
        if unseen:
            verdict.unchecked_rule(Rule.AGGREGATE, f"{unseen} {name} were not at hand when committed to")


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


def check_sums(
    verdict: Verdict, training: dict[str, Any], recomputed: Iterable[str], blocks: Mapping[str, int]
) -> None:
    """Name the Final rounds whose sum was not made again from the survivors' masked updates."""
    done = set(recomputed)
    for one in training["rounds"]:
        where = f"{training['training']}/{one['round']}/{one['attempt']}"
        if one["phase"] == "Final" and f"{where}/{one['proposal']['aggregate']}" not in done:
            text = f"the sum of {where} was not recomputed: its masked updates are not at hand"
            verdict.unchecked_rule(Rule.AGGREGATE, text, blocks.get(where, -1))


def _proposed(state: State) -> dict[str, int]:
    """Return the block of each attempt's last proposed sum."""
    return {round_of(event): event["block"] for event in state.events() if event["name"] == "AggregateProposed"}
