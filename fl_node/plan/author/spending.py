"""What the rounds of a trial would have told of each row or participant, where the plan adds noise."""

from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import Privacy
from fl_node.plan.manifest import Manifest
from fl_node.plan.summary import promised
from fl_node.privacy.integers import Account


def spent_after(manifest: Manifest, shares: int, rounds: int) -> float | None:
    """ε after rounds in which every share survived, as the audit adds it up; None where the plan adds no noise."""
    numbers = manifest.registered
    if not numbers.unit:
        return None
    return sum([numbers.loss(shares)] * rounds, Account()).epsilon(float(numbers.delta))


def said_of(manifest: Manifest, shares: int, rounds: int) -> list[str]:
    """What to know of a trial's ε: what the plan promises, and where the trial is another than that."""
    privacy = _privacy(manifest)
    if privacy is None:
        return []
    goal, found = privacy.goal, [f"the plan promises {promised(manifest)}"]
    if shares < goal.survivors:
        found.append(f"{shares} shares are fewer than its {goal.survivors} survivors: nodes would reveal nothing")
    if rounds > goal.rounds:
        found.append(f"{rounds} rounds are more than its {goal.rounds}: its ε = {goal.epsilon} is for those")
    return found


def _privacy(manifest: Manifest) -> Privacy | None:
    return manifest.averaging.privacy if isinstance(manifest, AveragingManifest) else None
