"""The channel: organisations, ordering, and policies by which members govern and the regulator only reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from network.folders import public_parts
from network.topology import Consortium, Orderer, Organisation

PROFILE = "Consortium"
BLOCK_MESSAGES = 100
BLOCK_BYTES = 10 << 20
# Fabric offers BFT ordering only in channels that older releases cannot read.
CAPABILITY = {"bft": "V3_0", "raft": "V2_0"}
# A leader that was not heard for 15 to 30 ticks, 3 to 6 s, is replaced; Fabric's samples wait 5 to 10 s.
RAFT_OPTIONS = {
    "TickInterval": "200ms",
    "ElectionTick": 15,
    "HeartbeatTick": 1,
    "MaxInflightBlocks": 5,
    "SnapshotIntervalSize": "16 MB",
}

Policies = dict[str, dict[str, str]]


def channel_definition(consortium: Consortium, run: Path) -> dict[str, Any]:
    """Return configtx.yaml with the one profile that `configtxgen` turns into the channel's first block."""
    members = [member.msp_id for member in consortium.members]
    return {
        "Profiles": {
            PROFILE: {
                "Policies": _meta("ANY Readers", "ANY Writers", "MAJORITY Admins"),
                "Capabilities": {CAPABILITY[consortium.ordering]: True},
                "Application": {
                    "Organizations": [_peer_organisation(o, run) for o in consortium.peer_organisations],
                    "Capabilities": {"V2_5": True},
                    # Peers take proposals from readers too, so that the regulator can evaluate; only writers get past
                    # the orderers.
                    "ACLs": {
                        "peer/Propose": "/Channel/Application/Readers",
                        "_lifecycle/QueryChaincodeDefinition": "/Channel/Application/Readers",
                        "_lifecycle/QueryChaincodeDefinitions": "/Channel/Application/Readers",
                        "_lifecycle/CheckCommitReadiness": "/Channel/Application/Readers",
                    },
                    "Policies": {
                        "Readers": _implicit("ANY Readers"),
                        "Writers": _signature(1, members, ("admin", "client")),
                        "Admins": _signature(consortium.majority, members, ("admin",)),
                        "LifecycleEndorsement": _signature(consortium.majority, members, ("peer",)),
                        "Endorsement": _signature(consortium.threshold, members, ("peer",)),
                    },
                },
                "Orderer": _ordering(consortium, run),
            }
        }
    }


def _ordering(consortium: Consortium, run: Path) -> dict[str, Any]:
    return {
        **(_raft(consortium, run) if consortium.ordering == "raft" else _bft(consortium, run)),
        "BatchTimeout": f"{consortium.batch_interval_ms}ms",  # BFT ignores it and takes RequestBatchMaxInterval
        "BatchSize": {
            "MaxMessageCount": BLOCK_MESSAGES,
            "AbsoluteMaxBytes": BLOCK_BYTES,
            "PreferredMaxBytes": BLOCK_BYTES // 5,
        },
        "MaxChannels": 0,
        "Organizations": [_orderer_organisation(o, run) for o in consortium.orderer_organisations],
        "Capabilities": {"V2_0": True},
        "Policies": {
            **_meta("ANY Readers", "ANY Writers", "MAJORITY Admins"),
            "BlockValidation": _implicit("ANY Writers"),  # under BFT configtxgen writes a quorum of the consenters
        },
    }


def _bft(consortium: Consortium, run: Path) -> dict[str, Any]:
    consenters = [_consenter(number, *each, run) for number, each in enumerate(consortium.orderers, start=1)]
    return {"OrdererType": "BFT", "SmartBFT": _consensus(consortium), "ConsenterMapping": consenters}


def _raft(consortium: Consortium, run: Path) -> dict[str, Any]:
    consenters = []
    for organisation, orderer in consortium.orderers:
        certificate = str(public_parts(run, organisation.name).orderer_tls_certificate(orderer.name))
        place = {"Host": orderer.host, "Port": orderer.port}
        consenters.append({**place, "ClientTLSCert": certificate, "ServerTLSCert": certificate})
    return {"OrdererType": "etcdraft", "EtcdRaft": {"Consenters": consenters, "Options": RAFT_OPTIONS}}


