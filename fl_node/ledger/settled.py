"""What of an attempt can no longer change, as digests: two that have the same digests have the same attempt."""

from collections.abc import Callable
from typing import Any, Final, Literal

from fl_node.canonical import LABEL_SETTLED, canonical_json, tagged_hash
from fl_node.ledger.records import Digest, Phase, Round, View

REACHED: Final[tuple[Phase, ...]] = ("Keys", "Shares", "Updates", "Unmask", "Attest", "Final")
"""The phases of an attempt that comes to an end, in their order."""


class Settled(View):
    """What one party has of an attempt.

    Attributes:
        version: Of these digests: one who makes them otherwise is not understood.
        phase: The phase that the attempt is in, as far as it was seen.
        digests: Phase → what is settled once the attempt is in it. Invariant: for `Keys`, and for every phase that has
            been reached unless the attempt is void.
        frozen: Of the survivor sets that other attempts froze on the same base state; it may change.
    """

    version: Literal[1] = 1
    phase: Phase
    digests: dict[Phase, Digest]
    frozen: Digest

    def agrees(self, other: "Settled") -> bool | None:
        """Tell whether another confirms (True) or contradicts (False) all that is settled here; None: neither.

        One that lags behind, or has ended the attempt, counts neither way.
        """
        if other.digests.get("Keys") != self.digests["Keys"]:
            return False
        if other.phase not in REACHED or REACHED.index(other.phase) < REACHED.index(self.phase):
            return None
        if other.digests.get(self.phase) != self.digests[self.phase]:
            return False
        return True if other.frozen == self.frozen else None  # another training may just have frozen a set


def settled(view: Round) -> Settled:
    """Return what is settled in an attempt as somebody sees it."""
    last = REACHED.index(view.phase) if view.phase in REACHED else 0
    digests: dict[Phase, str] = {}
    digest = b""
    for phase in REACHED[: last + 1]:
        if phase in SINCE:
            digest = _digest(phase, digest, SINCE[phase](view))
        digests[phase] = digest.hex()
    frozen = [(one.survivors, one.blamed, one.groups) for one in view.frozen]
    return Settled(phase=view.phase, digests=digests, frozen=_digest("frozen", b"", frozen).hex())


def _opened(view: Round) -> list[Any]:
    members = [(one.participant, one.msp_id, one.rows) for one in view.members]
    fixed = [view.plan, view.base_state, view.session, view.threshold, view.cohort, members]
    return [*fixed, view.mode, view.robust_groups, view.groups]


def _keys(view: Round) -> list[Any]:
    return [view.u1, {name: (keys.seal_key, keys.mask_key) for name, keys in view.keys.items()}]


def _shares(view: Round) -> list[Any]:
    return [view.u2, {name: (s.seed_commitment, s.shares_root, s.sealed) for name, s in view.shares.items()}]


def _updates(view: Round) -> list[Any]:
    updates = {name: (update.digest, update.length, update.examples) for name, update in view.updates.items()}
    return [view.survivors, view.left_out, updates]


SINCE: Final[dict[Phase, Callable[[Round], list[Any]]]] = {
    "Keys": _opened,
    "Shares": _keys,
    "Updates": _shares,
    "Unmask": _updates,
}
"""What each phase finds settled that the one before it did not; the later ones settle nothing more."""


def _digest(what: str, before: bytes, values: list[Any]) -> bytes:
    return tagged_hash(LABEL_SETTLED, what, before, canonical_json(values))
