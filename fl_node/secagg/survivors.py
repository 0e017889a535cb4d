"""What a node refuses to reveal, whatever the ledger says (T2, T3, T8, T10, T13, T14)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fl_node import codes
from fl_node.secagg.errors import Refusal
from fl_node.secagg.messages import SurvivorsFixed
from fl_node.secagg.session import SMALLEST, Session, threshold


@dataclass(frozen=True)
class Policy:
    """A node's own floors; the consortium's parameters may be stricter, never laxer.

    Attributes:
        cohort: Smallest cohort to take part in.
        organisations: Fewest distinct organisations in the cohort and among survivors.
    """

    cohort: int = SMALLEST
    organisations: int = SMALLEST


def check_round(session: Session, own: str, organisations: Mapping[str, str], policy: Policy) -> None:
    """Refuses an attempt whose cohort or threshold would not protect this participant (FL4120)."""
    cohort = session.cohort
    if len(set(cohort)) != len(cohort) or own not in cohort:
        raise Refusal(codes.WEAK_ROUND, "the cohort names a participant twice or leaves this one out")
    if len(cohort) < max(policy.cohort, SMALLEST):
        raise Refusal(codes.WEAK_ROUND, f"a cohort of {len(cohort)} is too small")
    if not threshold(len(cohort)) <= session.threshold <= len(cohort):
        raise Refusal(codes.WEAK_ROUND, f"threshold {session.threshold} for a cohort of {len(cohort)}")
    _check_groups(session, organisations)
    if not organisations:
        return
    sizes = _sizes(cohort, organisations)
    if len(sizes) < policy.organisations or max(sizes.values()) >= session.threshold:
        raise Refusal(codes.WEAK_ROUND, "too few organisations, or one that reaches the threshold alone")


def _check_groups(session: Session, organisations: Mapping[str, str]) -> None:
    if not session.groups:
        return
    if sorted(name for group in session.groups for name in group) != sorted(session.cohort):
        raise Refusal(codes.WEAK_ROUND, "the groups are no partition of the cohort")
    if not session.mode.enough(len(opened(session, session.cohort, organisations))):
        raise Refusal(codes.WEAK_ROUND, "too few groups could be opened for the faulty participants reckoned with")


def opened(
    session: Session, committed: Collection[str], organisations: Mapping[str, str]
) -> dict[int, tuple[str, ...]]:
    """Returns the groups whose sums may be revealed: number to survivors, in cohort order.

    Args:
        session: The attempt.
        committed: Who committed an update.
        organisations: Id to organisation; where it is empty each participant counts as one of its own.
    """
    found = {}
    for number, group in enumerate(session.split):
        survivors = tuple(name for name in session.members(committed) if name in group)
        if session.mode.opens(_sizes(survivors, organisations)):
            found[number] = survivors
    return found


def check_survivors(
    session: Session, own: str, fixed: SurvivorsFixed, organisations: Mapping[str, str], policy: Policy
) -> None:
    """Refuses a survivor set whose sum could open an update.

    Raises:
        Refusal: FL4124 where the set is not that of every committed update, FL4125 where it is too small, FL4128 where
            it differs from an earlier set on the same base state by too few.
    """
    sums = opened(session, fixed.updates, organisations)
    survivors, due = set(fixed.survivors), {name for group in sums.values() for name in group}
    if survivors != due or len(survivors) != len(fixed.survivors):
        left_out = own in due and own not in survivors
        reason = "this participant's committed update" if left_out else "every committed update"
        raise Refusal(codes.LEFT_OUT, f"the survivors do not hold {reason}")
    if len(fixed.updates) < max(session.threshold, SMALLEST) or not session.mode.enough(len(sums)):
        reason = f"{len(fixed.updates)} updates, threshold {session.threshold}, {len(sums)} sums"
        raise Refusal(codes.TOO_FEW_SURVIVORS, reason)
    if organisations:
        check_organisations(_sizes(tuple(fixed.updates), organisations), policy)
    if session.groups:
        check_group_differences(session, sums, fixed)
    else:
        check_difference(survivors, fixed)


def check_organisations(sizes: Mapping[str, int], policy: Policy) -> None:
    """Refuses survivors among whom an organisation with several would know too much of the rest (FL4125).

    Args:
        sizes: Organisation to how many survivors it has.
        policy: The node's floors.
    """
    if len(sizes) < policy.organisations:
        raise Refusal(codes.TOO_FEW_SURVIVORS, "the survivors belong to too few organisations")
    several = [size for size in sizes.values() if size > 1]
    if several and sum(sizes.values()) - max(several) < SMALLEST:
        raise Refusal(codes.TOO_FEW_SURVIVORS, f"fewer than {SMALLEST} survivors remain without one organisation's")


def check_difference(survivors: set[str], fixed: SurvivorsFixed) -> None:
    """Refuses a sum whose difference from an earlier one on the same base state shows too few (FL4128)."""
    if fixed.frozen_groups:  # also where those were single updates: with them the sum tells the rest
        raise Refusal(codes.DIFFERENCING, "sums of groups count as published on the same base state")
    for earlier in fixed.frozen:
        difference = (survivors ^ earlier) - fixed.blamed
        if 0 < len(difference) < max(fixed.minimum_difference, SMALLEST):
            reason = f"{len(difference)} survivors differ from a set frozen on the same base state"
            raise Refusal(codes.DIFFERENCING, reason)


def check_group_differences(session: Session, sums: Mapping[int, tuple[str, ...]], fixed: SurvivorsFixed) -> None:
    """Refuses groups' sums that, with earlier ones on the same base state, show too few (FL4128).

    Earlier sums that were not made in these groups are refused altogether: what they tell together was not worked out.
    """
    if fixed.frozen:
        raise Refusal(codes.DIFFERENCING, "the whole cohort's sum counts as published on the same base state")
    for earlier in fixed.frozen_groups:
        if session.mode.shows and all(len(one) <= 1 for one in earlier):
            continue  # single updates, shown then as now
        if (
            session.mode.shows
            or len(earlier) != len(session.groups)
            or any(
                before & set(group)
                for number, before in enumerate(earlier)
                for other, group in enumerate(session.groups)
                if number != other
            )
        ):
            raise Refusal(codes.DIFFERENCING, "sums of other groups count as published on the same base state")
        for number, group in sums.items():
            difference = (set(group) ^ earlier[number]) - fixed.blamed
            if earlier[number] and 0 < len(difference) < max(fixed.minimum_difference, SMALLEST):
                reason = f"{len(difference)} survivors of a group differ from a set frozen on the same base state"
                raise Refusal(codes.DIFFERENCING, reason)


def check_own_update(own: str, fixed: SurvivorsFixed, masked: bytes | None, committed: bytes | None) -> None:
    """Refuses where the ledger and the journal disagree about this participant's own update (FL4122, FL4124)."""
    on_ledger = fixed.updates.get(own)
    if on_ledger is None and committed is not None:
        raise Refusal(codes.LEFT_OUT, "the survivors do not hold this participant's committed update")
    if on_ledger is not None and on_ledger != masked:
        raise Refusal(
            codes.UNKNOWN_OWN, "the ledger holds an update of this participant that its journal does not know"
        )


def _sizes(participants: tuple[str, ...], organisations: Mapping[str, str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for participant in participants:
        organisation = organisations[participant] if organisations else participant
        sizes[organisation] = sizes.get(organisation, 0) + 1
    return sizes
