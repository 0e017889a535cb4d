"""One participant in one attempt, as a state machine without I/O: `receive(message)` returns the messages to send.

What must survive a crash is in the records before any message that depends on it is returned. After a restart a new
`Participant` gets the same facts again, in the order of the phases, and returns the same bytes.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

from fl_node import codes
from fl_node.secagg import messages as m
from fl_node.secagg import survivors
from fl_node.secagg.dealing import check_keys, deal_sealed, dealt_to, open_sealed, own_masks
from fl_node.secagg.errors import (
    Refusal,
    SecaggError,
)
from fl_node.secagg.keys import PublicKeys, Secrets, dealing_entropy
from fl_node.secagg.masks import Mask, apply_masks
from fl_node.secagg.records import Answered, AttemptRecords, Dealing, Revealed, keys_digest
from fl_node.secagg.session import Session
from fl_node.secagg.shamir import Entropy
from fl_node.secagg.shares import Dealt, Kind, proof


class Stage(IntEnum):
    """How far a participant has come in this process; the facts are given to it in this order."""

    NEW = 0
    OPENED = 1
    KEYS_FIXED = 2
    SHARES_FIXED = 3


class Participant:
    """Takes part in one attempt of one round.

    `receive` may raise `Refusal`: this node then drops out of the attempt, having revealed nothing more, and the caller
    sends it nothing more. Other `SecaggError`s say that a message was wrong or came too early.
    """

    def __init__(
        self,
        own: str,
        records: AttemptRecords,
        *,
        entropy: Entropy = os.urandom,
        policy: survivors.Policy | None = None,
    ) -> None:
        self._own = own
        self._records = records
        self._entropy = entropy
        self._policy = policy or survivors.Policy()
        self._session: Session | None = None
        self._secrets: Secrets | None = None
        self._dealing: Dealing | None = None
        self._organisations: Mapping[str, str] = {}
        self._keys: Mapping[str, PublicKeys] = {}
        self._commitments: Mapping[str, m.CommitShares] = {}
        self._dealt: dict[str, Dealt] = {}
        self._handlers: dict[type, Callable[[Any], list[m.Outgoing]]] = {
            m.RoundOpened: self._opened,
            m.KeysFixed: self._keys_fixed,
            m.SharesFixed: self._shares_fixed,
            m.SealedReceived: self._sealed_received,
            m.Complained: self._complained,
            m.VectorReady: self._vector_ready,
            m.UpdateCommitted: self._update_committed,
            m.SurvivorsFixed: self._survivors_fixed,
        }

    def __repr__(self) -> str:
        return f"Participant({self._own!r})"

    @property
    def stage(self) -> Stage:
        """The last of the round's facts that it has taken in."""
        if self._secrets is None:
            return Stage.NEW
        if self._dealing is None:
            return Stage.OPENED
        return Stage.SHARES_FIXED if self._commitments else Stage.KEYS_FIXED

    def receive(self, message: m.Incoming) -> list[m.Outgoing]:
        """Takes one message in and returns what to send, in order.

        Raises:
            Refusal: Going on could open an update.
            SecaggError: The message is wrong or out of order; nothing changed.
        """
        return self._handlers[type(message)](message)

    def _opened(self, message: m.RoundOpened) -> list[m.Outgoing]:
        session = message.session
        if message.digest != session.digest or (self._session or session) != session:
            raise Refusal(
                codes.ANOTHER_SESSION, "the ledger's session digest is not that of this plan, state and layout"
            )
        survivors.check_round(session, self._own, message.organisations, self._policy)
        session.layout.check_cohort(len(session.cohort))
        session.mode.check_plan(session.layout)
        self._session, self._organisations = session, message.organisations
        self._secrets = self._load_secrets(message.laid)
        return [m.PublishKeys(self._secrets.public)]

    def _load_secrets(self, laid: Secrets | None) -> Secrets:
        raw = self._read("secrets")
        if raw is not None:
            return Secrets.decode(raw)
        secrets = laid or Secrets.fresh(self._entropy)
        self._write("secrets", secrets.encode())
        return secrets

    def _keys_fixed(self, message: m.KeysFixed) -> list[m.Outgoing]:
        session, secrets = self._opened_session()
        members = session.members(message.keys)
        own = message.keys.get(self._own)
        if own is None:
            raise Refusal(codes.LEFT_OUT, "this participant's keys are not among those fixed")
        if own != secrets.public:
            raise Refusal(codes.UNKNOWN_OWN, "the ledger holds keys of this participant that its journal does not know")
        if len(members) != len(message.keys) or len(members) < session.threshold:
            raise Refusal(codes.TOO_FEW_SURVIVORS, f"{len(members)} members of the cohort have keys")
        check_keys(message.keys)
        self._keys = {name: message.keys[name] for name in members}
        self._dealing = self._load_dealing(session, secrets)
        return [m.SealedBundle(self._dealing.bundle), self._dealing.commitment]

    def _load_dealing(self, session: Session, secrets: Secrets) -> Dealing:
        raw = self._read("dealing")
        if raw is None:
            entropy = dealing_entropy(session.digest, secrets.seal, keys_digest(self._keys))
            dealing = deal_sealed(session, self._own, secrets, self._keys, entropy)
            self._write("dealing", dealing.encode())
            return dealing
        dealing = Dealing.decode(raw)
        if dealing.keys != keys_digest(self._keys):
            raise Refusal(codes.CHANGED_VIEW, "the ledger shows other keys than those that were dealt for")
        return dealing

    def _shares_fixed(self, message: m.SharesFixed) -> list[m.Outgoing]:
        session, _ = self._opened_session()
        if self._dealing is None:
            raise SecaggError(codes.OUT_OF_ORDER, "shares are fixed after keys")
        own = message.commitments.get(self._own)
        if own is None:
            raise Refusal(codes.LEFT_OUT, "this participant's shares are not among those committed")
        if own != self._dealing.commitment:
            raise Refusal(
                codes.UNKNOWN_OWN, "the ledger holds shares of this participant that its journal does not know"
            )
        if self._commitments and self._commitments != message.commitments:
            raise Refusal(codes.CHANGED_VIEW, "the ledger shows other commitments than before")
        shared = session.members(message.commitments)
        if len(shared) != len(message.commitments) or not set(shared) <= set(self._keys):
            raise Refusal(codes.CHANGED_VIEW, "someone without keys committed shares")
        if len(shared) < session.threshold:
            raise Refusal(codes.TOO_FEW_SURVIVORS, f"{len(shared)} members of the cohort shared")
        self._commitments = {name: message.commitments[name] for name in shared}
        self._dealt[self._own] = self._dealing.own
        return []

    def _sealed_received(self, message: m.SealedReceived) -> list[m.Outgoing]:
        session, secrets = self._opened_session()
        commitment = self._commitments.get(message.dealer)
        if commitment is None or message.dealer == self._own:
            raise SecaggError(codes.OUT_OF_ORDER, "no shares of this dealer are committed", where=message.dealer)
        if commitment.sealed != hashlib.sha256(message.blob).digest():
            raise SecaggError(
                codes.BAD_BLOB, "the blob is not the one that the dealer committed to", where=message.dealer
            )
        sealed = (message.dealer, commitment.shares_root, message.blob)
        try:
            self._dealt[message.dealer] = open_sealed(session, self._own, secrets, self._keys, sealed)
        except SecaggError as error:
            return [m.UnusableShares(message.dealer, str(error))]
        return []

    def _complained(self, message: m.Complained) -> list[m.Outgoing]:
        session, secrets = self._opened_session()
        dealing, raw = self._dealing, self._read("answered")
        others = set(self._keys) - {self._own}
        if dealing is None or self._read("revealed") is not None or not others.issuperset(message.by):
            raise SecaggError(codes.OUT_OF_ORDER, "members with keys complain between their shares and the reveal")
        answered = (Answered.decode(raw) if raw else Answered()).with_more(message.by)
        if len(answered.to) > len(session.cohort) - session.threshold:
            # Whom they fall to may be colluding already; more together could rebuild both secrets.
            raise Refusal(codes.TOO_MANY_ANSWERS, "more members complain of this dealer than may be faulty")
        self._write("answered", answered.encode())
        opened = [dealt_to(session, self._own, secrets, self._keys, (to, dealing.bundle)) for to in message.by]
        return [m.AnswerComplaint(to, dealt) for to, dealt in zip(message.by, opened, strict=True)]

    def _vector_ready(self, message: m.VectorReady) -> list[m.Outgoing]:
        session, secrets = self._opened_session()
        if not self._commitments:
            raise SecaggError(codes.OUT_OF_ORDER, "an update is masked after shares are fixed")
        session.layout.check_vector(message.vector)
        given = message.given and isinstance(message.vector, bytearray)
        blob = message.vector if given and isinstance(message.vector, bytearray) else bytearray(message.vector)
        masks = list(own_masks(session, self._own, secrets, self._keys, tuple(self._commitments)))
        apply_masks(blob, session.layout, masks)
        try:
            self._note_masked(digest := hashlib.sha256(blob).digest(), message.committed)
        except Exception:
            apply_masks(blob, session.layout, [Mask(mask.key, not mask.add) for mask in masks])
            raise
        return [m.MaskedUpdate(blob, digest)]

    def _note_masked(self, digest: bytes, committed: bytes | None) -> None:
        known = self._read("masked")
        if committed is not None and committed != known:
            raise Refusal(codes.UNKNOWN_OWN, "an update of this participant exists that its journal does not know")
        if known is None:
            self._write("masked", digest)
        elif known != digest:
            # Two vectors under the same keys would show their difference in clear.
            raise Refusal(codes.SECOND_MASKING, "another update was already masked with these keys")

    def _update_committed(self, message: m.UpdateCommitted) -> list[m.Outgoing]:
        if message.digest != self._read("masked"):
            raise Refusal(
                codes.UNKNOWN_OWN, "the ledger holds an update of this participant that its journal does not know"
            )
        self._write("committed", message.digest)
        return []

    def _survivors_fixed(self, message: m.SurvivorsFixed) -> list[m.Outgoing]:
        session, _ = self._opened_session()
        if not self._commitments:
            raise SecaggError(codes.OUT_OF_ORDER, "survivors are fixed after shares")
        if not set(message.survivors) <= set(self._commitments):
            raise Refusal(codes.CHANGED_VIEW, "a survivor committed no shares")
        survivors.check_own_update(self._own, message, self._read("masked"), self._read("committed"))
        survivors.check_survivors(session, self._own, message, self._organisations, self._policy)
        self._decide(Revealed(tuple(self._commitments), session.members(message.survivors)))
        sums = survivors.opened(session, message.updates, self._organisations)
        summed = {name for number in sums for name in session.split[number]}  # of other groups nothing is ever revealed
        shares = tuple(self._reveal(session, dealer, message.survivors) for dealer in self._dealt if dealer in summed)
        missing = tuple(name for name in self._commitments if name in summed and name not in self._dealt)
        return [m.RevealShares(shares, missing)]

    def _decide(self, decision: Revealed) -> None:
        """Fixes for good which kind of share is revealed of whom: both kinds of one participant open its update."""
        raw = self._read("revealed")
        if raw is None:
            self._write("revealed", decision.encode())
            return
        if Revealed.decode(raw) != decision:
            raise Refusal(codes.BOTH_KINDS, "other survivors than those that shares were already revealed for")

    def _reveal(self, session: Session, dealer: str, remaining: tuple[str, ...]) -> m.RevealedShare:
        kind: Kind = "seed" if dealer in remaining else "mask"
        dealt = self._dealt[dealer]
        return m.RevealedShare(dealer, kind, dealt.value(kind), proof(session, dealer, self._own, kind, dealt))

    def _opened_session(self) -> tuple[Session, Secrets]:
        if self._session is None or self._secrets is None:
            raise SecaggError(codes.OUT_OF_ORDER, "the attempt is not open here")
        return self._session, self._secrets

    def _read(self, name: str) -> bytes | None:
        assert self._session is not None
        return self._records.read(f"{self._session.digest.hex()}/{name}")

    def _write(self, name: str, value: bytes) -> None:
        assert self._session is not None
        self._records.write(f"{self._session.digest.hex()}/{name}", value)
