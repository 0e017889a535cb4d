"""A whole cohort in one process over an in-memory ledger: for tests, benchmarks and trying a plan without a network.

Every participant is the real one; only ledger and blob stores are dictionaries. The steps may be run one by one,
with anything done to the public state between them, or all at once by `simulate`.
"""

import hashlib
import io
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from fl_node.secagg import messages as m
from fl_node.secagg.keys import PublicKeys
from fl_node.secagg.layout import Layout
from fl_node.secagg.participant import Participant
from fl_node.secagg.records import AttemptRecords, MemoryRecords
from fl_node.secagg.session import Session, threshold
from fl_node.secagg.shamir import Entropy
from fl_node.secagg.shares import check_share
from fl_node.secagg.survivors import opened
from fl_node.secagg.unmask import Aggregate, Revealed, shares_by_dealer, unmask


def session_of(layout: Layout, participants: int, **changes: object) -> Session:
    """Returns a session with a cohort of hospitals, for simulations; `changes` replace any field."""
    fields: dict[str, object] = {
        "channel": "fedchannel",
        "training": "simulation",
        "round": 1,
        "attempt": 1,
        "plan": b"\x01" * 32,
        "base_state": b"\x02" * 32,
        "layout": layout,
        "cohort": tuple(f"hospital-{place:03d}" for place in range(participants)),
        "threshold": threshold(participants),
    }
    return Session(**(fields | changes))  # type: ignore[arg-type]


@dataclass
class Simulation:
    """One attempt and all that is public about it.

    Attributes:
        keys: Published keys (U1).
        commitments: Committed shares (U2).
        blobs: Every stored blob by digest.
        updates: Committed updates (U3).
        reveals: (dealer, receiver, share) as revealed, each checked against its root.
    """

    session: Session
    entropy: Entropy = os.urandom
    records: Callable[[str], AttemptRecords] = lambda _: MemoryRecords()
    keys: dict[str, PublicKeys] = field(default_factory=dict)
    commitments: dict[str, m.CommitShares] = field(default_factory=dict)
    blobs: dict[bytes, bytes] = field(default_factory=dict, repr=False)
    updates: dict[str, bytes] = field(default_factory=dict)
    reveals: list[tuple[str, str, bytes]] = field(default_factory=list, repr=False)
    participants: dict[str, Participant] = field(init=False)

    def __post_init__(self) -> None:
        self.participants = {
            name: Participant(name, self.records(name), entropy=self.entropy) for name in self.session.cohort
        }

    def publish_keys(self, absent: Collection[str] = ()) -> None:
        """Runs phase Keys."""
        for name in self._present(self.session.cohort, absent):
            for message in self.participants[name].receive(m.RoundOpened(self.session, self.session.digest)):
                assert isinstance(message, m.PublishKeys)
                self.keys[name] = message.keys

    def commit_shares(self, absent: Collection[str] = ()) -> None:
        """Runs phase Shares."""
        for name in self._present(self.keys, absent):
            for message in self.participants[name].receive(m.KeysFixed(dict(self.keys))):
                if isinstance(message, m.SealedBundle):
                    self.blobs[hashlib.sha256(message.blob).digest()] = message.blob
                elif isinstance(message, m.CommitShares):
                    self.commitments[name] = message

    def commit_updates(self, vectors: Mapping[str, bytes | bytearray], absent: Collection[str] = ()) -> None:
        """Runs phase Updates; `vectors` holds the plain update of each participant."""
        for name in self._present(self.commitments, ()):
            self.deliver_shares(name)
        for name in self._present(self.commitments, absent):
            for message in self.participants[name].receive(m.VectorReady(vectors[name])):
                assert isinstance(message, m.MaskedUpdate)
                self.blobs[message.digest] = bytes(message.blob)
                self.updates[name] = message.digest
                self.participants[name].receive(m.UpdateCommitted(message.digest))

    def deliver_shares(self, name: str) -> list[m.Outgoing]:
        """Gives a participant the commitments of U2 and its sealed messages; returns what it says to them."""
        participant = self.participants[name]
        answers = participant.receive(m.SharesFixed(dict(self.commitments)))
        for dealer, commitment in self.commitments.items():
            if dealer != name:
                answers += participant.receive(m.SealedReceived(dealer, self.blobs[commitment.sealed]))
        return answers

    def reveal(self, absent: Collection[str] = (), **changes: object) -> None:
        """Runs phase Unmask up to the reveals; `changes` replace fields of `SurvivorsFixed`."""
        fields: dict[str, object] = {"updates": dict(self.updates), "survivors": self.survivors}
        for name in self._present(self.commitments, absent):
            for message in self.participants[name].receive(m.SurvivorsFixed(**(fields | changes))):  # type: ignore[arg-type]
                assert isinstance(message, m.RevealShares)
                self._record(name, message)

    def _record(self, receiver: str, message: m.RevealShares) -> None:
        members = self.session.members(self.keys)
        for share in message.shares:
            root = self.commitments[share.dealer].shares_root
            check_share(self.session, root, members, (share.dealer, receiver, share.kind, share.value), share.proof)
            self.reveals.append((share.dealer, receiver, share.value))

    @property
    def survivors(self) -> tuple[str, ...]:
        """Those whose updates are summed: all that committed one, or those of opened groups."""
        groups = opened(self.session, self.updates, {})
        return self.session.members({name for group in groups.values() for name in group})

    @property
    def revealed(self) -> Revealed:
        """What the ledger holds at Unmask."""
        return Revealed(
            self.session,
            {name: self.keys[name].mask for name in self.commitments},
            {name: commitment.seed_commitment for name, commitment in self.commitments.items()},
            {name: self.updates[name] for name in self.survivors},
            shares_by_dealer(self.reveals),
        )

    def unmask(self) -> Aggregate:
        """Removes the masks, as the aggregator does."""
        return unmask(self.revealed, lambda digest: io.BytesIO(self.blobs[digest]))

    def _present(self, participants: Collection[str], absent: Collection[str]) -> tuple[str, ...]:
        return tuple(name for name in self.session.members(participants) if name not in absent)


def simulate(
    session: Session,
    vectors: Mapping[str, bytes | bytearray],
    absent: Mapping[str, Collection[str]] | None = None,
    entropy: Entropy = os.urandom,
) -> Aggregate:
    """Runs one attempt from keys to the unmasked sum.

    Args:
        session: The attempt.
        vectors: Plain update of each participant, in the layout's bytes.
        absent: Per phase (keys, shares, updates, reveal) who drops out there; a dropout stays away, save that those who
            miss only the phase updates still reveal.
        entropy: Source of every secret.

    Raises:
        Refusal: A participant refuses to go on: the attempt voids.
        SecaggError: Too few shares were revealed.
    """
    gone = {phase: frozenset(names) for phase, names in (absent or {}).items()}
    simulation = Simulation(session, entropy)
    simulation.publish_keys(gone.get("keys", frozenset()))
    simulation.commit_shares(gone.get("shares", frozenset()))
    simulation.commit_updates(vectors, gone.get("updates", frozenset()))
    simulation.reveal(gone.get("reveal", frozenset()))
    return simulation.unmask()
