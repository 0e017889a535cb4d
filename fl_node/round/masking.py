"""The node's part in one attempt: the secure-aggregation participant between the ledger, the journal and the blobs."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import structlog

from fl_node import codes
from fl_node.blobs.content import length_of
from fl_node.blobs.store import About
from fl_node.errors import NodeError, RefusalError
from fl_node.journal.journal import AttemptJournal
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Round, Shares
from fl_node.round import ahead, budget, checks, known
from fl_node.round.checks import Trusted
from fl_node.round.duty import to_answer
from fl_node.round.known import KnowledgeDependencies
from fl_node.round.placing import Placing, PlacingDependencies
from fl_node.round.recorded import KEYS, LAID, MASKED, REVEAL, SHARES, SecaggRecords
from fl_node.round.unmasking import UnmaskingDependencies, session_of
from fl_node.round.witnesses import Witnesses
from fl_node.secagg import messages as m
from fl_node.secagg.keys import PublicKeys, Secrets
from fl_node.secagg.layout import Vector
from fl_node.secagg.participant import Participant, Stage
from fl_node.secagg.seal import bundle_bytes
from fl_node.secagg.session import Session
from network import contract_codes

log = structlog.get_logger("participant")
SEAL_PATIENCE_S: Final = 5.0
"""How long to wait for sealed bundles that the ledger names: without some the others' shares still rebuild."""
SEAL_EACH_S: Final = 0.5
"""How much longer for each of them: all of a large cohort ask for all at once."""
T = TypeVar("T")


class AttemptDependencies(KnowledgeDependencies, PlacingDependencies, UnmaskingDependencies, Protocol):
    """What an attempt needs of the node."""

    witnesses: Witnesses


