"""Which changes of its orderers devnet takes: other certificates of those that it has; no input or output.

Under BFT the policy of blocks names exactly the consenters (orderer/consensus/smartbft/configverifier.go).
"""

from typing import Any

from network.devnet import protos as p
from network.devnet.envelopes import parse
from network.orderer_update import quorum_of

ORDERERS, CONSENSUS, BLOCKS = "Orderers", "ConsensusType", "BlockValidation"
RAFT = "etcdraft"


def gives_certificates(before: Any, after: Any) -> bool:
    """Say whether a group Orderer with these elements differs from another at most in its orderers' certificates."""
    if _places(before) != _places(after):
        return False
    if ORDERERS not in after.values:
        return bool(before.policies[BLOCKS] == after.policies[BLOCKS])
    return bool(after.policies[BLOCKS].policy == quorum_of(list(_orderers(after).consenter_mapping)))


def _places(group: Any) -> tuple[bytes, bytes]:
    """Return what agrees, and who, without certificates."""
    consensus = parse(p.orderer_configuration.ConsensusType, group.values[CONSENSUS].value, CONSENSUS)
    listed = _orderers(group) if ORDERERS in group.values else p.configuration.Orderers()
    if consensus.type == RAFT:
        metadata = parse(p.etcdraft.ConfigMetadata, consensus.metadata, CONSENSUS)
        for consenter in metadata.consenters:
            consenter.client_tls_cert = consenter.server_tls_cert = b""
        consensus.metadata = metadata.SerializeToString(deterministic=True)
    for consenter in listed.consenter_mapping:
        consenter.identity = consenter.client_tls_cert = consenter.server_tls_cert = b""
    return consensus.SerializeToString(deterministic=True), listed.SerializeToString(deterministic=True)


def _orderers(group: Any) -> Any:
    return parse(p.configuration.Orderers, group.values[ORDERERS].value, ORDERERS)
