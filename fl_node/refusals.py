"""What a node refuses by itself, whatever the chaincode allowed (threats marked N).

Pure functions over what the ledger says and what the node knows; each raises RefusalError or returns nothing. Chain
rejection alone is too late once a share has left the node.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from fl_node.errors import RefusalError
from fl_node.views import Round, Update

COHORT_FLOOR: Final = 3
"""With two, each would know the other's update from the sum."""
SURVIVOR_FLOOR: Final = 3
PPM: Final = 1_000_000


@dataclass(frozen=True)
class Knowledge:
    """What the node knows of a round without asking the round itself.

    Attributes:
        plan: Digest of the plan file the node holds.
        layout_digest: Digest of that plan's layout.
        base_states: States that this node knows to be the training's last: computed, or attested by a majority.
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


def threshold_of(members: int) -> int:
    """Return t = ⌊2n/3⌋+1 (architecture §7)."""
    return 2 * members // 3 + 1


def check_opening(view: Round, known: Knowledge) -> None:
    """Check what a round fixes when it opens, before the node draws a key for it.

    Raises:
        RefusalError: FL4301 another model (T1), FL4302 another layout, FL4303 a lowered threshold (T8), FL4304 a cohort
            too small or of too few organisations (T8, T10).
    """
    if view.plan != known.plan:
        raise _refusal("FL4301", f"the round's plan is {view.plan}, the training's {known.plan}", view)
    if view.base_state not in known.base_states:
        raise _refusal("FL4301", f"base state {view.base_state} does not follow from the rounds before", view)
    if view.layout_digest != known.layout_digest:
        raise _refusal("FL4302", "the round's layout is not the plan's", view)
    members = len(view.cohort)
    if len(set(view.cohort)) != members or members < COHORT_FLOOR:
        raise _refusal("FL4304", f"a cohort of {members}", view)
    if view.threshold < threshold_of(members) or view.threshold > members:
        raise _refusal("FL4303", f"threshold {view.threshold} of {members}, not {threshold_of(members)}", view)
    _check_organisations(view, view.cohort, known.organisations)


def check_keys(view: Round, participant: str, seal_key: str, mask_key: str) -> None:
    """Check the cohort's published keys before any share is sealed for them.

    Raises:
        RefusalError: FL4309 a key published twice (T5) or by no member, FL4310 another under the node's own name (T4).
    """
    if not set(view.keys) <= set(view.cohort):
        raise _refusal("FL4309", "keys of somebody outside the cohort", view)
    mine = view.keys.get(participant)
    if mine is None or (mine.seal_key, mine.mask_key) != (seal_key, mask_key):
        raise _refusal("FL4310", "the ledger holds other keys under this node's name", view)
    published = [key for keys in view.keys.values() for key in (keys.seal_key, keys.mask_key)]
    if len(set(published)) != len(published):
        raise _refusal("FL4309", "one public key appears twice", view)
    if len(view.keys) < view.threshold:
        raise _refusal("FL4304", f"{len(view.keys)} members with keys, the threshold is {view.threshold}", view)


def check_masking(view: Round, participant: str) -> None:
    """Check the members who committed shares before the node masks over them.

    Raises:
        RefusalError: FL4304 fewer than the threshold, FL4310 the node is not one of them.
    """
    if participant not in view.shares:
        raise _refusal("FL4310", "the node's own shares are not on the ledger", view)
    if len(view.shares) < view.threshold or not set(view.shares) <= set(view.keys):
        raise _refusal("FL4304", f"{len(view.shares)} members with shares, the threshold is {view.threshold}", view)


def check_reveal(
    view: Round, participant: str, digest: str, known: Knowledge, earlier: Collection[frozenset[str]]
) -> None:
    """Check the frozen survivors before the first share leaves the node.

    Args:
        view: The round in Unmask.
        participant: The node's id.
        digest: Of the update that the node committed; "" where it committed none.
        known: What the node knows.
        earlier: Survivor sets that the node saw frozen on the same base state in other attempts.

    Raises:
        RefusalError: FL4305 the node's own update is missing (T14), FL4304 too few survivors (T14, T28), FL4306 a set
            that differs too little from an earlier one (T12, T13), FL4307 one survivor dominates (T28), FL4310.
    """
    survivors = set(view.survivors)
    committed = view.updates.get(participant)
    if digest and participant not in survivors:
        raise _refusal("FL4305", "this node's committed update is not among the survivors", view)
    if committed is not None and committed.digest != digest:
        raise _refusal("FL4310", "the ledger holds another update under this node's name", view)
    if survivors != set(view.updates) or not survivors <= set(view.shares):
        raise _refusal("FL4305", "the survivors are not exactly those who committed an update", view)
    if len(survivors) < max(view.threshold, SURVIVOR_FLOOR):
        raise _refusal("FL4304", f"{len(survivors)} survivors", view)
    _check_organisations(view, tuple(survivors), known.organisations)
    check_share({p: view.updates[p] for p in survivors}, known.share_limit_ppm, view)
    for other in earlier:
        difference = len(survivors ^ other)
        if 0 < difference < known.survivor_difference_min:
            message = f"the survivors differ by {difference} from a set frozen on the same base state"
            raise _refusal("FL4306", message, view)


def check_share(updates: Mapping[str, Update], limit_ppm: int, view: Round) -> None:
    """Check that no survivor declares more than the permitted part of the examples: the rest would lie open.

    Raises:
        RefusalError: FL4307.
    """
    total = sum(update.examples for update in updates.values())
    for participant, update in updates.items():
        if update.examples * PPM > limit_ppm * total:
            raise _refusal("FL4307", f"{participant} declares {update.examples} of {total} examples", view)


def check_agreement(view: Round, others: Mapping[str, Round | None]) -> None:
    """Check the organisation's own peer against peers of other organisations before a reveal (T3).

    Raises:
        RefusalError: FL4308, a peer shows other survivors for the same attempt.
    """
    for msp, other in others.items():
        if other is None or other.phase not in {"Unmask", "Attest", "Final"}:
            continue  # a peer that lags behind does not contradict
        if (other.survivors, other.keys, other.shares) != (view.survivors, view.keys, view.shares):
            raise _refusal("FL4308", f"the peer of {msp} shows other survivors, keys or shares", view)


def _check_organisations(view: Round, members: Collection[str], organisations: Mapping[str, str]) -> None:
    unknown = [p for p in members if p not in organisations]
    if unknown:
        raise _refusal("FL4304", f"{', '.join(unknown)} are not vetted", view)
    owners = [organisations[p] for p in members]
    if len(set(owners)) < SURVIVOR_FLOOR:
        raise _refusal("FL4304", f"the {len(owners)} participants belong to {len(set(owners))} organisations", view)
    largest = max(owners.count(owner) for owner in set(owners))
    if largest >= view.threshold:
        raise _refusal("FL4304", "one organisation's participants reach the threshold", view)


def _refusal(code: str, message: str, view: Round) -> RefusalError:
    return RefusalError(code, message, where=view.name, hint="This node takes no further part in this attempt.")
