"""How much a training's rounds have told of each participant, where its plan adds noise (`fl_node.privacy`)."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from audit.verify.story import place_of
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.private import round_loss
from fl_node.plan.manifest import Manifest
from fl_node.privacy.accounting import Loss, epsilon

MOST_NAMED: Final = 6
"""Participants who are listed one by one where all have spent the same."""


@dataclass(frozen=True)
class Spent:
    """What a training has spent.

    Attributes:
        training: Its name.
        unit: What its plan protects.
        delta: The δ of each ε, decimal text.
        colluders: How many survivors are taken to share their noise.
        participants: Participant → ε over every attempt whose survivors it is among, void ones too.
    """

    training: str
    unit: str
    delta: str
    colluders: int
    participants: dict[str, float]
    steps: tuple[tuple[str, dict[str, float]], ...] = field(default=(), compare=False)
    """After each of these attempts, "training/round/attempt": the ε of everybody so far, for pages."""

    def as_json(self) -> dict[str, Any]:
        """Return it for machines: where it stands now."""
        return {name: value for name, value in asdict(self).items() if name != "steps"}

    @property
    def text(self) -> str:
        """What people read."""
        found = {name: f"{value:.4g}" for name, value in sorted(self.participants.items())}
        each = ", ".join(f"{name} {value}" for name, value in found.items()) or "nothing yet"
        if len(found) > MOST_NAMED and len(set(found.values())) == 1:
            each = f"each of {len(found)} participants: {found.popitem()[1]}"
        return (
            f"{self.training}: ε for every {self.unit} of {each} (δ = {self.delta}, {self.colluders} colluding; each "
            "added the noise that its plan asks for, which no sum can show)"
        )


def spent_by(manifest: Manifest, training: dict[str, Any]) -> Spent | None:
    """Adds up what a training's frozen rounds give away; None where its plan promises nothing.

    Args:
        manifest: Its plan's.
        training: Its story, with its rounds.
    """
    if not isinstance(manifest, AveragingManifest) or manifest.averaging.privacy is None:
        return None
    privacy, quantisation = manifest.averaging.privacy, manifest.averaging.quantisation
    losses: dict[str, Loss] = {}
    known: dict[Loss, float] = {}  # participants that survived alike have spent alike
    steps = []
    for one in training["rounds"]:
        survivors = one.get("survivors") or ()
        unknown = max(1, len(survivors) - privacy.goal.colluders)  # nodes reveal nothing with fewer
        each = round_loss(privacy, quantisation, manifest.numbers, unknown)
        for name in survivors:
            losses[name] = losses.get(name, Loss()) + each
        for loss in losses.values():
            if loss not in known:
                known[loss] = epsilon(loss, float(privacy.goal.delta))
        if survivors:
            steps.append((place_of(one), {name: known[loss] for name, loss in losses.items()}))
    goal, found = privacy.goal, {name: known[loss] for name, loss in losses.items()}
    return Spent(training["training"], goal.unit, goal.delta, goal.colluders, found, tuple(steps))
