"""The official hyperledger-fabric-protos messages under short names.

Only messages: the service stubs are imported by the modules that serve or call them.
"""

from fabric_protos.common import common_pb2 as common
from fabric_protos.common import configtx_pb2 as configtx
from fabric_protos.common import configuration_pb2 as configuration
from fabric_protos.common import ledger_pb2 as ledger
from fabric_protos.common import policies_pb2 as policies
from fabric_protos.gateway import gateway_pb2 as gateway
from fabric_protos.gossip import message_pb2 as gossip
from fabric_protos.ledger.queryresult import kv_query_result_pb2 as queryresult
from fabric_protos.ledger.rwset import rwset_pb2 as rwset
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2 as kvrwset
from fabric_protos.msp import identities_pb2 as identities
from fabric_protos.msp import msp_config_pb2 as msp_config
from fabric_protos.msp import msp_principal_pb2 as principal
from fabric_protos.orderer import ab_pb2 as ab
from fabric_protos.orderer import configuration_pb2 as orderer_configuration
from fabric_protos.orderer.etcdraft import configuration_pb2 as etcdraft
from fabric_protos.orderer.smartbft import configuration_pb2 as smartbft
from fabric_protos.peer import chaincode_event_pb2 as chaincode_event
from fabric_protos.peer import chaincode_pb2 as chaincode
from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer import collection_pb2 as collection
from fabric_protos.peer import configuration_pb2 as peer_configuration
from fabric_protos.peer import events_pb2 as events
from fabric_protos.peer import proposal_pb2 as proposal
from fabric_protos.peer import proposal_response_pb2 as proposal_response
from fabric_protos.peer import query_pb2 as query
from fabric_protos.peer import transaction_pb2 as transaction
from fabric_protos.peer.lifecycle import chaincode_definition_pb2 as lifecycle_definition
from fabric_protos.peer.lifecycle import db_pb2 as lifecycle_db
from fabric_protos.peer.lifecycle import lifecycle_pb2 as lifecycle

__all__ = [
    "ab",
    "chaincode",
    "chaincode_event",
    "collection",
    "common",
    "configtx",
    "configuration",
    "etcdraft",
    "events",
    "gateway",
    "gossip",
    "identities",
    "kvrwset",
    "ledger",
    "lifecycle",
    "lifecycle_db",
    "lifecycle_definition",
    "msp_config",
    "orderer_configuration",
    "peer_configuration",
    "policies",
    "principal",
    "proposal",
    "proposal_response",
    "query",
    "queryresult",
    "rwset",
    "shim",
    "smartbft",
    "transaction",
]
