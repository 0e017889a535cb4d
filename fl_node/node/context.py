"""Everything a node holds open while it runs; each part of `round` asks for what it needs of it (its Dependencies)."""

from dataclasses import dataclass, field

from fl_node.blobs.client import BlobClient
from fl_node.blobs.handing import Handing
from fl_node.blobs.mirror import Mirror
from fl_node.blobs.seen import Seen
from fl_node.blobs.store import BlobStore
from fl_node.blobs.words import Words
from fl_node.journal.journal import Journal
from fl_node.ledger.client import Ledger
from fl_node.metrics import Health, Metrics
from fl_node.plan.pool import Workshop
from fl_node.round.consent import Consent
from fl_node.round.known import GovernanceCache
from fl_node.round.speaking import Speaking
from fl_node.round.witnesses import Witnesses
from network.defined import Defined
from network.topology import Consortium


@dataclass
class Context:
    """The node's identity, connections, files and figures, opened by `start.opened`.

    Attributes:
        me: The participant's id.
        organisation: The organisation's name in the consortium's definition.
        msp: The organisation's MSP id.
        consent: What the organisation itself consents to.
        restored_ms: When the organisation's folder was restored from a backup, milliseconds since 1970; 0: never.
        defined: The consortium as the own definition has it at each moment.
        governance_cache: What only votes change; `daemon` empties it when it hears of one.
        words: Those of the organisation's blob service where this process runs it.
        seen: What other organisations are told of attempts, where this process runs the organisation's blob service.
        handing: How words reach a carrier's organisation, and this one's carrier.
        speaking: How this participant says its words; it remembers what it left to a carrier.
    """

    me: str
    organisation: str
    msp: str
    consent: Consent
    defined: Defined
    ledger: Ledger
    witnesses: Witnesses
    store: BlobStore
    blobs: BlobClient
    mirror: Mirror
    workshop: Workshop
    journal: Journal
    metrics: Metrics
    health: Health
    restored_ms: int = 0
    words: Words | None = None
    seen: Seen = field(default_factory=Seen)
    governance_cache: GovernanceCache = field(default_factory=GovernanceCache)
    handing: Handing = field(init=False)
    speaking: Speaking = field(init=False)

    def __post_init__(self) -> None:
        self.handing = Handing(self.blobs, self.organisation, self.words)
        self.speaking = Speaking(self)

    @property
    def consortium(self) -> Consortium:
        """Return the consortium as it is defined now."""
        return self.defined()