def _consensus(consortium: Consortium) -> dict[str, Any]:
    # The leader is given up after 3.5 s with work, 10 s without: Fabric's samples wait 25 s and 60 s. What one says of
    # its last block to a new leader that is not one yet is lost: the timeout begins anew, longer each time by as much.
    return {
        "RequestBatchMaxCount": BLOCK_MESSAGES,
        "RequestBatchMaxBytes": BLOCK_BYTES,
        "RequestBatchMaxInterval": f"{consortium.batch_interval_ms}ms",
        "RequestForwardTimeout": "500ms",
        "RequestComplainTimeout": "3s",
        "RequestAutoRemoveTimeout": "3m0s",
        "ViewChangeResendInterval": "1s",
        "ViewChangeTimeout": "5s",
        "LeaderHeartbeatTimeout": "10s",
        "LeaderHeartbeatCount": 10,
        "CollectTimeout": "1s",
        "IncomingMessageBufferSize": 200,
        "RequestPoolSize": 10_000,
    }


def _consenter(number: int, organisation: Organisation, orderer: Orderer, run: Path) -> dict[str, Any]:
    known = public_parts(run, organisation.name)
    return {
        "ID": number,
        "Host": orderer.host,
        "Port": orderer.port,
        "MSPID": organisation.msp_id,
        "Identity": str(known.orderer_certificate(orderer.name)),
        "ClientTLSCert": str(known.orderer_tls_certificate(orderer.name)),
        "ServerTLSCert": str(known.orderer_tls_certificate(orderer.name)),
    }


def _peer_organisation(organisation: Organisation, run: Path) -> dict[str, Any]:
    msp_id = organisation.msp_id
    return {
        "Name": msp_id,
        "ID": msp_id,
        "MSPDir": str(public_parts(run, organisation.name).msp),
        "Policies": {
            "Readers": _signature(1, [msp_id], ("admin", "peer", "client")),
            "Writers": _signature(1, [msp_id], ("admin", "client")),
            "Admins": _signature(1, [msp_id], ("admin",)),
            "Endorsement": _signature(1, [msp_id], ("peer",)),
        },
        "AnchorPeers": [{"Host": peer.host, "Port": peer.port} for peer in organisation.peers],
    }


def _orderer_organisation(organisation: Organisation, run: Path) -> dict[str, Any]:
    msp_id = organisation.msp_id
    return {
        "Name": msp_id,
        "ID": msp_id,
        "MSPDir": str(public_parts(run, organisation.name).msp),
        "Policies": {
            "Readers": _signature(1, [msp_id], ("member",)),
            # Under Raft whoever is among these may sign blocks: its orderers, not its administrators and clients.
            "Writers": _signature(1, [msp_id], ("orderer",)),
            "Admins": _signature(1, [msp_id], ("admin",)),
        },
        "OrdererEndpoints": [orderer.address for orderer in organisation.orderers],
    }


def _signature(number: int, msp_ids: Sequence[str], roles: Sequence[str]) -> dict[str, str]:
    """A policy that a number of signatures by distinct organisations satisfies."""
    if len(roles) == 1:
        principals = [f"'{msp_id}.{roles[0]}'" for msp_id in msp_ids]
    elif number == 1:
        principals = [f"'{msp_id}.{role}'" for msp_id in msp_ids for role in roles]
    else:  # two signatures of one organisation in different roles would count twice
        raise ValueError(roles)
    return {"Type": "Signature", "Rule": f"OutOf({number}, {', '.join(principals)})"}


def _implicit(rule: str) -> dict[str, str]:
    return {"Type": "ImplicitMeta", "Rule": rule}


def _meta(readers: str, writers: str, admins: str) -> Policies:
    return {"Readers": _implicit(readers), "Writers": _implicit(writers), "Admins": _implicit(admins)}
