"""Plans endorsements for what a transaction touches: found once for each state of configuration and definitions.

Source: internal/pkg/gateway/endorse.go (planFromFirstEndorser), discovery/endorsement/endorsement.go.
"""

from collections.abc import Collection
from typing import Any

import grpc

from network.devnet import lifecycle
from network.devnet.channel import ENDORSEMENT, Channel
from network.devnet.committer import Committer
from network.devnet.endorsement_plan import Endorsers, Plan
from network.devnet.interest import NoPlanError, endorsers_for, protected
from network.devnet.transport import CallError

REFUSED = grpc.StatusCode.FAILED_PRECONDITION
NO_COMBINATION = "no combination of peers can be derived which satisfy the endorsement policy"
PLANS = 100  # kept; keys with policies of their own may need many


class Planner:
    """Plans for one peer's gateway."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._counted: tuple[Channel, Endorsers] | None = None
        self._planned: dict[tuple[bytes, ...], Endorsers] = {}

    def counted(self) -> Endorsers:
        """Return whom the channel's endorsement policy counts."""
        channel = self._committer.channel
        if self._counted is None or self._counted[0] is not channel:
            policy = channel.policies.policy(ENDORSEMENT)
            self._counted = channel, Endorsers.of(policy, {node.msp_id for node in channel.peers})
            self._planned = {}
        return self._counted[1]

    def plan(self, interest: Any, available: Collection[str], *, transient: bool = False) -> Plan:
        """Return a plan for what a transaction touches; transient data is sent to holders of its collections only.

        Raises:
            CallError: no endorsements of the available organisations can satisfy its policies.
        """
        if not transient:
            return self._plan(interest, available)
        careful, names = protected(interest)
        try:
            return self._plan(careful, available)
        except CallError:
            if not names:
                raise
            self._plan(interest, available)
            message = (
                "requires endorsement from organisation(s) that are not in the distribution policy of the private data "
                f"collection(s): [{' '.join(names)}]; retry specifying trusted endorsing organizations to protect "
                "transient data"
            )
            raise CallError(REFUSED, message) from None

    def _plan(self, interest: Any, available: Collection[str]) -> Plan:
        try:
            found = self._endorsers(interest, available)
        except NoPlanError as error:
            raise CallError(REFUSED, f"{NO_COMBINATION}: {error}") from None
        plan = Plan(found.enough, found.organisations.intersection(available))
        if not plan.possible():
            reason = "no peer combination can satisfy the endorsement policy"
            if not available:
                called = interest.chaincodes[0].name
                reason = f"No metadata was found for chaincode {called} in channel {self._committer.channel.name}"
            raise CallError(REFUSED, f"{NO_COMBINATION}: {reason}")
        return plan

    def _endorsers(self, interest: Any, available: Collection[str]) -> Endorsers:
        self.counted()  # a new configuration makes what was planned before void
        state = self._committer.store.current
        defined = [lifecycle.fingerprint(state, call.name) for call in interest.chaincodes]
        key = (interest.SerializeToString(), *defined, *(name.encode() for name in sorted(available)))
        if key not in self._planned:
            if len(self._planned) >= PLANS:
                self._planned = {}
            self._planned[key] = endorsers_for(interest, state, self._committer.channel, available)
        return self._planned[key]
