"""What a node is told when it starts, and where its files lie in the run folder."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fl_node.blobs.store import Limits
from fl_node.plan.sandbox import Sandbox
from fl_node.round.consent import Consent
from network.connection import consortium_of
from network.folders import folder_of
from network.topology import Consortium


@dataclass(frozen=True)
class NodeConfig:
    """A node's settings.

    Attributes:
        run: The run folder.
        organisation: The organisation's name.
        data: Its rows: CSV, Parquet, or a folder of Parquet parts; None for a node that only holds blobs and attests.
        participant: Its id on the ledger.
        user: Which of the organisation's identities signs.
        consent: What it consents to.
        limits: What its blob service takes.
        sandbox: What a plan may take of this machine.
        journal_key: The file with the journal's key, made where it is missing; None means beside the user's other keys.
        serves: It runs the organisation's blob service. An organisation's second node does not: it keeps its own blobs
            and calls that service as it calls others'.
        observe_port: Port on 127.0.0.1 for metrics and health; 0 picks two above the blob service's.
    """

    run: Path
    organisation: str
    data: Path | None
    participant: str = ""
    user: str = "node"
    consent: Consent = field(default_factory=Consent)
    limits: Limits = field(default_factory=Limits)
    sandbox: Sandbox = field(default_factory=Sandbox)
    journal_key: Path | None = None
    serves: bool = True
    observe_port: int = 0

    @property
    def name(self) -> str:
        """Return the participant's id, the organisation's name where none was given."""
        return self.participant or self.organisation

    @property
    def folder(self) -> Path:
        """Return the node's own folder."""
        return folder_of(self.run, self.organisation).node(self.name)

    @property
    def key_file(self) -> Path:
        """Return where the journal's key lies: never in the node's own folder, whose backups would then open it."""
        user = folder_of(self.run, self.organisation).user(self.user)
        return self.journal_key or user / f"journal-{self.name}.key"

    @property
    def blobs(self) -> Path:
        """Return where the node keeps blobs: if it serves, where the organisation's chaincode process reads them."""
        own = folder_of(self.run, self.organisation)
        return own.blobs if self.serves else own.node_blobs(self.name)

    @property
    def restored_ms(self) -> int:
        """Return when the organisation's folder was restored from a backup, milliseconds since 1970; 0: never."""
        try:
            said = json.loads(folder_of(self.run, self.organisation).restored.read_bytes())
        except FileNotFoundError:
            return 0
        return int(datetime.fromisoformat(said["restored"]).timestamp() * 1000)

    @property
    def consortium(self) -> Consortium:
        """Return the consortium of the run folder; FL1020 if there is none."""
        return consortium_of(self.run)