@dataclass
class Attempt:
    """One attempt with its participant; messages are fed once a process, in the protocol's order.

    Attributes:
        trusted: What the node knew of the training when it opened the attempt. Invariant: never taken from the round.
        session: What the attempt is. Invariant: its layout is the plan file's, its digest goes into every key.
        records: The attempt's journal. Invariant: a deed is recorded here, synced, before the ledger can learn of it.
        uncommitted: The update is certainly not on the ledger, so that the survivors may lack it. Invariant: true only
            where this process has masked the vector, every try to commit it was refused by the contract's rules, and
            no carrier has had the word.
        unstored: The masked update as long as it is not on the disk. Invariant: while it is here, the vector that the
            client work gave is masked and of no other use.

    Scenario for `uncommitted`: a node masks its update, sends it, and is killed. After its restart the ledger shows
    survivors without it. The update may have been committed, and a lying peer may hide it to get this node's mask key
    revealed. The node cannot tell, so it takes the update for committed and refuses to reveal.
    """

    node: AttemptDependencies
    trusted: Trusted
    session: Session
    participant: Participant
    records: AttemptJournal
    placing: Placing
    uncommitted: bool = False
    unstored: m.MaskedUpdate | None = field(default=None, repr=False)

    @classmethod
    async def open(cls, node: AttemptDependencies, view: Round, records: AttemptJournal) -> "Attempt":
        """Check what the round fixes and start its participant.

        Raises:
            RefusalError: the round is not what this node's own knowledge says it must be.
        """
        trusted = await known.gather(node, view)
        checks.check_opening(view, trusted)
        budget.check_budget(node.journal, node.consent, view, trusted.promise)
        session = await session_of(node.ledger, view)
        if session.layout.digest.hex() != trusted.layout_digest:
            raise RefusalError(codes.WRONG_LAYOUT, "the ledger's layout is not the plan file's", where=view.name)
        checks.check_shown(view, session.mode, node.consent)
        return cls(node, trusted, session, Participant(node.me, SecaggRecords(records)), records, Placing(node))

    async def publish_keys(self, view: Round) -> None:
        """Draw the attempt's keys, or take the journal's, and publish the public halves."""
        (published,) = of(self._opened(view), m.PublishKeys)
        keys = published.keys
        self.records.record(KEYS, keys.seal + keys.mask)
        await self.node.speaking.say(view, "PublishKeys", {"seal_key": keys.seal.hex(), "mask_key": keys.mask.hex()})

    async def commit_shares(self, view: Round) -> None:
        """Deal shares of both secrets, place the sealed bundle with enough members, commit to all of it.

        Raises:
            NodeError: FL4707, too few took the bundle.
            RefusalError: FL4305, our own peer shows other keys than the ledger's; what is sealed to them is given away.
        """
        await self.node.witnesses.confirm(view, self.node.speaking.pace)
        out = self._keys_fixed(view)
        (bundle,), (commitment,) = of(out, m.SealedBundle), of(out, m.CommitShares)
        self.records.record(SHARES, commitment.shares_root)
        await self._keep(view, SHARES, bundle.blob)
        shares = {
            "seed_commitment": commitment.seed_commitment.hex(),
            "shares_root": commitment.shares_root.hex(),
            "sealed": commitment.sealed.hex(),
        }
        await self.placing.commit(view, "CommitShares", bundle.blob, shares["sealed"], **shares)

    async def commit_update(self, view: Round, vector: Vector, examples: int) -> None:
        """Mask the vector, or take the masked blob of before a crash, place it with enough members and commit it."""
        await self._shares_fixed(view)
        self.uncommitted |= self.records.get(MASKED) is None
        if self.trusted.promise:
            spent = budget.spend(self.node.journal, view, self.trusted.promise)
            log.info("privacy spent", attempt=view.name, epsilon=round(spent, 4), delta=self.trusted.promise.delta)
        blob, digest = await self._masked(view, vector)
        bucket = self.trusted.count_bucket
        update = {"digest": digest, "length": length_of(blob), "examples": -(-examples // bucket) * bucket}
        trained = {"plan": view.plan, "base_state": view.base_state}
        try:
            await self.placing.commit(view, "CommitUpdate", blob, digest, **update, **trained)
        except LedgerError as error:
            refused = error.code.startswith("FL0") and error.code != contract_codes.ALREADY_DONE
            self.uncommitted &= refused and not self.node.speaking.ever_handed(view, "CommitUpdate")
            raise
        self.participant.receive(m.UpdateCommitted(bytes.fromhex(digest)))

    async def answer(self, view: Round) -> None:
        """Show the shares of those that complain of this dealer: no more of them than a round bears to be known.

        Raises:
            Refusal: FL4129, more complain.
        """
        await self._shares_fixed(view)
        for answer in of(self.participant.receive(m.Complained(to_answer(view, self.node.me))), m.AnswerComplaint):
            log.warning("a complaint is answered", attempt=view.name, to=answer.to)
            path = [node.hex() for node in answer.dealt.path]
            shares: dict[str, Any] = {"mask": answer.dealt.mask.hex(), "seed": answer.dealt.seed.hex(), "path": path}
            await self.node.ledger.submit("AnswerComplaint", **view.ref, to=answer.to, **shares)

    async def reveal(self, view: Round) -> None:
        """Check the frozen survivors with other members, then reveal one kind of share for each participant.

        Raises:
            RefusalError, secagg.Refusal: the survivors are not such that a reveal is safe; nothing has left the node.
        """
        await self._shares_fixed(view)
        checks.check_reveal(view, self.trusted)
        budget.check_survivors(view, self.trusted.promise)
        checks.check_unchanged(view, known.frozen_as(self.node.journal, view))
        await self.node.witnesses.confirm(view, self.node.speaking.pace)
        masked = self.records.get(MASKED)
        if masked is not None and not self.uncommitted:  # also where a crash left it open: the view may lie
            self.participant.receive(m.UpdateCommitted(masked))
        lifted = view.lifted and self.node.consent.accept_lifted
        fixed = m.SurvivorsFixed(
            updates={name: bytes.fromhex(update.digest) for name, update in view.updates.items()},
            survivors=view.survivors,
            frozen=() if lifted else known.earlier_sets(self.node.journal, view),
            frozen_groups=() if lifted else known.earlier_groups(self.node.journal, view),
            blamed=known.excused(view.frozen),
            minimum_difference=self.trusted.survivor_difference_min,
        )
        (revealed,) = of(self.participant.receive(fixed), m.RevealShares)
        known.freeze(self.node.journal, view)
        self.records.record(REVEAL, b"1")
        shares = [
            {"dealer": s.dealer, "kind": s.kind, "value": s.value.hex(), "proof": [node.hex() for node in s.proof]}
            for s in sorted(revealed.shares, key=lambda share: self.session.place(share.dealer))
        ]
        await self._submit_reveal(view, shares)

    async def _submit_reveal(self, view: Round, shares: list[dict[str, Any]]) -> None:
        """Reveal, and lay keys for the next attempt; without them where somebody who saw ours has published them."""
        keys = ahead.lay(self.node.journal, view, self.trusted.rounds)
        following: dict[str, Any] = {"next": {"seal_key": keys.seal.hex(), "mask_key": keys.mask.hex()}} if keys else {}
        try:
            await self.node.speaking.say(view, "RevealShares", {"shares": shares, **following})
        except LedgerError as error:
            if error.code != contract_codes.KEY_REUSED or keys is None:
                raise
            log.warning("our next keys were published by somebody else", attempt=view.name, code=error.code)
            self.node.journal.forget_ahead(view.training)
            await self.node.ledger.submit("RevealShares", **view.ref, shares=shares)

    def _opened(self, view: Round) -> list[m.Outgoing]:
        laid = self.records.get(LAID)
        secrets = Secrets.decode(laid) if laid else None
        opened = m.RoundOpened(self.session, bytes.fromhex(view.session), dict(self.trusted.organisations), secrets)
        return self.participant.receive(opened)

    def _keys_fixed(self, view: Round) -> list[m.Outgoing]:
        if self.participant.stage < Stage.OPENED:
            self._opened(view)
        keys = {name: PublicKeys(bytes.fromhex(k.seal_key), bytes.fromhex(k.mask_key)) for name, k in view.keys.items()}
        return self.participant.receive(m.KeysFixed({name: keys[name] for name in view.in_order(tuple(keys))}))

    async def _shares_fixed(self, view: Round) -> None:
        if self.participant.stage < Stage.KEYS_FIXED:
            self._keys_fixed(view)
        if self.participant.stage < Stage.SHARES_FIXED:
            members = view.in_order(tuple(view.shares))
            self.participant.receive(m.SharesFixed({name: _commitment(view.shares[name]) for name in members}))
            await self._receive_sealed(view, [name for name in members if name != self.node.me])

    async def _receive_sealed(self, view: Round, dealers: list[str]) -> None:
        length = bundle_bytes(len(view.u1))
        given = await self.node.mirror.several((view.shares[dealer].sealed for dealer in dealers), length)

        async def fetch(dealer: str) -> tuple[str, bytes | None]:
            digest = view.shares[dealer].sealed
            if digest in given:
                return dealer, given[digest]
            try:
                async with asyncio.timeout(SEAL_PATIENCE_S + SEAL_EACH_S * len(dealers)):
                    return dealer, await self.node.mirror.get(digest, dealer, length)
            except (TimeoutError, NodeError):
                return dealer, None

        for dealer, blob in await asyncio.gather(*(fetch(dealer) for dealer in dealers)):
            if blob is None:
                log.warning("nobody has a sealed bundle", attempt=view.name, dealer=dealer)
                continue
            for unusable in of(self.participant.receive(m.SealedReceived(dealer, blob)), m.UnusableShares):
                log.warning("a sealed share is unusable", attempt=view.name, dealer=dealer, reason=unusable.reason)
                await self._complain(view, dealer)

    async def _complain(self, view: Round, dealer: str) -> None:
        """Say that a dealer's sealed share is unusable; where too many say so the attempt ends before any reveal."""
        fault: dict[str, Any] = {"kind": "bad_seal", "accused": dealer, "evidence": {}}
        with contextlib.suppress(LedgerError):  # a complaint that is refused must not keep this node from its round
            await self.node.ledger.submit("ReportFault", **view.ref, **fault)

    async def _masked(self, view: Round, vector: Vector) -> tuple[Path, str]:
        """Return where the masked update lies, and its digest."""
        store, digest = self.node.store, self.records.get(MASKED)
        if digest is None or not await asyncio.to_thread(store.sound, digest.hex()):
            if self.unstored is None:
                ready = m.VectorReady(vector, digest, given=True)
                (self.unstored,) = of(await asyncio.to_thread(self.participant.receive, ready), m.MaskedUpdate)
            digest = self.unstored.digest
            self.records.record(MASKED, digest)
            await self._keep(view, MASKED, self.unstored.blob)
            self.unstored = None
        return store.path(digest.hex()), digest.hex()

    async def _keep(self, view: Round, kind: str, blob: bytes | bytearray) -> None:
        """Store an own blob with a note, which shows later what a journal restored from a backup has forgotten."""
        about = About(self.node.organisation, note=f"{view.name} {kind}")
        await asyncio.to_thread(self.node.store.put, blob, about)


def of(out: Iterable[object], kind: type[T]) -> tuple[T, ...]:
    """Return the messages of one kind."""
    return tuple(message for message in out if isinstance(message, kind))


def _commitment(shares: Shares) -> m.CommitShares:
    return m.CommitShares(
        bytes.fromhex(shares.seed_commitment),
        bytes.fromhex(shares.shares_root),
        bytes.fromhex(shares.sealed),
    )
