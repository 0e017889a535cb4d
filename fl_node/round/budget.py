"""How much privacy a node has given away, and whether a round may take more.

Every update that this node masks counts, from the moment before its first byte leaves: attempts that end Void, and
those whose update is never revealed, count as well. The journal's lasting facts hold what each gave away, so that
nothing but the organisation's own disk is believed.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol

from fl_node import codes
from fl_node.errors import RefusalError
from fl_node.ledger.records import Round
from fl_node.privacy.accounting import Loss, Promise, epsilon, total
from fl_node.round.consent import Consent

ABOUT: Final = "privacy"


class Facts(Protocol):
    """The part of a journal that outlives attempts."""

    def facts(self, about: str) -> Sequence[Any]:
        """Return what is remembered about something, oldest first."""

    def remember(self, about: str, fact: Any) -> None:
        """Append a lasting fact, synced, unless it is known."""


def check_budget(journal: Facts, consent: Consent, view: Round, promise: Promise | None) -> None:
    """Check that an attempt stays within what the organisation gives away in all.

    Raises:
        RefusalError: FL4308, it would not, or its plan promises nothing.
    """
    limit = consent.epsilon
    if limit is None or view.name in _spent(journal):
        return
    if promise is None:
        text = f"the plan has no differential privacy, and the organisation's budget is ε = {limit:g}"
        raise RefusalError(codes.BUDGET_SPENT, text, where=view.name)
    after = epsilon(so_far(journal) + promise.loss, promise.delta)
    if after > limit:
        text = f"the round would bring ε to {after:.4g} (δ = {promise.delta:g}), beyond the budget of {limit:g}"
        raise RefusalError(codes.BUDGET_SPENT, text, where=view.name)


def spend(journal: Facts, view: Round, promise: Promise) -> float:
    """Note that an attempt gives away what its plan says; return ε so far. FL4007 where the disk refuses."""
    if view.name not in _spent(journal):
        journal.remember(ABOUT, [view.name, promise.loss.squared, promise.loss.slack])
    return epsilon(so_far(journal), promise.delta)


def so_far(journal: Facts) -> Loss:
    """What all attempts together gave away."""
    return total(_spent(journal).values())


def check_survivors(view: Round, promise: Promise | None) -> None:
    """Check, before a reveal, that enough survivors added noise.

    Raises:
        RefusalError: FL4309.
    """
    if promise and len(view.survivors) < promise.survivors:
        text = f"{len(view.survivors)} survivors where the plan's noise needs {promise.survivors}"
        raise RefusalError(codes.TOO_LITTLE_NOISE, text, where=view.name)


def _spent(journal: Facts) -> dict[str, Loss]:
    return {name: Loss(squared, slack) for name, squared, slack in journal.facts(ABOUT)}
