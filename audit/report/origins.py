"""Where a training's first state came from, when another consortium had released it: facts for the report's pages."""

from dataclasses import dataclass
from typing import Any

from audit.report.view import when
from audit.verify.verdict import Verdict


@dataclass(frozen=True)
class Beginning:
    """The model of another consortium that a training's plan began from.

    Attributes:
        channel: The other consortium's channel.
        genesis: The hash of its first block.
        release: Under which id it was released.
        training: By which training, there, it was made.
        round: By which of its rounds.
        steps: How many rounds led to it.
        state: Its state, which is the first one here.
        lineage: The Merkle root over those rounds.
        passport: The digest of what its organisations signed.
        released: When, UTC.
        signed_by: Whose signatures were counted here.
        withdrawn: When its withdrawal was brought here, UTC; empty: it was not.
        seen: What this audit saw of it: "blocks" of its channel, which it audited too; "passport"; or "", nothing.
    """

    channel: str
    genesis: str
    release: str
    training: str
    round: int
    steps: int
    state: str
    lineage: str
    passport: str
    released: str
    signed_by: tuple[str, ...]
    withdrawn: str
    seen: str


def beginning(story: dict[str, Any], training: dict[str, Any], verdict: Verdict | None = None) -> Beginning | None:
    """Return where a training began, None where the members made its first state themselves.

    Args:
        story: What `story.tell` told.
        training: One of its trainings.
        verdict: The audit's, for what it saw of the other channel; None: it is not said.
    """
    plan: dict[str, Any] = next((one for one in story["plans"] if one["plan"] == training["plan"]), {})
    parent = plan.get("parent")
    if not parent:
        return None
    origins = verdict.origins if verdict else []
    seen = next((one.seen for one in origins if one.plan == plan["plan"]), "")
    return Beginning(
        channel=parent["channel"], genesis=parent["genesis"], release=parent["release"], training=parent["training"],
        round=parent["round"], steps=parent["steps"], state=parent["state"], lineage=parent["lineage"],
        passport=parent["passport"], released=when(parent["released_ms"]), signed_by=tuple(parent["signed_by"]),
        withdrawn=when(parent["withdrawn_ms"]), seen=seen,
    )  # fmt: skip
