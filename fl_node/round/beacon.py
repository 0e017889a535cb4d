"""A node's part of the beacon that the members make after a roll back: committed to, then revealed."""

from typing import Final, Protocol

import structlog

from fl_node.canonical import LABEL_BEACON_COMMITMENT, tagged_hash
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Ledger, LedgerError
from fl_node.ledger.records import Beacon
from network import contract_codes

log = structlog.get_logger("node")
NOT_NOW: Final = frozenset(
    {contract_codes.BEACON_NOT_READY, contract_codes.BEACON_DONE, contract_codes.BEACON_MISMATCH}
)
"""Others are waited for, or the organisation's part was given: by another of its nodes, say."""


class BeaconDependencies(Protocol):
    """What giving a part of a beacon needs of the node."""

    msp: str
    ledger: Ledger
    journal: Journal


async def contribute(node: BeaconDependencies) -> None:
    """Give what the organisation can give now of the newest beacon; may be repeated."""
    beacon = Beacon.model_validate(await node.ledger.query("GetBeacon"))
    deed = due(beacon, node.msp)
    if deed is None:
        return
    function, number = deed
    value = node.journal.beacon_part(number)
    channel = node.ledger.profile.channel
    commitment = tagged_hash(LABEL_BEACON_COMMITMENT, channel, node.msp, value)
    try:
        if function == "CommitBeacon":
            await node.ledger.submit(function, patient=False, commitment=commitment.hex())
        else:
            await node.ledger.submit(function, patient=False, value=value.hex())
    except LedgerError as error:
        if error.code not in NOT_NOW:
            raise
    else:
        log.info("part of a beacon given", beacon=number, function=function)


def due(beacon: Beacon, msp: str) -> tuple[str, int] | None:
    """Return the function that gives an organisation's next part, and the number of the beacon that it is of.

    Where others have revealed and the organisation has nothing left to give, a commitment can only be to the beacon
    that follows a failed one: too few revealed in time.
    """
    if beacon.value:
        return None
    if msp in beacon.committed and msp not in beacon.revealed:
        return "RevealBeacon", beacon.number
    return "CommitBeacon", beacon.number + (1 if beacon.revealing_ms else 0)
