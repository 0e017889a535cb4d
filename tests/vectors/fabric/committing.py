"""One peer process of real Fabric behind the recorder's orderer: it says which transactions of a block are valid."""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import base
import grpc
import yaml
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import (
    chaincode_pb2,
    events_pb2_grpc,
    peer_pb2_grpc,
    proposal_pb2,
    proposal_response_pb2,
    transaction_pb2,
)
from ordering import PATIENCE_S, free_ports, key_file, listens, wait_until
from people import pem, serialized
from policy_cases import CERTIFICATES, ROOTS

ADMIN = serialized("A", pem(CERTIFICATES["A.boss"])), base.makes("A.boss")
ENDORSER = serialized("A", pem(CERTIFICATES["A.peer0"])), base.makes("A.peer0")
TRANSACTION = common_pb2.ENDORSER_TRANSACTION


class Peer:
    """A running peer of the organisation A."""

    def __init__(self, port: int) -> None:
        credentials = grpc.ssl_channel_credentials(base.TLS_ROOT.pem)
        self._channel = grpc.secure_channel(f"{base.HOST}:{port}", credentials)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def join(self, block: common_pb2.Block) -> None:
        """Let the peer join the channel of a first block."""
        proposal = _proposal(ADMIN[0], "", "cscc", [b"JoinChain", block.SerializeToString()])[0]
        raw = proposal.SerializeToString()
        signed = proposal_pb2.SignedProposal(proposal_bytes=raw, signature=ADMIN[1](raw))
        answer = peer_pb2_grpc.EndorserStub(self._channel).ProcessProposal(signed, timeout=PATIENCE_S)
        if answer.response.status != 200:
            raise RuntimeError(answer.response.message)

    def codes(self, channel: str, number: int) -> list[str]:
        """Return the validation codes of a block, by name, once the peer has it."""
        found: list[str] | None = None

        def here() -> bool:
            nonlocal found
            found = self._codes(channel, number)
            return found is not None

        wait_until(here)  # a channel that was just joined is served a moment later
        return found or []

    def _codes(self, channel: str, number: int) -> list[str] | None:
        position = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number))
        seek = ab_pb2.SeekInfo(start=position, stop=position)
        header = common_pb2.ChannelHeader(type=common_pb2.DELIVER_SEEK_INFO, channel_id=channel)
        header.timestamp.GetCurrentTime()
        request = signed_envelope(ADMIN, header, os.urandom(24), seek.SerializeToString())
        stub = events_pb2_grpc.DeliverStub(self._channel)
        for response in stub.DeliverFiltered(iter([request]), timeout=PATIENCE_S):  # it waits for the block
            if response.WhichOneof("Type") == "filtered_block":
                found = response.filtered_block.filtered_transactions
                return [transaction_pb2.TxValidationCode.Name(each.tx_validation_code) for each in found]
            if response.status != common_pb2.NOT_FOUND:
                raise RuntimeError(common_pb2.Status.Name(response.status))
        return None


def signed_envelope(signer: base.Signer, header: Any, nonce: bytes, data: bytes) -> common_pb2.Envelope:
    """Return data in an envelope of a signer."""
    creator = common_pb2.SignatureHeader(creator=signer[0], nonce=nonce).SerializeToString()
    wrapped = common_pb2.Header(channel_header=header.SerializeToString(), signature_header=creator)
    payload = common_pb2.Payload(header=wrapped, data=data).SerializeToString()
    return common_pb2.Envelope(payload=payload, signature=signer[1](payload))


def transaction(channel: str, chaincode: str, results: bytes) -> common_pb2.Envelope:
    """Return an endorsed transaction with the results given (rwset.TxReadWriteSet)."""
    proposal, header, nonce = _proposal(ADMIN[0], channel, chaincode, [b"F"])
    action = proposal_pb2.ChaincodeAction(
        results=results,
        response=proposal_response_pb2.Response(status=200),
        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode, version="syscc" if chaincode == "_lifecycle" else "1.0"),
    )
    read = common_pb2.Header.FromString(proposal.header)
    bound = hashlib.sha256(read.channel_header + read.signature_header + proposal.payload).digest()
    response = proposal_response_pb2.ProposalResponsePayload(proposal_hash=bound, extension=action.SerializeToString())
    raw = response.SerializeToString()
    endorsement = proposal_response_pb2.Endorsement(endorser=ENDORSER[0], signature=ENDORSER[1](raw + ENDORSER[0]))
    content = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=proposal.payload,
        action=transaction_pb2.ChaincodeEndorsedAction(proposal_response_payload=raw, endorsements=[endorsement]),
    )
    made = transaction_pb2.Transaction()
    made.actions.add(header=read.signature_header, payload=content.SerializeToString())
    return signed_envelope(ADMIN, header, nonce, made.SerializeToString())


def _proposal(creator: bytes, channel: str, chaincode: str, arguments: Sequence[bytes]) -> tuple[Any, Any, bytes]:
    nonce = os.urandom(24)
    name = chaincode_pb2.ChaincodeID(name=chaincode)
    header = common_pb2.ChannelHeader(
        type=TRANSACTION,
        channel_id=channel,
        tx_id=hashlib.sha256(nonce + creator).hexdigest(),
        extension=proposal_pb2.ChaincodeHeaderExtension(chaincode_id=name).SerializeToString(),
    )
    header.timestamp.GetCurrentTime()
    signature = common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString()
    outer = common_pb2.Header(channel_header=header.SerializeToString(), signature_header=signature)
    spec = chaincode_pb2.ChaincodeSpec(type=1, chaincode_id=name, input=chaincode_pb2.ChaincodeInput(args=arguments))
    called = chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=spec).SerializeToString()
    payload = proposal_pb2.ChaincodeProposalPayload(input=called).SerializeToString()
    return proposal_pb2.Proposal(header=outer.SerializeToString(), payload=payload), header, nonce


