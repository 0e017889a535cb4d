"""Changes of a running channel's orderers, as changes of its configuration; no input or output.

One orderer is replaced by adding its successor and then removing it: one change at a time keeps a quorum that knows
both.
Source of the layout: Fabric's channel configuration (common/channelconfig/orderer.go); under BFT the BlockValidation
policy must name exactly the consenters, in their order (orderer/consensus/smartbft/configverifier.go).
"""

from dataclasses import dataclass
from typing import Any

from fabric_protos.common import configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import identities_pb2, msp_principal_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2
from fabric_protos.orderer.etcdraft import configuration_pb2 as raft_pb2

from network.addresses import join

RAFT = "etcdraft"


@dataclass(frozen=True)
class Consenter:
    """An orderer as the channel knows it; both certificates in PEM."""

    msp_id: str
    host: str
    port: int
    certificate: bytes
    tls_certificate: bytes

    @property
    def address(self) -> str:
        """Return host:port."""
        return join(self.host, self.port)


def with_orderer(config: Any, orderer: Consenter, organisation: Any = None) -> Any:
    """Return a copy of a Config with one more orderer.

    Args:
        config: The channel's Config.
        orderer: The orderer to add.
        organisation: The ConfigGroup of its organisation, where that has no orderer yet.

    Raises:
        ValueError: there is an orderer at that address, or its organisation is unknown and no group was given.
    """
    changed, ordering = _copy(config)
    if orderer.address in {_address(listed) for listed in _listed(ordering)}:
        raise ValueError(f"there is an orderer at {orderer.address} already")
    if orderer.msp_id not in ordering.groups:
        if organisation is None:
            raise ValueError(f"{orderer.msp_id} has no orderer yet: its MSP is needed")
        ordering.groups[orderer.msp_id].CopyFrom(organisation)
    _list(ordering, [*_listed(ordering), _entry(ordering, orderer)])
    _endpoints(ordering.groups[orderer.msp_id], add=orderer.address)
    return changed


def without_orderer(config: Any, address: str) -> Any:
    """Return a copy of a Config without the orderer at host:port; with its last orderer an organisation orders no more.

    Raises:
        ValueError: there is no orderer at that address, or no other one.
    """
    changed, ordering = _copy(config)
    left = [listed for listed in _listed(ordering) if _address(listed) != address]
    if len(left) == len(_listed(ordering)):
        raise ValueError(f"there is no orderer at {address}")
    if not left:
        raise ValueError("a channel keeps one orderer at least")
    _list(ordering, left)
    for name in list(ordering.groups):
        if not _endpoints(ordering.groups[name], remove=address):
            del ordering.groups[name]
    return changed


def with_certificates(config: Any, address: str, certificate: bytes, tls_certificate: bytes) -> Any:
    """Return a copy of a Config in which the orderer at host:port has other certificates; its number stays.

    Raft knows an orderer by its TLS certificate alone.

    Raises:
        ValueError: there is no orderer at that address.
    """
    changed, ordering = _copy(config)
    listed = _listed(ordering)
    for each in listed:
        if _address(each) == address:
            each.client_tls_cert = each.server_tls_cert = tls_certificate
            if _consensus(ordering).type != RAFT:
                each.identity = certificate
            _list(ordering, listed)
            return changed
    raise ValueError(f"there is no orderer at {address}")


def organisation_at(config: Any, address: str) -> str:
    """Return the MSP id of the organisation whose orderer answers at host:port; ValueError where none does."""
    ordering = config.channel_group.groups["Orderer"]
    for msp_id in sorted(ordering.groups):
        value = ordering.groups[msp_id].values["Endpoints"].value
        if address in configuration_pb2.OrdererAddresses.FromString(value).addresses:
            return str(msp_id)
    raise ValueError(f"there is no orderer at {address}")


def orderer_addresses(config: Any) -> list[str]:
    """Return host:port of every orderer of a Config, in the order of their numbers as consenters."""
    return [_address(listed) for listed in _listed(config.channel_group.groups["Orderer"])]


def _copy(config: Any) -> tuple[Any, Any]:
    changed = configtx_pb2.Config()
    changed.CopyFrom(config)
    return changed, changed.channel_group.groups["Orderer"]


def _consensus(ordering: Any) -> Any:
    return orderer_pb2.ConsensusType.FromString(ordering.values["ConsensusType"].value)


def _listed(ordering: Any) -> list[Any]:
    consensus = _consensus(ordering)
    if consensus.type == RAFT:
        return list(raft_pb2.ConfigMetadata.FromString(consensus.metadata).consenters)
    return list(configuration_pb2.Orderers.FromString(ordering.values["Orderers"].value).consenter_mapping)


def _address(listed: Any) -> str:
    return join(listed.host, listed.port)


def _entry(ordering: Any, orderer: Consenter) -> Any:
    tls = {"client_tls_cert": orderer.tls_certificate, "server_tls_cert": orderer.tls_certificate}
    if _consensus(ordering).type == RAFT:
        return raft_pb2.Consenter(host=orderer.host, port=orderer.port, **tls)
    number = max(listed.id for listed in _listed(ordering)) + 1
    place = {"id": number, "host": orderer.host, "port": orderer.port, "msp_id": orderer.msp_id}
    return configuration_pb2.Consenter(**place, identity=orderer.certificate, **tls)


def _list(ordering: Any, consenters: list[Any]) -> None:
    consensus = _consensus(ordering)
    if consensus.type == RAFT:
        metadata = raft_pb2.ConfigMetadata.FromString(consensus.metadata)
        del metadata.consenters[:]
        metadata.consenters.extend(consenters)
        consensus.metadata = metadata.SerializeToString(deterministic=True)
        ordering.values["ConsensusType"].value = consensus.SerializeToString(deterministic=True)
        return
    mapping = configuration_pb2.Orderers(consenter_mapping=consenters)
    ordering.values["Orderers"].value = mapping.SerializeToString(deterministic=True)
    ordering.policies["BlockValidation"].policy.CopyFrom(quorum_of(consenters))


def quorum_of(consenters: list[Any]) -> Any:
    """Return the policy that a quorum of the consenters signs (common/policies/bft.go)."""
    total = len(consenters)
    needed = (total + (total - 1) // 3 + 2) // 2
    identities = [
        msp_principal_pb2.MSPPrincipal(
            principal_classification=msp_principal_pb2.MSPPrincipal.IDENTITY,
            principal=identities_pb2.SerializedIdentity(mspid=c.msp_id, id_bytes=c.identity).SerializeToString(),
        )
        for c in consenters
    ]
    rules = [policies_pb2.SignaturePolicy(signed_by=index) for index in range(total)]
    rule = policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=needed, rules=rules))
    envelope = policies_pb2.SignaturePolicyEnvelope(rule=rule, identities=identities)
    return policies_pb2.Policy(type=policies_pb2.Policy.SIGNATURE, value=envelope.SerializeToString())


def _endpoints(group: Any, *, add: str = "", remove: str = "") -> list[str]:
    """Change where an organisation's orderers answer; return what it then lists."""
    value = group.values["Endpoints"]
    present = list(configuration_pb2.OrdererAddresses.FromString(value.value).addresses)
    wanted = [*(address for address in present if address != remove), *([add] if add else [])]
    if wanted != present:
        value.value = configuration_pb2.OrdererAddresses(addresses=wanted).SerializeToString()
    value.mod_policy = value.mod_policy or "Admins"
    return wanted
