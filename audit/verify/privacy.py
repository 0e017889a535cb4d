"""How much a training's rounds have told of each participant, where its plan adds noise (`fl_node.privacy`).

Counted is in the ledger's whole numbers, from the numbers that the plan is registered with; where it is registered
under version 1 of the rules, which keep no accounts, from those that its file gives.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from audit.verify.story import place_of
from fl_node.plan.manifest import Manifest
from fl_node.privacy.integers import NOTHING, Account, Numbers

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
        ledger: Whether the ledger's own rules keep these accounts.
    """

    training: str
    unit: str
    delta: str
    colluders: int
    participants: dict[str, float]
    ledger: bool = False
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
            f"{self.training}: ε for every {self.unit} of {each} (δ = {self.delta}, {self.colluders} colluding; "
            f"{'the ledger keeps the accounts; ' if self.ledger else ''}each "
            "added the noise that its plan asks for, which no sum can show)"
        )


def spent_by(manifest: Manifest | None, training: Mapping[str, Any]) -> Spent | None:
    """Adds up what a training's frozen rounds give away; None where its plan promises nothing.

    Args:
        manifest: Its plan's; None where its file is not at hand.
        training: Its story, with its rounds, and with the `promise` that its plan is registered with, if any.
    """
    numbers = _counted_by(manifest, training)
    if not numbers.unit:
        return None
    known: dict[Account, float] = {}  # participants that survived alike have spent alike
    steps, found = [], dict[str, float]()
    for where, accounts in _accounts(numbers, training):
        for account in accounts.values():
            if account not in known:
                known[account] = account.epsilon(float(numbers.delta))
        found = {name: known[account] for name, account in accounts.items()}
        steps.append((where, found))
    ledger = training.get("promise") is not None
    return Spent(
        training["training"], numbers.unit, numbers.delta, numbers.colluders, found, ledger=ledger, steps=tuple(steps)
    )


def breaches(manifest: Manifest | None, training: Mapping[str, Any]) -> list[str]:
    """Says where what the ledger counts does not follow from the plan's file, or from the rounds' survivors.

    Args:
        manifest: The plan's; None where its file is not at hand.
        training: The training's story, with `promise` and the ledger's `accounts`.
    """
    if training.get("promise") is None:
        return []
    numbers, found = Numbers(**training["promise"]), []
    if manifest is not None and manifest.registered != numbers:
        found.append(f"its plan is registered with the promise {numbers}, its file gives {manifest.registered}")
    *_, (_, derived) = ("", dict[str, Account]()), *_accounts(numbers, training)
    for name in sorted({*derived, *training["accounts"]}):
        due, kept = derived.get(name, Account()), training["accounts"].get(name, Account())
        if due != kept:
            found.append(f"the rounds told {due} of {name}, the ledger's account says {kept}")
    return found


def _counted_by(manifest: Manifest | None, training: Mapping[str, Any]) -> Numbers:
    if training.get("promise") is not None:
        return Numbers(**training["promise"])
    return manifest.registered if manifest else NOTHING


def _accounts(numbers: Numbers, training: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Account]]]:
    """Yields where each attempt stands whose survivors were fixed, and everybody's account after it."""
    accounts: dict[str, Account] = {}
    for one in training["rounds"] if numbers.unit else ():
        survivors = one.get("survivors") or ()
        if not survivors:
            continue
        loss = numbers.loss(len(survivors))
        accounts = accounts | {name: accounts.get(name, Account()) + loss for name in survivors}
        yield place_of(one), accounts
