"""Everything a node holds open while it runs."""

import time
from dataclasses import dataclass, field
from typing import Any

from fl_node.blobs.client import BlobClient
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.store import BlobStore
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Ledger
from fl_node.node.config import NodeConfig
from fl_node.node.observe import Health, Metrics
from fl_node.plan.pool import Workshop
from fl_node.round.witnesses import Witnesses
from network.topology import Consortium


@dataclass
class Context:
    """The node's connections, files and figures, opened by `running.opened`.

    Attributes:
        voted: What only votes change, as it was last read; `daemon` empties it when it hears of one.
    """

    config: NodeConfig
    consortium: Consortium
    ledger: Ledger
    witnesses: Witnesses
    store: BlobStore
    blobs: BlobClient
    mirror: Mirror
    workshop: Workshop
    journal: Journal
    metrics: Metrics
    health: Health
    voted: dict[str, Any] = field(default_factory=dict)

    @property
    def me(self) -> str:
        """Return the participant's id."""
        return self.config.name

    @property
    def msp(self) -> str:
        """Return the organisation's MSP id."""
        return self.ledger.profile.msp_id


def now_ms() -> int:
    """Return the time as the ledger counts it, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
