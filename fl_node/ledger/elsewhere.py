"""Other organisations' peers: at the addresses of the own definition, under the TLS roots of the channel, as both are.

Each is reached over a connection of its own, opened when first needed and kept while address and roots stay.
"""

from collections.abc import Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.serialization import Encoding

from fl_node.journal.egress import EgressLog
from fl_node.ledger.client import Ledger, gateway_of
from network.connection import Profile
from network.directory import Believed
from network.topology import Organisation, Peer


class Elsewhere:
    """Ledgers as single organisations' peers show them to one user of the own organisation."""

    def __init__(self, own: Profile, believed: Believed, egress: EgressLog | None = None) -> None:
        self._own = own
        self._believed = believed
        self._egress = egress
        self._open: dict[tuple[str, ...], Ledger] = {}

    async def ledger(self, organisation: Organisation, peers: Sequence[Peer] = ()) -> Ledger:
        """Return the ledger at some of an organisation's peers, by default all of them.

        Raises:
            ConnectionError: the channel, as it was read, does not have the organisation.
        """
        asked = peers or organisation.peers
        key = (organisation.name, *(peer.name for peer in asked))
        root = self._root(organisation.name)
        there = replace(self._own, peers=tuple((peer.address, root) for peer in asked))
        kept = self._open.get(key)
        if kept is not None and kept.profile.peers == there.peers:
            return kept
        opened = self._open[key] = Ledger(gateway_of(there), there, self._egress)
        if kept is not None:
            await kept.gateway.close()
        return opened

    async def close(self) -> None:
        """Give the connections back."""
        for ledger in self._open.values():
            await ledger.gateway.close()

    def _root(self, organisation: str) -> bytes:
        """Return the TLS roots of an organisation, PEM: those of its export until the channel was read."""
        directory = self._believed.directory
        if directory is None and organisation in self._own.tls_roots:
            return self._own.tls_roots[organisation]
        if directory is None or organisation not in directory:
            raise ConnectionError(f"the channel, as it was read, has no organisation {organisation}")
        return b"".join(root.public_bytes(Encoding.PEM) for root in directory[organisation].authorities.roots)
