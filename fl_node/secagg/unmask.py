"""The aggregator's step, and anyone's check of it: Σ x from masked updates and revealed shares.

Endorsers run the same in Go (chaincode/aggregate). Order of checks, faults and bytes are the same.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final

import numpy as np

from fl_node import codes
from fl_node.canonical import LABEL_BUCKETS, tagged_hash
from fl_node.secagg.errors import Fault, SecaggError
from fl_node.secagg.keys import KeyPair, pair_key, seed_commitment, self_key
from fl_node.secagg.layout import Layout, Words
from fl_node.secagg.masks import Mask, apply_masks, chunks
from fl_node.secagg.session import SMALLEST, Session
from fl_node.secagg.shamir import rebuild

OpenBlob = Callable[[bytes], BinaryIO]
"""Opens a blob by its SHA-256; what it gives is hashed before anything is concluded from it."""

MOST_ROWS: Final = (1 << 64) - 1


@dataclass(frozen=True)
class Revealed:
    """What the ledger holds of a round at Unmask.

    Attributes:
        mask_keys: Public mask keys of U2.
        seed_commitments: Of U2.
        updates: Digests of the survivors' masked updates (U3); of no group that stays closed.
        shares: Per dealer of U2, receiver to share: of the seed where the dealer survived, else of the mask key.
    """

    session: Session
    mask_keys: Mapping[str, bytes]
    seed_commitments: Mapping[str, bytes]
    updates: Mapping[str, bytes]
    shares: Mapping[str, Mapping[str, bytes]] = field(repr=False)

    @property
    def survivors(self) -> tuple[str, ...]:
        """U3 in cohort order."""
        return self.session.members(self.updates)

    @property
    def dropouts(self) -> tuple[str, ...]:
        """The dealers without an update, in cohort order."""
        return tuple(name for name in self.dealers if name not in self.updates)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The survivors of each group that has some, in the order of the groups."""
        sets = [tuple(name for name in self.survivors if name in group) for group in self.session.split]
        return tuple(one for one in sets if one)

    @property
    def dealers(self) -> tuple[str, ...]:
        """U2 without the members of groups that stay closed, in cohort order."""
        opened = {name for group in self.session.split for name in group if not self.updates.keys().isdisjoint(group)}
        return tuple(name for name in self.session.members(self.mask_keys) if name in opened)


@dataclass(frozen=True)
class Aggregate:
    """The unmasked aggregate.

    Attributes:
        vector: Σ x of the survivors, or what the mode makes of the groups' sums, in the layout's bytes.
        digest: Its SHA-256.
        sums: SHA-256 of each group's sum, in the order of the groups; empty where the cohort has one.
        outlying: The groups, by their place in the round's, that the mode left out altogether.
        rows: Total of example rows by the layout's count map, rounded down; None where it names none.
        groups: Those sums themselves.
    """

    vector: bytearray = field(repr=False)
    digest: bytes
    rows: int | None
    sums: tuple[bytes, ...] = ()
    groups: tuple[bytearray, ...] = field(default=(), repr=False)
    outlying: tuple[int, ...] = ()


def unmask(revealed: Revealed, open_blob: OpenBlob) -> Aggregate:
    """Sums the masked updates and removes the masks.

    Raises:
        Fault: The inputs prove a misbehaviour: a dealer's, an update's sender's, or some survivor's garbage.
        SecaggError: A blob is missing or altered (FL4108), shares are too few yet (FL4107), or survivors
            are (FL4125).
    """
    layout, survivors = revealed.session.layout, revealed.survivors
    if len(survivors) < (SMALLEST if revealed.session.groups else max(revealed.session.threshold, SMALLEST)):
        raise SecaggError(codes.TOO_FEW_SURVIVORS, f"{len(survivors)} survivors")
    secrets = rebuild_secrets(revealed)
    sums = _sum_updates(revealed, open_blob)
    for group, total in zip(revealed.groups, sums, strict=True):
        apply_masks(total, layout, _remaining_masks(revealed, group, secrets))
    for group, total in zip(revealed.groups, sums, strict=True):
        _check_ranges(revealed.session, total, group)
    groups = tuple(sums) if revealed.session.groups else ()
    digests = tuple(hashlib.sha256(total).digest() for total in groups)
    made = revealed.session.mode.combine(layout, sums, list(map(len, revealed.groups)), _draw(revealed, secrets))
    places = [revealed.session.split.index(revealed.session.partners(group[0])) for group in revealed.groups]
    rows, digest = _rows(layout, made.vector), hashlib.sha256(made.vector).digest()
    return Aggregate(made.vector, digest, rows, digests, groups, tuple(places[place] for place in made.outlying))


def _draw(revealed: Revealed, secrets: Mapping[str, bytes]) -> bytes:
    """H(buckets, session, seeds of the survivors): nobody knows it before the survivors are frozen."""
    seeds = [secrets[survivor] for survivor in revealed.survivors]
    return tagged_hash(LABEL_BUCKETS, revealed.session.digest, *seeds)


def _check_ranges(session: Session, total: bytearray, group: Sequence[str]) -> None:
    """Blames the sender where a group has one alone; else nobody can tell who masked garbage."""
    for segment in session.layout.segments:
        words, (least, most) = segment.view(total), segment.bounds(len(group))
        if not segment.modular and (int(words.max()) > most or int(words.min()) < least):
            reason = f"the sum of {segment.name!r} leaves its range"
            if session.groups and len(group) == 1:
                raise Fault("update", group[0], reason)
            raise Fault("garbage", "", reason)


