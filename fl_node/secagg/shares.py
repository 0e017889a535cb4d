"""Dealing: both secrets of a participant split for its cohort, under one Merkle root."""

from dataclasses import dataclass, field
from typing import Final, Literal

from fl_node.canonical import LABEL_SHARE_LEAF, tagged_hash
from fl_node.secagg.merkle import Tree, leaf_hash, verify_path
from fl_node.secagg.session import Session
from fl_node.secagg.shamir import Entropy, element, split

Kind = Literal["mask", "seed"]
"""Which secret of the dealer a share belongs to: its secret mask key or its self-mask seed b."""

KINDS: Final[tuple[Kind, Kind]] = ("mask", "seed")
"""In the order of a receiver's two leaves."""


@dataclass(frozen=True)
class Dealt:
    """What one receiver gets from one dealer.

    Attributes:
        mask: Share of the dealer's secret mask key, 66 bytes.
        seed: Share of the dealer's seed b, 66 bytes.
        path: Audit path above the pair of leaves, 32 bytes each, leaf to root.
    """

    mask: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    path: tuple[bytes, ...]

    def value(self, kind: Kind) -> bytes:
        """Returns the share of one kind."""
        return self.mask if kind == "mask" else self.seed


def share_leaf(session: bytes, dealer: str, receiver: str, kind: Kind, value: bytes) -> bytes:
    """Returns the value of a share's leaf; a share has 521 bits of entropy, so that a leaf hides it."""
    return tagged_hash(LABEL_SHARE_LEAF, session, dealer, receiver, kind, value)


def deal(
    session: Session, dealer: str, members: tuple[str, ...], mask: bytes, seed: bytes, entropy: Entropy
) -> tuple[bytes, dict[str, Dealt]]:
    """Splits both secrets for the members of U1.

    Args:
        session: The attempt; shares stand for x = cohort index + 1.
        dealer: Whose secrets.
        members: Those with keys (U1), in cohort order.
        mask: Secret mask key, 32 bytes.
        seed: Self-mask seed b, 32 bytes.
        entropy: Source of the polynomials.

    Returns:
        The root over all shares, and what each member gets, the dealer too.
    """
    secrets: dict[Kind, bytes] = {"mask": mask, "seed": seed}
    shares = {kind: split(secrets[kind], len(session.cohort), session.threshold, entropy) for kind in KINDS}
    leaves = [
        share_leaf(session.digest, dealer, name, kind, shares[kind][session.place(name)])
        for name in members
        for kind in KINDS
    ]
    tree, dealt = Tree(leaves), {}
    for leaf, name in enumerate(members):
        place = session.place(name)
        dealt[name] = Dealt(shares["mask"][place], shares["seed"][place], tree.path(2 * leaf)[1:])
    return tree.root, dealt


def proof(session: Session, dealer: str, receiver: str, kind: Kind, dealt: Dealt) -> tuple[bytes, ...]:
    """Returns the audit path of one share: the other leaf of the pair, then the path above the pair."""
    other: Kind = "seed" if kind == "mask" else "mask"
    sibling = leaf_hash(share_leaf(session.digest, dealer, receiver, other, dealt.value(other)))
    return (sibling, *dealt.path)


def check_share(
    session: Session,
    root: bytes,
    members: tuple[str, ...],
    share: tuple[str, str, Kind, bytes],
    path: tuple[bytes, ...],
) -> None:
    """Checks one share against the root that its dealer committed to.

    Args:
        session: The attempt.
        root: The dealer's `shares_root`.
        members: U1 in cohort order.
        share: Dealer, receiver, kind and value.
        path: Its audit path.

    Raises:
        SecaggError: It lies outside the field (FL4103) or is not under the root (FL4114).
    """
    dealer, receiver, kind, value = share
    element(value)
    index = 2 * members.index(receiver) + KINDS.index(kind)
    verify_path(root, index, 2 * len(members), share_leaf(session.digest, dealer, receiver, kind, value), path)
