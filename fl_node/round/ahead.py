"""Keys for a training's next attempt, which a node lays ready with its reveal: the attempt then need not wait for them.

The secret halves lie in a journal of their own until the attempt opens that has the public halves on the ledger. They
move into its journal then, before anything is done with them, so that one attempt alone ever has them.
"""

import os

from fl_node.journal.journal import AttemptJournal, Journal
from fl_node.ledger.records import Round
from fl_node.round.recorded import KEYS, LAID
from fl_node.secagg.keys import PublicKeys, Secrets
from network.rules import FLOWS_SINCE


def lay(journal: Journal, view: Round, rounds: int) -> PublicKeys | None:
    """Draw keys for the attempt after this one, or take those drawn before a crash; None where there are none to lay.

    Args:
        journal: The node's.
        view: The attempt whose reveal they go with.
        rounds: How many rounds the training has.
    """
    if view.rules < FLOWS_SINCE or view.depth >= rounds:
        return None
    laid = journal.ahead(view.training)
    if laid.kinds() not in {(), (view.name,)}:  # laid with an attempt before this one, which this one had no use for
        journal.forget_ahead(view.training)
        laid = journal.ahead(view.training)
    raw = laid.get(view.name)
    if raw is None:
        raw = Secrets.fresh(os.urandom).encode()
        laid.record(view.name, raw)
    return Secrets.decode(raw).public


def taken(journal: Journal, view: Round, me: str) -> Secrets | None:
    """Return the secrets laid ready for this attempt: those whose public halves the ledger shows as this node's."""
    shown = view.keys.get(me)
    if shown is None or view.rules < FLOWS_SINCE:
        return None
    laid = journal.ahead(view.training)
    for kind in laid.kinds():
        secrets = Secrets.decode(laid.get(kind) or b"")
        if (secrets.public.seal.hex(), secrets.public.mask.hex()) == (shown.seal_key, shown.mask_key):
            return secrets
    return None


def adopt(journal: Journal, records: AttemptJournal, view: Round, me: str) -> None:
    """Move the secrets laid ready for this attempt into its journal, before anything is done with them.

    Scenario: the node is killed when they lie in both. After its restart the attempt's journal holds its keys, so that
    nothing is taken again; the next reveal deletes what is left over.
    """
    if records.get(KEYS) is not None:
        return
    secrets = taken(journal, view, me)
    if secrets is not None:
        records.record(LAID, secrets.encode())
        records.record(KEYS, secrets.public.seal + secrets.public.mask)
        journal.forget_ahead(view.training)
