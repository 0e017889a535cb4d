"""One orderer process of real Fabric, with keys that follow from names: it says what Fabric takes and refuses."""

import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import base
import grpc
import yaml
from cryptography.hazmat.primitives import serialization
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc
from people import key_of, pem

PATIENCE_S = 30
BOUNDARY = "vectors-channel-block"
CHANNELS = "/participation/v1/channels"


@dataclass(frozen=True)
class Answer:
    """What the orderer said to an envelope."""

    taken: bool
    message: str


class Ordering:
    """A running orderer and its newest channel. One answer is given before the next envelope is read."""

    def __init__(self, port: int, admin_port: int) -> None:
        self.port = port
        self._admin_port = admin_port
        self.name = base.CHANNEL
        credentials = grpc.ssl_channel_credentials(base.TLS_ROOT.pem)
        limits = [(f"grpc.max_{way}_message_length", 100 << 20) for way in ("receive", "send")]
        self._channel = grpc.secure_channel(f"{base.HOST}:{port}", credentials, limits)
        self._stub = ab_pb2_grpc.AtomicBroadcastStub(self._channel)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def begin(self, group: configtx_pb2.ConfigGroup, channel: str = base.CHANNEL) -> common_pb2.Block:
        """Begin a channel with a configuration and return its first block; what follows is about it.

        Raises:
            ValueError: the orderer does not take it.
        """
        self.name = channel
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="config-block"; filename="channel.block"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        first = genesis_block(group, channel)
        block = first.SerializeToString()
        status, text = self._request("POST", CHANNELS, head.encode() + block + f"\r\n--{BOUNDARY}--\r\n".encode())
        if status != http.HTTPStatus.CREATED:
            raise ValueError(text)
        wait_until(lambda: self.newest() is not None)
        return first

    def send(self, update: bytes, signers: Sequence[base.Signer]) -> Answer:
        """Send a ConfigUpdate; return what the orderer says, once a change that it takes is in force."""
        return self.send_signed(base.update_envelope(update, signers))

    def send_signed(self, update: configtx_pb2.ConfigUpdateEnvelope) -> Answer:
        """Send a ConfigUpdateEnvelope; return what the orderer says, once a change that it takes is in force."""
        height = self.newest().header.number
        response = self._broadcast(enveloped(common_pb2.CONFIG_UPDATE, update.SerializeToString(), self.name))
        if response.status == common_pb2.SERVICE_UNAVAILABLE:
            raise RuntimeError(f"the orderer is not ready: {response.info}")
        if response.status == common_pb2.SUCCESS:
            wait_until(lambda: self.newest().header.number > height)
        return Answer(response.status == common_pb2.SUCCESS, response.info)

    def order(self, envelopes: Sequence[common_pb2.Envelope]) -> int:
        """Order transactions into one block and return its number.

        Raises:
            RuntimeError: the orderer refused one, or cut more than one block.
        """
        height = self.newest().header.number
        for response in self._stub.Broadcast(iter(envelopes), timeout=PATIENCE_S):
            if response.status != common_pb2.SUCCESS:
                raise RuntimeError(response.info)
        wait_until(lambda: self.newest().header.number > height)
        newest = self.newest()
        if len(newest.data.data) != len(envelopes):
            raise RuntimeError(f"{len(envelopes)} transactions, and {len(newest.data.data)} in the block")
        return int(newest.header.number)

    def _broadcast(self, envelope: common_pb2.Envelope) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            (response,) = self._stub.Broadcast(iter([envelope]), timeout=PATIENCE_S)
            if response.status != common_pb2.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                return response
            time.sleep(0.02)  # it has no leader yet

    def config(self) -> configtx_pb2.Config:
        """Return the configuration in force."""
        newest = self.newest()
        number = 0
        if newest.header.number:
            signed = common_pb2.Metadata.FromString(newest.metadata.metadata[common_pb2.SIGNATURES])
            number = common_pb2.OrdererBlockMetadata.FromString(signed.value).last_config.index
        block = self._block(ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number)))
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
        return configtx_pb2.ConfigEnvelope.FromString(payload.data).config

    def newest(self) -> Any:
        """Return the newest block, None where the channel is not there yet."""
        return self._block(ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest()))

    def _block(self, position: Any) -> Any:
        seek = ab_pb2.SeekInfo(start=position, stop=position)
        request = enveloped(common_pb2.DELIVER_SEEK_INFO, seek.SerializeToString(), self.name)
        for response in self._stub.Deliver(iter([request]), timeout=PATIENCE_S):
            return response.block if response.WhichOneof("Type") == "block" else None
        return None

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} if body else {}
        connection = http.client.HTTPConnection(base.HOST, self._admin_port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


def enveloped(kind: int, data: bytes, channel: str) -> common_pb2.Envelope:
    """Return data in an envelope that the keeper's admin signed."""
    header = common_pb2.ChannelHeader(type=kind, channel_id=channel)
    header.timestamp.GetCurrentTime()
    creator = common_pb2.SignatureHeader(creator=base.BOSS, nonce=os.urandom(24))
    wrapped = common_pb2.Header(channel_header=header.SerializeToString(), signature_header=creator.SerializeToString())
    payload = common_pb2.Payload(header=wrapped, data=data).SerializeToString()
    return common_pb2.Envelope(payload=payload, signature=base.makes("K.boss")(payload))


def genesis_block(group: configtx_pb2.ConfigGroup, channel: str) -> common_pb2.Block:
    """Return block 0 of a configuration."""
    content = configtx_pb2.ConfigEnvelope(config=configtx_pb2.Config(channel_group=group))
    envelope = enveloped(common_pb2.CONFIG, content.SerializeToString(deterministic=True), channel)
    data = [envelope.SerializeToString()]
    block = common_pb2.Block(data=common_pb2.BlockData(data=data))
    block.header.data_hash = hashlib.sha256(b"".join(data)).digest()
    block.metadata.metadata.extend([b"", b"", b"\0", b"", b""])
    return block


@contextmanager
def ordering(program: str | None = None) -> Iterator[Ordering]:
    """Run an orderer, of FABRIC_BIN or PATH unless a program is given, for the time of a recording.

    Raises:
        FileNotFoundError: there is none.
    """
    found = program or shutil.which("orderer", path=os.environ.get("FABRIC_BIN")) or shutil.which("orderer")
    if not found:
        raise FileNotFoundError("no orderer in FABRIC_BIN or PATH")
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), free_ports(3)
        _write_identity(folder)
        (folder / "orderer.yaml").write_text(yaml.safe_dump(_settings(folder, ports)))
        log = (folder / "log").open("wb")
        environment = {**os.environ, "FABRIC_CFG_PATH": name, "FABRIC_LOGGING_SPEC": "error"}
        process = subprocess.Popen([found], env=environment, stdout=log, stderr=log)
        running = Ordering(ports[0], ports[1])
        try:
            wait_until(lambda: listens(ports[1]) or process.poll() is not None)
            if process.poll() is not None:
                raise RuntimeError((folder / "log").read_text()[-2000:])
            yield running
        finally:
            running.close()
            process.terminate()
            process.wait(PATIENCE_S)
            log.close()


