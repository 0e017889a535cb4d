"""What the organisation itself consents to, whatever the consortium voted."""

from dataclasses import dataclass

from fl_node.clock import DAY_MS


@dataclass(frozen=True)
class Consent:
    """The organisation's own limits; a vote may be stricter, never laxer.

    Attributes:
        plans: Digests of plans it trains; empty means every plan that the consortium registered.
        retention_ms: How long masked blobs stay after their round, the audit's window.
        epsilon: ε that all its rounds of private plans together may give away, at the plans' δ; None: no limit of
            its own. With a limit, plans that promise no differential privacy are refused.
        show_updates: It consents to trainings in the mode plain, which shows its updates to the members.
        accept_lifted: It consents where a vote lifts the rule that two survivor sets on one base state differ enough.
    """

    plans: frozenset[str] = frozenset()
    retention_ms: int = 90 * DAY_MS
    accept_lifted: bool = False
    epsilon: float | None = None
    show_updates: bool = False