@contextmanager
def peering(folder: Path) -> Iterator[Peer]:
    """Run a peer, of FABRIC_BIN or PATH, for the time of a recording; FileNotFoundError: there is none."""
    found = shutil.which("peer", path=os.environ.get("FABRIC_BIN")) or shutil.which("peer")
    if not found:
        raise FileNotFoundError("no peer in FABRIC_BIN or PATH")
    ports = free_ports(3)
    _write(folder)
    (folder / "core.yaml").write_text(yaml.safe_dump(_settings(folder, ports)))
    environment = {**os.environ, "FABRIC_CFG_PATH": str(folder), "FABRIC_LOGGING_SPEC": "warning"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([found, "node", "start"], env=environment, stdout=log, stderr=log)
        running = Peer(ports[0])
        try:
            wait_until(lambda: listens(ports[0]) or process.poll() is not None)
            if process.poll() is not None:
                raise RuntimeError((folder / "log").read_text()[-2000:])
            time.sleep(0.5)  # it listens before it answers
            yield running
        finally:
            running.close()
            process.terminate()
            process.wait(PATIENCE_S)


def _write(folder: Path) -> None:
    files = {
        "msp/cacerts/ca.pem": ROOTS["A"].pem,
        "msp/signcerts/cert.pem": pem(CERTIFICATES["A.peer0"]),
        "msp/keystore/key_sk": key_file("A.peer0"),
        "msp/config.yaml": base.UNITS.encode(),
        "tls/ca.pem": base.TLS_ROOT.pem,
        "tls/cert.pem": pem(base.TLS),
        "tls/key.pem": key_file("K.tls"),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _settings(folder: Path, ports: Sequence[int]) -> dict[str, Any]:
    address = f"{base.HOST}:{ports[0]}"
    tls = {part: {"file": str(folder / "tls" / f"{name}.pem")} for part, name in (("cert", "cert"), ("key", "key"))}
    return {
        "peer": {
            "id": "peer0",
            "networkId": "vectors",
            "listenAddress": address,
            "address": address,
            "chaincodeListenAddress": f"{base.HOST}:{ports[1]}",
            "localMspId": "A",
            "mspConfigPath": str(folder / "msp"),
            "localMspType": "bccsp",
            "fileSystemPath": str(folder / "data"),
            "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
            "tls": {"enabled": True, **tls, "rootcert": {"file": str(folder / "tls" / "ca.pem")}},
            "authentication": {"timewindow": "15m"},
            "gossip": _gossip(address),
            "gateway": {"enabled": False},
            "discovery": {"enabled": False},
            "limits": {"concurrency": {"endorserService": 500, "deliverService": 500, "gatewayService": 500}},
            **_services(),
            "keepalive": {"deliveryClient": {"interval": "20s", "timeout": "10s"}},
            "maxRecvMsgSize": 100 << 20,
            "maxSendMsgSize": 100 << 20,
        },
        "vm": {"endpoint": ""},
        "chaincode": _chaincode(folder),
        "ledger": {
            "state": {"stateDatabase": "goleveldb", "totalQueryLimit": 100_000},
            "history": {"enableHistoryDatabase": False},
            "pvtdataStore": {"purgeInterval": 100},
            "snapshots": {"rootDir": str(folder / "snapshots")},
        },
        "operations": {"listenAddress": f"{base.HOST}:{ports[2]}"},
        "metrics": {"provider": "disabled"},
    }


def _gossip(address: str) -> dict[str, Any]:
    return {
        "bootstrap": address,
        "endpoint": address,
        "externalEndpoint": address,
        "useLeaderElection": False,
        "orgLeader": True,
        "state": {"enabled": False},
        "pvtData": {
            "reconciliationEnabled": False,
            "pushAckTimeout": "3s",
            "implicitCollectionDisseminationPolicy": {"maxPeerCount": 1},
        },
    }


def _services() -> dict[str, Any]:
    return {
        "handlers": {
            "authFilters": [{"name": "DefaultAuth"}],
            "decorators": [{"name": "DefaultDecorator"}],
            "endorsers": {"escc": {"name": "DefaultEndorsement"}},
            "validators": {"vscc": {"name": "DefaultValidation"}},
        },
        "deliveryclient": {
            "blockGossipEnabled": False,
            "minimalReconnectInterval": "100ms",
            "reConnectBackoffThreshold": "2s",
            "connTimeout": "3s",
            "policy": "simple",
        },
    }


def _chaincode(folder: Path) -> dict[str, Any]:
    return {
        "externalBuilders": [{"name": "none", "path": str(folder)}],
        "installTimeout": "60s",
        "startuptimeout": "60s",
        "executetimeout": "30s",
        "mode": "net",
        "system": {"_lifecycle": "enable", "cscc": "enable", "lscc": "enable", "qscc": "enable"},
        "logging": {"level": "info", "shim": "warning"},
    }
