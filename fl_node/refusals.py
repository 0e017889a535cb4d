"""What a node refuses by itself beyond secure aggregation's own refusals (`secagg.survivors`, `secagg.participant`).

Pure functions over what the ledger says and what the node knows; each raises RefusalError or returns nothing. Chain
rejection alone is too late once a share has left the node.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from fl_node.errors import RefusalError
from fl_node.views import Round

PPM: Final = 1_000_000


@dataclass(frozen=True)
class Knowledge:
    """What the node knows of a round without asking the round itself.

    Attributes:
        plan: Digest of the plan file the node holds.
        layout_digest: Digest of that plan's layout.
        base_states: States that this node knows the training had: computed, or attested by a majority.
        organisations: Participant → MSP id, from the vetted records.
        survivor_difference_min: By how many survivors two sets on one base state must differ.
        share_limit_ppm: The largest part of the examples one survivor may declare, in millionths.
    """

    plan: str
    layout_digest: str
    base_states: frozenset[str]
    organisations: Mapping[str, str]
    survivor_difference_min: int = 3
    share_limit_ppm: int = 700_000


def check_opening(view: Round, known: Knowledge) -> None:
    """Check what a round fixes when it opens, before the node draws a key for it.

    Raises:
        RefusalError: FL4301 another model (T1), FL4302 another layout, FL4303 members that nobody vetted (T10).
    """
    if view.plan != known.plan:
        raise _refusal("FL4301", f"the round's plan is {view.plan}, the training's {known.plan}", view)
    if view.base_state not in known.base_states:
        raise _refusal("FL4301", f"base state {view.base_state} does not follow from the rounds before", view)
    if view.layout_digest != known.layout_digest:
        raise _refusal("FL4302", "the round's layout is not the plan's", view)
    _check_vetted(view, view.cohort, known)


def check_reveal(view: Round, known: Knowledge) -> None:
    """Check the frozen survivors before the first share leaves the node, beside what the participant itself checks.

    Raises:
        RefusalError: FL4303 members that nobody vetted, FL4304 one survivor dominates the examples: the rest would lie
            open (T28).
    """
    _check_vetted(view, view.survivors, known)
    examples = {name: view.updates[name].examples for name in view.survivors if name in view.updates}
    total = sum(examples.values())
    for name, declared in examples.items():
        if declared * PPM > known.share_limit_ppm * total:
            raise _refusal("FL4304", f"{name} declares {declared} of {total} examples", view)


def check_agreement(view: Round, others: Mapping[str, Round | None]) -> None:
    """Check the organisation's own peer against peers of other organisations before a reveal (T3).

    Raises:
        RefusalError: FL4305, a peer shows other survivors, keys or shares for the same attempt.
    """
    for msp, other in others.items():
        if other is None or other.phase not in {"Unmask", "Attest", "Final"}:
            continue  # a peer that lags behind does not contradict
        if (other.survivors, other.keys, other.shares) != (view.survivors, view.keys, view.shares):
            raise _refusal("FL4305", f"the peer of {msp} shows other survivors, keys or shares", view)


def check_unchanged(view: Round, before: Collection[str] | None) -> None:
    """Check that the survivors are those that this node remembers revealing for in this very attempt.

    Raises:
        RefusalError: FL4306.
    """
    if before is not None and tuple(before) != view.survivors:
        raise _refusal("FL4306", "the survivors are not those of an earlier reveal in this attempt", view)


def _check_vetted(view: Round, members: Collection[str], known: Knowledge) -> None:
    unknown = sorted(set(members) - set(known.organisations))
    if unknown:
        raise _refusal("FL4303", f"{', '.join(unknown)} have no vetted record", view)


def _refusal(code: str, message: str, view: Round) -> RefusalError:
    return RefusalError(code, message, where=view.name, hint="This node takes no further part in this attempt.")