def _write_identity(folder: Path) -> None:
    files = {
        "msp/cacerts/ca.pem": base.ROOT.pem,
        "msp/signcerts/cert.pem": pem(base.CERTIFICATES["orderer0"]),
        "msp/keystore/key_sk": key_file("K.orderer0"),
        "msp/config.yaml": base.UNITS.encode(),
        "tls/ca.pem": base.TLS_ROOT.pem,
        "tls/cert.pem": pem(base.TLS),
        "tls/key.pem": key_file("K.tls"),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def key_file(name: str) -> bytes:
    """Return the key that belongs to a name as PEM."""
    plain = serialization.NoEncryption()
    return key_of(name).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def _settings(folder: Path, ports: Sequence[int]) -> dict[str, Any]:
    certificate, key, root = (str(folder / "tls" / name) for name in ("cert.pem", "key.pem", "ca.pem"))
    return {
        "General": {
            "ListenAddress": base.HOST,
            "ListenPort": ports[0],
            "TLS": {"Enabled": True, "PrivateKey": key, "Certificate": certificate, "RootCAs": [root]},
            "Cluster": {"ClientCertificate": certificate, "ClientPrivateKey": key, "RootCAs": [root]},
            "BootstrapMethod": "none",
            "LocalMSPDir": str(folder / "msp"),
            "LocalMSPID": base.KEEPER,
            "BCCSP": {"Default": "SW", "SW": {"Hash": "SHA2", "Security": 256}},
            "Authentication": {"TimeWindow": "15m"},
        },
        "FileLedger": {"Location": str(folder / "ledger")},
        "Consensus": {"WALDir": str(folder / "wal"), "SnapDir": str(folder / "snapshots")},
        "ChannelParticipation": {"Enabled": True, "MaxRequestBodySize": "10 MB"},
        "Admin": {"ListenAddress": f"{base.HOST}:{ports[1]}", "TLS": {"Enabled": False}},
        "Operations": {"ListenAddress": f"{base.HOST}:{ports[2]}"},
        "Metrics": {"Provider": "disabled"},
    }


def free_ports(count: int) -> list[int]:
    """Return ports on which nothing listens."""
    listening = [socket.create_server((base.HOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in listening]
    for each in listening:
        each.close()
    return ports


def listens(port: int) -> bool:
    """Say whether somebody takes connections on a port."""
    try:
        socket.create_connection((base.HOST, port), 1).close()
    except OSError:
        return False
    return True


def wait_until(holds: Any) -> None:
    """Return once something holds; TimeoutError if it does not."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the orderer does not answer")
        time.sleep(0.005)
