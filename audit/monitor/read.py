"""From what replay re-derived, and the sums that organisations hold, to the figures that the monitor looks at."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from audit.monitor.figures import Doubles, cosine, figures, mean_update
from audit.monitor.rules import look
from audit.monitor.seen import Attempt, Flag, Group
from audit.verify.derive import Blobs
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.arithmetic.update import metrics_of
from fl_node.plan.container import read_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.manifest import Manifest
from network.errors import FedledgerError

ENDED = ("Final", "Void")
SHOWN = "plain"
"""The mode in which each group is one participant."""
LOSSES = ("train/loss", "loss")
"""How plans call their training loss, the first that is there."""


class Monitor:
    """Looks at the trainings of a story; figures of attempts that have ended are worked out once."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._known: dict[tuple[str, str], tuple[Attempt, Doubles | None]] = {}

    def look(self, story: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the flags of every training, as pages and machines read them.

        Without the groups' sums, or without the blobs at all, only what stands on the ledger is looked at.

        Args:
            story: As `audit.verify.story.tell` gives it.
        """
        return [self._training(training, story["flags"]) for training in story.get("trainings", ())]

    def _training(self, training: Mapping[str, Any], flags: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        name, unreadable = training["training"], ""
        attempts: list[Attempt] = []
        try:
            attempts = self.attempts(training)
        except (FedledgerError, LookupError, TypeError, ValueError) as error:
            unreadable = str(error)  # only colluding endorsers write what is none; the verdict says where
        return {
            "training": name,
            "attempts": len(attempts),
            "in_groups": sum(bool(one.groups) for one in attempts),
            "flags": [_as_json(flag) for flag in look(attempts, _ledger(flags, name))],
            "unreadable": unreadable,
        }

    def attempts(self, training: Mapping[str, Any]) -> list[Attempt]:
        """Returns the figures of a training's attempts that froze survivors and have ended, in their order."""
        manifest, found = _manifest(self._blobs.get(training["plan"])), []
        before: Doubles | None = None
        for one in training["rounds"]:
            if one["phase"] not in ENDED or not one["survivors"]:
                continue
            where = f"{training['training']}/{one['round']}/{one['attempt']}"
            key = (where, (one["proposal"] or {}).get("aggregate", ""))
            if key not in self._known:
                self._known[key] = self._attempt(where, manifest, one, before)
            attempt, whole = self._known[key]
            before = before if whole is None else whole
            found.append(attempt)
        return found

    def _attempt(
        self, where: str, manifest: Manifest | None, one: Mapping[str, Any], before: Doubles | None
    ) -> tuple[Attempt, Doubles | None]:
        whole = _whole(manifest, one, self._blobs)
        attempt = Attempt(
            where=where,
            epoch=one["epoch"],
            cohort=tuple(one["cohort"]),
            late=tuple(name for name in one["cohort"] if name not in one["updates"]),
            declared={name: update["examples"] for name, update in one["updates"].items()},
            groups=_groups(manifest, one, self._blobs),
            shown=one.get("mode") == SHOWN,
            length=None if whole is None else float(np.linalg.norm(whole)),
            turn=None if whole is None or before is None else cosine(whole, before),
            loss=_loss((one["proposal"] or {}).get("metrics", {})),
        )
        return attempt, whole


def _manifest(raw: bytes | None) -> Manifest | None:
    """Returns a plan's manifest; None where it is not at hand, or sums no updates."""
    try:
        manifest = read_plan(raw).manifest if raw else None
    except PlanError:
        return None
    return None if isinstance(manifest, KindManifest) else manifest


def _whole(manifest: Manifest | None, one: Mapping[str, Any], blobs: Blobs) -> Doubles | None:
    if manifest is None or one["phase"] != "Final":
        return None
    raw = blobs.get(one["proposal"]["aggregate"])
    return mean_update(manifest.layout.flat, raw, len(one["survivors"])) if raw else None


def _groups(manifest: Manifest | None, one: Mapping[str, Any], blobs: Blobs) -> tuple[Group, ...]:
    """Returns the figures of the opened groups; none where one's sum is not at hand."""
    if manifest is None or one["phase"] != "Final":
        return ()
    survivors = set(one["survivors"])
    sets = [tuple(name for name in group if name in survivors) for group in one.get("groups") or ()]
    opened = [(place, names) for place, names in enumerate(sets) if names]
    sums = [blobs.get(digest) for digest in one["proposal"].get("sums") or ()]
    whole = [raw for raw in sums if raw is not None]
    if len(whole) != len(opened):
        return ()
    layout = manifest.layout.flat
    means = [mean_update(layout, raw, len(names)) for raw, (_, names) in zip(whole, opened, strict=True)]
    losses = [_loss_of(manifest, raw, len(names)) for raw, (_, names) in zip(whole, opened, strict=True)]
    return figures(opened, means, losses)


def _loss_of(manifest: Manifest, raw: bytes, participants: int) -> float | None:
    if not isinstance(manifest, AveragingManifest):
        return None
    layout = manifest.layout
    tensors = layout.unpack(raw, participants)
    sums = {segment.name: tensor for segment, tensor in zip(layout.segments, tensors, strict=True)}
    return _loss(metrics_of(manifest, sums, participants))


def _loss(metrics: Mapping[str, Any]) -> float | None:
    return next((float(metrics[name]) for name in LOSSES if name in metrics), None)


def _ledger(flags: Iterable[Mapping[str, Any]], training: str) -> Sequence[Mapping[str, str]]:
    return [
        {
            "where": f"{training}/{flag['round']}/{flag['attempt']}",
            "kind": flag["kind"],
            "participant": flag["participant"],
            "detail": flag["detail"],
        }
        for flag in flags
        if flag["training"] == training
    ]


def _as_json(flag: Flag) -> dict[str, Any]:
    return {
        "kind": flag.kind,
        "about": list(flag.about),
        "evidence": {where: round(value, 4) for where, value in flag.evidence.items()},
        "text": flag.text,
        "vote": flag.vote,
    }
