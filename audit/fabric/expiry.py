"""When private data is gone: a collection may say for how many blocks its values, and so their hashes, live.

A key that is gone reads as one that never was, and has no policy of its own. A commit hash does not cover that it goes.

Source: core/ledger/kvledger/txmgmt/pvtstatepurgemgmt/purge_mgr.go of Hyperledger Fabric 3.1.
"""

from audit.fabric.lifecycle import blocks_to_live
from audit.fabric.state import State

AFTER_ALL = (1 << 63) - 1
"""The index of what a block does after all its transactions."""


def expire(state: State, number: int) -> None:
    """Let what a block ends the time of go, and note when what it wrote is due; to be called before it is finished."""
    for place, (value, _) in list(state.pending.items()):
        ns, coll, _key = place
        lives = blocks_to_live(state, ns, coll) if coll and value is not None else 0
        if lives:
            state.schedule(number + lives + 1, place, number)
    for place in state.take_due(number):
        if place not in state.pending:
            state.write(place, None, (number, AFTER_ALL))
