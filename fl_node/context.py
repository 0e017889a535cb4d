"""Everything a node holds open while it runs."""

import time
from dataclasses import dataclass, field
from typing import Any

from fl_node.blobclient import BlobClient
from fl_node.blobstore import BlobStore
from fl_node.config import NodeConfig
from fl_node.journal import Journal
from fl_node.ledger import Ledger
from fl_node.mirror import Mirror
from fl_node.observe import Health, Metrics
from fl_node.witnesses import Witnesses
from fl_node.workshop import Workshop
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
