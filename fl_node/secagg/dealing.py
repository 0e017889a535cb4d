"""A participant's steps between ledger facts: seal shares for others, open theirs, derive the masks of its update."""

from collections.abc import Iterator, Mapping

from fl_node import codes
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.keys import PublicKeys, Secrets, check_public_key, pair_key, seed_commitment, self_key, share_key
from fl_node.secagg.masks import Mask
from fl_node.secagg.records import Dealing, keys_digest
from fl_node.secagg.seal import part, seal, unseal
from fl_node.secagg.session import Session
from fl_node.secagg.shamir import Entropy
from fl_node.secagg.shares import KINDS, Dealt, check_share, deal, proof


def check_keys(keys: Mapping[str, PublicKeys]) -> None:
    """Refuses weak keys and any key that is published twice (FL4101; T5)."""
    published = [key for pair in keys.values() for key in (pair.seal, pair.mask)]
    for key in published:
        check_public_key(key)
    if len(set(published)) != len(published):
        raise SecaggError(codes.BAD_KEY, "a public key is published twice")


def deal_sealed(
    session: Session, own: str, secrets: Secrets, keys: Mapping[str, PublicKeys], entropy: Entropy
) -> Dealing:
    """Deals both secrets to the members of U1 and seals each other member's shares.

    Args:
        session: The attempt.
        own: The dealer.
        secrets: Its secrets.
        keys: Public keys of U1, in cohort order.
        entropy: Source of the polynomials.
    """
    root, dealt = deal(session, own, tuple(keys), secrets.mask.secret, secrets.seed, entropy)
    bundle = bytearray()
    for to, public in keys.items():
        if to != own:
            key = share_key(session.digest, secrets.seal, public.seal, (own, secrets.seal.public), (to, public.seal))
            bundle += seal(session.digest, (own, to), key, dealt[to], len(keys))
    commitment = seed_commitment(session.digest, own, secrets.seed)
    return Dealing(keys_digest(keys), commitment, root, dealt[own], bytes(bundle))


def open_sealed(
    session: Session, own: str, secrets: Secrets, keys: Mapping[str, PublicKeys], message: tuple[str, bytes, bytes]
) -> Dealt:
    """Opens a dealer's message out of its bundle and checks both shares against its root.

    Args:
        session: The attempt.
        own: The receiver.
        secrets: Its secrets.
        keys: Public keys of U1, in cohort order.
        message: Dealer, its committed root, its sealed bundle.

    Raises:
        SecaggError: The message cannot be used (FL4102, FL4103, FL4114).
    """
    dealer, root, bundle = message
    members = tuple(keys)
    dealt = _opened(session, (dealer, own), secrets, keys, bundle)
    for kind in KINDS:
        path = proof(session, dealer, own, kind, dealt)
        check_share(session, root, members, (dealer, own, kind, dealt.value(kind)), path)
    return dealt


def dealt_to(
    session: Session, own: str, secrets: Secrets, keys: Mapping[str, PublicKeys], message: tuple[str, bytes]
) -> Dealt:
    """Opens the dealer's own message to a receiver again; `message` is the receiver and the dealer's bundle."""
    to, bundle = message
    return _opened(session, (own, to), secrets, keys, bundle)


def _opened(
    session: Session, ends: tuple[str, str], secrets: Secrets, keys: Mapping[str, PublicKeys], bundle: bytes
) -> Dealt:
    """Opens the message from one end to the other with the secrets of either: both agree on its key."""
    (dealer, to), members = ends, tuple(keys)
    other = keys[to if keys[dealer] == secrets.public else dealer].seal
    key = share_key(session.digest, secrets.seal, other, (dealer, keys[dealer].seal), (to, keys[to].seal))
    sealed = part(bundle, members, dealer, to)
    return unseal(session.digest, ends, key, sealed, (members.index(to), len(members)))


def own_masks(
    session: Session, own: str, secrets: Secrets, keys: Mapping[str, PublicKeys], shared: tuple[str, ...]
) -> Iterator[Mask]:
    """Yields the masks of an update: the participant's own, and one with each other member of U2 in its group.

    The earlier of two in the cohort adds the mask between them, the later takes it away, so that it cancels in the sum.
    """
    yield Mask(self_key(session.digest, own, secrets.seed, secrets.mask.public), add=True)
    this = (own, secrets.mask.public)
    partners = session.partners(own)
    for name in shared:
        if name == own or name not in partners:
            continue
        other = (name, keys[name].mask)
        later = session.place(name) > session.place(own)
        low, high = (this, other) if later else (other, this)
        yield Mask(pair_key(session.digest, secrets.mask, other[1], low, high), add=later)