def verify(
    revealed: Revealed,
    open_blob: OpenBlob,
    proposed: bytes,
    sums: tuple[bytes, ...] = (),
    outlying: tuple[int, ...] = (),
) -> Aggregate:
    """Recomputes the aggregate and compares what was proposed: its digest, the groups' sums', and the groups left out.

    Raises:
        Fault: As `unmask`, and the aggregator's where the digest is another.
        SecaggError: As `unmask`.
    """
    aggregate = unmask(revealed, open_blob)
    if (aggregate.digest, aggregate.sums, aggregate.outlying) != (proposed, sums, outlying):
        raise Fault("aggregator", "", "the proposed digest is not that of the sum")
    return aggregate


def rebuild_secrets(revealed: Revealed) -> dict[str, bytes]:
    """Rebuilds seeds of survivors and secret mask keys of dropouts, checked, in cohort order.

    Raises:
        Fault: A dealer's shares rebuild nothing that fits its commitment or public key.
        SecaggError: A secret has fewer shares than the threshold yet (FL4107).
    """
    return {name: _secret(revealed, name) for name in revealed.dealers}


def _secret(revealed: Revealed, dealer: str) -> bytes:
    session, shares = revealed.session, revealed.shares.get(dealer, {})
    receivers = session.members(shares)[: session.threshold]
    if len(receivers) < session.threshold:
        reason = f"{len(receivers)} of {session.threshold} shares are revealed"
        raise SecaggError(codes.TOO_FEW_SHARES, reason, where=dealer)
    try:
        secret = rebuild([(session.place(receiver) + 1, shares[receiver]) for receiver in receivers])
    except SecaggError as error:
        if error.code != codes.BAD_SECRET:
            raise
        raise Fault("dealer", dealer, "its shares rebuild no secret") from error
    if dealer in revealed.updates:
        fits = seed_commitment(session.digest, dealer, secret) == revealed.seed_commitments[dealer]
    else:
        fits = KeyPair.of(secret).public == revealed.mask_keys[dealer]
    if not fits:
        raise Fault("dealer", dealer, "its shares rebuild a secret that does not fit its commitment")
    return secret


def _remaining_masks(revealed: Revealed, group: Sequence[str], secrets: Mapping[str, bytes]) -> Iterator[Mask]:
    """Yields what is left in a group's Σ y, with the sign that removes it: own masks, and those with dropouts."""
    session, keys = revealed.session, revealed.mask_keys
    partners = session.partners(group[0])
    for survivor in group:
        yield Mask(self_key(session.digest, survivor, secrets[survivor], keys[survivor]), add=False)
    for dropout in revealed.dropouts:
        if dropout not in partners:
            continue
        own = KeyPair.of(secrets[dropout])
        for survivor in group:
            added = session.place(dropout) > session.place(survivor)
            low, high = (survivor, dropout) if added else (dropout, survivor)
            ends = (low, keys[low]), (high, keys[high])
            yield Mask(pair_key(session.digest, own, keys[survivor], *ends), add=not added)


def _sum_updates(revealed: Revealed, open_blob: OpenBlob) -> list[bytearray]:
    layout, broken = revealed.session.layout, []
    sums = [bytearray(layout.length) for _ in revealed.groups]
    for survivor in revealed.survivors:
        digest = revealed.updates[survivor]
        total = next(one for one, group in zip(sums, revealed.groups, strict=True) if survivor in group)
        try:
            with open_blob(digest) as blob:
                well_formed = _add_update(total, layout, blob, digest)
        except OSError as error:
            raise SecaggError(codes.BAD_BLOB, "a masked update is not here", where=survivor) from error
        if not well_formed:
            broken.append(survivor)
    if broken:
        raise Fault("update", broken[0], "an update has padding or words outside its ring")
    return sums


def _add_update(total: bytearray, layout: Layout, blob: BinaryIO, digest: bytes) -> bool:
    """Adds an update chunk by chunk, hashing what is added, and returns whether it has the layout's form."""
    read, well_formed = hashlib.sha256(), True
    for start, end, dtype in chunks(layout):
        data = blob.read(end - start)
        read.update(data)
        if len(data) == end - start:
            words = np.frombuffer(data, dtype)
            out: Words = np.frombuffer(total, dtype, len(words), start)
            np.add(out, words, out=out)
            well_formed = well_formed and _reduced(layout, data, start)
    padding = blob.read(layout.length - layout.data_bytes)
    read.update(padding)
    if read.digest() != digest or blob.read(1):
        raise SecaggError(codes.BAD_BLOB, "a masked update is altered or of another length", where=digest.hex())
    return well_formed and not any(padding)


def _reduced(layout: Layout, data: bytes, start: int) -> bool:
    for segment in layout.segments:
        first, last = max(segment.start, start), min(segment.end, start + len(data))
        if segment.modular and first < last:
            words = np.frombuffer(data, segment.dtype, (last - first) // segment.dtype.itemsize, first - start)
            if int(words.max()) >> segment.ring:
                return False
    return True


def _rows(layout: Layout, total: bytearray) -> int | None:
    if layout.count is None:
        return None
    slot = int(layout.segment(layout.count.segment).view(total)[0])
    rows = slot * layout.count.numerator // layout.count.denominator
    return min(rows, MOST_ROWS)


def shares_by_dealer(reveals: Sequence[tuple[str, str, bytes]]) -> dict[str, dict[str, bytes]]:
    """Sorts (dealer, receiver, share) triples into the form that `Revealed.shares` has."""
    sorted_shares: dict[str, dict[str, bytes]] = {}
    for dealer, receiver, value in reveals:
        sorted_shares.setdefault(dealer, {})[receiver] = value
    return sorted_shares
