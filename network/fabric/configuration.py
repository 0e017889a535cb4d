"""The configuration files of Fabric's peers and orderers, derived from the consortium."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from network.addresses import join
from network.fabric.binaries import Version
from network.fabric.package import builder_path
from network.folders import OrganisationFolder
from network.plan import peer_process
from network.topology import Consortium, Orderer, Organisation, Peer

MESSAGE_LIMIT = 100 << 20
GOSSIP_INTERVAL = "1s"  # Fabric's 4 s and 25 s keep gateways from routing for half a minute after a start
BUILDER = "fedledger_service"
AUTH_FILTERS = ("DefaultAuth", "ExpirationCheck")
TIME_FILTER = ("TimeWindowCheck",)  # Fabric 2.5 has none: there the chaincode process alone looks at the time
NEWEST: Version = (3, 1, 5)
# Operations services tell and change log levels: they listen on loopback alone, and serve certificates of their own
# organisation only (Fabric: core/operations, where TLS makes every handler but /healthz ask for one).
OPERATIONS_HOST = "127.0.0.1"


def peer_configuration(
    consortium: Consortium,
    folder: OrganisationFolder,
    organisation: Organisation,
    version: Version = NEWEST,
    number: int = 0,
) -> dict[str, Any]:
    """Return core.yaml of one of an organisation's peers, for the release of Fabric that runs it."""
    peer = organisation.peers[number]
    identity, data = folder.peer(number), folder.data(peer_process(organisation.name, number))
    return {
        "peer": {
            "id": peer.name,
            "networkId": consortium.name,
            "listenAddress": join(peer.bound, peer.port),
            "address": peer.address,
            "chaincodeListenAddress": join(peer.near, peer.internal_port),
            "chaincodeAddress": join(peer.near, peer.internal_port),
            "localMspId": organisation.msp_id,
            "mspConfigPath": str(identity / "msp"),
            "localMspType": "bccsp",
            "fileSystemPath": str(data),
            "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
            "tls": {**_served_with(identity), "rootcert": {"file": str(identity / "tls" / "ca.crt")}},
            **_services(version),
            "authentication": {"timewindow": f"{consortium.time_window_s}s"},
            "gossip": _gossip(peer, organisation.peers, shared=bool(consortium.chaincode.collections)),
            "maxRecvMsgSize": MESSAGE_LIMIT,
            "maxSendMsgSize": MESSAGE_LIMIT,
        },
        "vm": {"endpoint": ""},  # no Docker
        "chaincode": _chaincode(folder),
        "ledger": {
            "state": {"stateDatabase": "goleveldb", "totalQueryLimit": 100_000},
            "history": {"enableHistoryDatabase": True},
            "pvtdataStore": {"purgeInterval": 100},
            "snapshots": {"rootDir": str(data / "snapshots")},
        },
        "operations": {
            "listenAddress": f"{OPERATIONS_HOST}:{peer.operations_port}",
            # /healthz asks for no certificate; all that tells or changes more does
            "tls": {**_served_with(identity), "clientRootCAs": {"files": [str(identity / "tls" / "ca.crt")]}},
        },
        "metrics": {"provider": "prometheus"},
    }


def _served_with(identity: Path) -> dict[str, Any]:
    """Return what a TLS service of an identity shows; the handshake asks for no certificate of the caller."""
    return {
        "enabled": True,
        "clientAuthRequired": False,
        "cert": {"file": str(identity / "tls" / "server.crt")},
        "key": {"file": str(identity / "tls" / "server.key")},
    }


def orderer_configuration(consortium: Consortium, folder: OrganisationFolder, orderer: Orderer) -> dict[str, Any]:
    """Return orderer.yaml of one ordering process."""
    identity, data = folder.orderer(orderer.name), folder.data(orderer.name)
    certificate, key, root = (str(identity / "tls" / name) for name in ("server.crt", "server.key", "ca.crt"))
    tls = {"Enabled": True, "PrivateKey": key, "Certificate": certificate}
    cluster = [str(folder.known(o.name).tls_root) for o in consortium.orderer_organisations]
    return {
        "General": {
            "ListenAddress": orderer.bound,
            "ListenPort": orderer.port,
            "TLS": {**tls, "RootCAs": [root], "ClientAuthRequired": False},
            "Cluster": {
                "ClientCertificate": certificate,
                "ClientPrivateKey": key,
                "RootCAs": cluster,
                "DialTimeout": "2s",  # of one that is gone: while it lasts, a change of the leader stands still
            },
            "Keepalive": {"ServerMinInterval": "10s", "ServerInterval": "60s", "ServerTimeout": "20s"},
            "MaxRecvMsgSize": MESSAGE_LIMIT,
            "MaxSendMsgSize": MESSAGE_LIMIT,
            "BootstrapMethod": "none",
            "LocalMSPDir": str(identity / "msp"),
            "LocalMSPID": consortium.organisation(folder.name).msp_id,
            "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
            "Authentication": {"TimeWindow": f"{consortium.time_window_s}s"},
        },
        "FileLedger": {"Location": str(data / "ledger")},
        "Consensus": {"WALDir": str(data / "wal"), "SnapDir": str(data / "snapshots")},
        "ChannelParticipation": {"Enabled": True, "MaxRequestBodySize": "10 MB"},
        "Admin": {
            "ListenAddress": join(orderer.bound, orderer.admin_port),
            "TLS": {**tls, "RootCAs": [root], "ClientAuthRequired": True, "ClientRootCAs": [root]},
        },
        "Operations": {
            "ListenAddress": f"{OPERATIONS_HOST}:{orderer.operations_port}",
            "TLS": {**tls, "ClientAuthRequired": False, "ClientRootCAs": [root]},
        },
        "Metrics": {"Provider": "prometheus"},
    }


