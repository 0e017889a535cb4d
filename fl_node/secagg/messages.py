"""What goes into a participant and what comes out of it. Facts come from committed ledger state only (T3).

In, by phase of the round           Out
Keys      RoundOpened               PublishKeys
Shares    KeysFixed                 SealedBundle (a blob for all other members), then CommitShares
Updates   SharesFixed               -
          SealedReceived            nothing, or UnusableShares
          VectorReady               MaskedUpdate
          UpdateCommitted           -
          Complained                AnswerComplaint (for each)
Unmask    SurvivorsFixed            RevealShares
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fl_node.secagg.keys import PublicKeys, Secrets
from fl_node.secagg.session import Session
from fl_node.secagg.shares import Dealt, Kind


@dataclass(frozen=True)
class RoundOpened:
    """The ledger opened an attempt.

    Attributes:
        session: The attempt as this node understands it.
        digest: The session digest that the ledger states.
        organisations: Id to organisation of the cohort; empty where the caller checks distinctness itself.
        laid: The secrets of keys that were laid ready before, where the ledger gave them to this attempt. Invariant: no
            other attempt ever had them.
    """

    session: Session
    digest: bytes
    organisations: Mapping[str, str] = field(default_factory=dict)
    laid: Secrets | None = None


@dataclass(frozen=True)
class PublishKeys:
    """Publish this attempt's fresh public keys."""

    keys: PublicKeys


@dataclass(frozen=True)
class KeysFixed:
    """Phase Shares began; these are the keys of U1."""

    keys: Mapping[str, PublicKeys]


@dataclass(frozen=True)
class SealedBundle:
    """Store this blob with a majority, then commit its digest; every receiver fetches it."""

    blob: bytes = field(repr=False)


@dataclass(frozen=True)
class CommitShares:
    """Commit to the seed and the shares; `sealed` is the digest of the sealed bundle."""

    seed_commitment: bytes
    shares_root: bytes
    sealed: bytes


@dataclass(frozen=True)
class SharesFixed:
    """Phase Updates began; these are the commitments of U2."""

    commitments: Mapping[str, CommitShares]


@dataclass(frozen=True)
class SealedReceived:
    """A dealer's sealed bundle, as fetched."""

    dealer: str
    blob: bytes = field(repr=False)


@dataclass(frozen=True)
class UnusableShares:
    """A dealer's message cannot be used; the round goes on while enough others can use theirs."""

    dealer: str
    reason: str


@dataclass(frozen=True)
class Complained:
    """Members say that they cannot open what this participant dealt to them."""

    by: tuple[str, ...]


@dataclass(frozen=True)
class AnswerComplaint:
    """Show everybody what was dealt to a member."""

    to: str
    dealt: Dealt


@dataclass(frozen=True)
class VectorReady:
    """The plain update, in the layout's bytes.

    Attributes:
        committed: Digest of this participant's update where the ledger or its own blob service already has one.
        given: The vector is a bytearray that nobody else needs: it becomes the blob, so that there is but one of them.
            It is unchanged where the message is refused, or fails.
    """

    vector: bytes | bytearray | memoryview = field(repr=False)
    committed: bytes | None = None
    given: bool = False


@dataclass(frozen=True)
class MaskedUpdate:
    """Store this blob with a majority, then commit its digest."""

    blob: bytearray = field(repr=False)
    digest: bytes


@dataclass(frozen=True)
class UpdateCommitted:
    """This participant saw its own update committed."""

    digest: bytes


@dataclass(frozen=True)
class SurvivorsFixed:
    """Phase Unmask began.

    Attributes:
        updates: Every committed update of the attempt, id to digest.
        survivors: U3 as the ledger froze it: those whose updates are summed.
        frozen: Survivor sets frozen before on the same base state, by any attempt or round.
        blamed: Participants blamed with proof on that base state.
        minimum_difference: The smallest allowed difference between two such sets (s_min).
        frozen_groups: Of earlier attempts that had groups, the survivors of each; none of a group that stayed closed.
    """

    updates: Mapping[str, bytes]
    survivors: tuple[str, ...]
    frozen: tuple[frozenset[str], ...] = ()
    blamed: frozenset[str] = frozenset()
    minimum_difference: int = 3
    frozen_groups: tuple[tuple[frozenset[str], ...], ...] = ()


@dataclass(frozen=True)
class RevealedShare:
    """One share as the ledger will show it."""

    dealer: str
    kind: Kind
    value: bytes = field(repr=False)
    proof: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True)
class RevealShares:
    """Reveal these shares; `missing` names dealers whose message is not here or unusable."""

    shares: tuple[RevealedShare, ...]
    missing: tuple[str, ...]


Incoming = (
    RoundOpened | KeysFixed | SharesFixed | SealedReceived | Complained | VectorReady | UpdateCommitted | SurvivorsFixed
)
Outgoing = PublishKeys | SealedBundle | CommitShares | UnusableShares | AnswerComplaint | MaskedUpdate | RevealShares
