"""Changes of where the channel's processes are: orderers, and peers that others dial first."""

from typing import Any, Literal

from fabric_protos.peer import configuration_pb2

from network.addresses import split
from network.config_update import MSP
from network.export import Export
from network.orderer_update import Consenter, orderer_addresses, with_orderer, without_orderer
from network.topology import Organisation
from network.update.base import Base, in_force, unfit
from network.update.members import APPLICATION, copy_of, organisations
from network.update.newcomer import checked_export, ordering_group_of

ANCHORS = "AnchorPeers"


class AddOrderer(Base):
    """One more orderer, of the organisation of an export; one is replaced by adding its successor first."""

    kind: Literal["add-orderer"] = "add-orderer"
    export: dict[str, Any]
    name: str

    def apply(self, config: Any) -> Any:
        """Return a copy with the orderer; with its first one the organisation orders from then on."""
        found, _ = self.read()
        consenter = self.consenter
        if consenter.address in orderer_addresses(config):
            raise in_force(f"the channel has an orderer at {consenter.address}")
        group = ordering_group_of(self.export)
        if APPLICATION in organisations(config).get(found.msp_id, ()):  # one organisation has one MSP
            peers = config.channel_group.groups[APPLICATION].groups[found.msp_id]
            group.values[MSP].CopyFrom(peers.values[MSP])
        try:
            return with_orderer(config, consenter, group)
        except ValueError as error:
            raise unfit(f"{found.organisation}: {error}") from None

    def read(self) -> tuple[Export, Organisation]:
        """Return the export, which holds, and the organisation's entry; FL1101 to FL1103 if it does not hold."""
        return checked_export(self.export)

    @property
    def consenter(self) -> Consenter:
        """Return the orderer as the channel will know it; FL1154 if the export has no such orderer."""
        found, entry = self.read()
        for each in entry.orderers:
            if each.name == self.name:
                certificates = (f"orderers/{each.name}/{path}" for path in ("msp/signcerts/cert.pem", "tls/server.crt"))
                return Consenter(found.msp_id, each.host, each.port, *(found.files[p].encode() for p in certificates))
        names = ", ".join(each.name for each in entry.orderers) or "none"
        raise unfit(f"{found.organisation} exports no orderer {self.name}", f"It exports {names}.")

    @property
    def subject(self) -> str:
        """Return the orderer's name."""
        return self.name


class RemoveOrderer(Base):
    """An orderer goes; with its last one an organisation orders no more."""

    kind: Literal["remove-orderer"] = "remove-orderer"
    address: str
    """host:port"""

    def apply(self, config: Any) -> Any:
        """Return a copy without the orderer; the last one stays."""
        if self.address not in orderer_addresses(config):
            raise in_force(f"the channel is without an orderer at {self.address}")
        try:
            return without_orderer(config, self.address)
        except ValueError as error:
            raise unfit(str(error)) from None

    @property
    def subject(self) -> str:
        """Return its address, fit for a file's name."""
        return self.address.replace(":", "-")


class MovePeers(Base):
    """Where an organisation's peers answer: the addresses that the channel tells the others."""

    kind: Literal["move-peers"] = "move-peers"
    organisation: str
    """Its MSP id."""
    addresses: list[str]
    """host:port of each peer."""

    def apply(self, config: Any) -> Any:
        """Return a copy with these addresses."""
        if APPLICATION not in organisations(config).get(self.organisation, ()) or not self.addresses:
            raise unfit(f"{self.organisation} has no peers in the channel")
        anchors = configuration_pb2.AnchorPeers()
        for address in self.addresses:
            try:
                host, port = split(address)
            except ValueError as error:
                raise unfit(str(error)) from None
            anchors.anchor_peers.add(host=host, port=port)
        changed = copy_of(config)
        values = changed.channel_group.groups[APPLICATION].groups[self.organisation].values
        values[ANCHORS].value = anchors.SerializeToString(deterministic=True)
        values[ANCHORS].mod_policy = values[ANCHORS].mod_policy or "Admins"
        return changed

    @property
    def subject(self) -> str:
        """Return its MSP id."""
        return self.organisation


def peer_addresses(config: Any, msp_id: str) -> list[tuple[str, int]]:
    """Return (host, port) of an organisation's peers as the channel tells them."""
    values = config.channel_group.groups[APPLICATION].groups[msp_id].values
    raw = values[ANCHORS].value if ANCHORS in values else b""
    return [(each.host, each.port) for each in configuration_pb2.AnchorPeers.FromString(raw).anchor_peers]