def _services(version: Version) -> dict[str, Any]:
    return {
        "gateway": {"enabled": True, "endorsementTimeout": "30s", "broadcastTimeout": "10s", "dialTimeout": "10s"},
        "discovery": {"enabled": True, "authCacheEnabled": True},
        "limits": {"concurrency": {"endorserService": 500, "deliverService": 500, "gatewayService": 500}},
        "handlers": {
            "authFilters": [{"name": name} for name in (*AUTH_FILTERS, *(TIME_FILTER if version >= NEWEST else ()))],
            "decorators": [{"name": "DefaultDecorator"}],
            "endorsers": {"escc": {"name": "DefaultEndorsement"}},
            "validators": {"vscc": {"name": "DefaultValidation"}},
        },
        "deliveryclient": {
            "blockGossipEnabled": False,
            "minimalReconnectInterval": "100ms",
            "reConnectBackoffThreshold": "2s",
            "connTimeout": "3s",
            "policy": "cluster",
            # How long an orderer may give no block that others have headers of before another is asked; Fabric waits
            # 30 s, and so would every transaction of a peer whose orderer's host is cut off.
            "blockCensorshipTimeoutKey": "5s",
        },
        "client": {"connTimeout": "5s"},
        "keepalive": {
            "interval": "60s",
            "timeout": "20s",
            "minInterval": "10s",
            "client": {"interval": "60s", "timeout": "20s"},
            "deliveryClient": {"interval": "20s", "timeout": "10s"},
        },
    }


def _gossip(peer: Peer, peers: Sequence[Peer], *, shared: bool) -> dict[str, Any]:
    """Return how a peer meets the other peers, first its organisation's others."""
    others = [other.address for other in peers if other is not peer]
    return {
        "bootstrap": others or [peer.address],
        "endpoint": peer.address,
        "externalEndpoint": peer.address,
        "useLeaderElection": False,
        "orgLeader": True,  # every peer pulls its blocks from the orderers itself: none waits for another
        "reconnectInterval": GOSSIP_INTERVAL,
        "publishStateInfoInterval": GOSSIP_INTERVAL,
        "requestStateInfoInterval": GOSSIP_INTERVAL,
        "aliveTimeInterval": GOSSIP_INTERVAL,
        "aliveExpirationTimeout": "10s",
        "state": {"enabled": False},
        "pvtData": _private_data(len(others), shared=shared),
    }


def _private_data(others: int, *, shared: bool) -> dict[str, Any]:
    """Return how the peers of an organisation share which package it approved: that is private data of its own.

    A peer that was not there when the organisation approved asks the others as it commits the block. Where there are no
    others, and no collections that organisations share, nothing is to be had, and so it asks nobody. What it endorses
    for a collection of several organisations it brings to their peers, and waits for their word: without a time for
    that it would not wait and refuse to endorse.
    """
    asking = {"pullRetryThreshold": "30s" if others else "3s", "reconcileSleepInterval": "5s" if others else "1s"}
    counted = {"implicitCollectionDisseminationPolicy": {"maxPeerCount": max(1, others)}}
    asks = bool(others) or shared
    return {"reconciliationEnabled": asks, "pushAckTimeout": "3s", **(asking if asks else {}), **counted}


def _chaincode(folder: OrganisationFolder) -> dict[str, Any]:
    return {
        "externalBuilders": [
            {
                "name": BUILDER,
                "path": str(builder_path(folder.root)),
                "propagateEnvironment": ["FEDLEDGER_CONNECTION"],
            }
        ],
        "installTimeout": "60s",
        "startuptimeout": "60s",
        "executetimeout": "30s",
        "mode": "net",
        "keepalive": 0,
        "system": {"_lifecycle": "enable", "cscc": "enable", "lscc": "enable", "qscc": "enable"},
        "logging": {"level": "info", "shim": "warning"},
        "runtimeParams": {
            "useWriteBatch": True,
            "maxSizeWriteBatch": 1000,
            "useGetMultipleKeys": True,
            "maxSizeGetMultipleKeys": 1000,
        },
    }
