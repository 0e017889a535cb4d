"""The aggregator's sum: masked updates from the blob folder, revealed shares from the ledger, masks removed."""

import asyncio
from typing import Final, Protocol

from fl_node.blobs.mirror import Mirror
from fl_node.blobs.store import BlobStore
from fl_node.ledger.client import Ledger
from fl_node.ledger.records import Round
from fl_node.secagg.layout import Layout
from fl_node.secagg.modes.choice import mode_of
from fl_node.secagg.session import Session
from fl_node.secagg.unmask import Aggregate, OpenBlob, Revealed, shares_by_dealer, unmask

PATIENCE_S: Final = 60.0


class UnmaskingDependencies(Protocol):
    """What computing the sum needs of the node."""

    ledger: Ledger
    mirror: Mirror
    store: BlobStore


async def unmasked(node: UnmaskingDependencies, view: Round) -> Aggregate:
    """Return the survivors' sum, waiting for masked updates that are still on their way.

    Raises:
        Fault: the inputs prove a misbehaviour.
        SecaggError: too few shares are revealed yet.
        TimeoutError: nobody has a survivor's blob.
    """
    async with asyncio.timeout(PATIENCE_S):
        await node.mirror.fetch_all((view.updates[name].digest, name) for name in view.survivors)
    return await sum_of(node.ledger, view, lambda digest: node.store.open(digest.hex()))


async def sum_of(ledger: Ledger, view: Round, open_blob: OpenBlob) -> Aggregate:
    """Return the survivors' sum from blobs that are here; raises as `unmasked` does."""
    session = await session_of(ledger, view)
    triples = [
        (dealer, receiver, bytes.fromhex(share.value))
        for receiver, shares in (await ledger.reveals(view)).items()
        for dealer, share in shares.items()
    ]
    revealed = Revealed(
        session=session,
        mask_keys={name: bytes.fromhex(view.keys[name].mask_key) for name in view.u2},
        seed_commitments={name: bytes.fromhex(view.shares[name].seed_commitment) for name in view.u2},
        updates={name: bytes.fromhex(view.updates[name].digest) for name in view.survivors},
        shares=shares_by_dealer(triples),
    )
    return await asyncio.to_thread(unmask, revealed, open_blob)


async def session_of(ledger: Ledger, view: Round) -> Session:
    """Return the attempt as this organisation understands it."""
    return Session(
        channel=ledger.profile.channel,
        training=view.training,
        round=view.round,
        attempt=view.attempt,
        plan=bytes.fromhex(view.plan),
        base_state=bytes.fromhex(view.base_state),
        layout=Layout.from_fields((await ledger.plan(view.plan)).layout),
        cohort=view.cohort,
        threshold=view.threshold,
        groups=view.groups,
        mode=mode_of(view.mode, view.robust_groups or view.plain),
    )
