"""Joins orderers to the channel through their admin service (Fabric's channel participation API)."""

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network import codes
from network.errors import NetworkError
from network.folders import channel_block, folder_of, public_parts
from network.topology import Consortium, Orderer, Organisation

PATH = "/participation/v1/channels"
BOUNDARY = "fedledger-channel-block"
TIMEOUT_S = 60


@dataclass(frozen=True)
class OrdererAdmin:
    """The admin service of one orderer."""

    consortium: Consortium
    run: Path
    organisation: Organisation
    orderer: Orderer

    def join(self) -> None:
        """Let the orderer join the channel, unless it has; FL1054 if it refuses."""
        if self._request("GET", f"{PATH}/{self.consortium.channel}")[0] == http.HTTPStatus.OK:
            return
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="config-block"; filename="channel.block"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = head.encode() + channel_block(self.run).read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
        status, answer = self._request("POST", PATH, body)
        if status != http.HTTPStatus.CREATED:
            raise NetworkError(
                codes.ORDERER_NOT_JOINED, f"cannot join the channel: {status} {answer}", where=self.orderer.name
            )

    def is_consenter(self) -> bool:
        """Return whether the orderer has caught up with the channel and takes part in ordering; FL1054 if it is silent.

        One that joins a running channel first fetches its blocks as a follower.
        """
        state = self._state()
        return (state.get("consensusRelation"), state.get("status")) == ("consenter", "active")

    def height(self) -> int:
        """Return how many blocks of the channel the orderer has, 0 if it has not joined; FL1054 if it is silent."""
        return int(self._state().get("height", 0))

    def _state(self) -> dict[str, Any]:
        status, answer = self._request("GET", f"{PATH}/{self.consortium.channel}")
        return dict(json.loads(answer)) if status == http.HTTPStatus.OK else {}

    def _request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} if body else {}
        connection = http.client.HTTPSConnection(
            self.orderer.host, self.orderer.admin_port, timeout=TIMEOUT_S, context=self._tls()
        )
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace").strip()
        except OSError as error:
            raise NetworkError(
                codes.ORDERER_NOT_JOINED, f"its admin service does not answer: {error}", where=self.orderer.name
            ) from None
        finally:
            connection.close()

    def _tls(self) -> ssl.SSLContext:
        name = self.organisation.name
        context = ssl.create_default_context(cafile=str(public_parts(self.run, name).tls_root))
        user = folder_of(self.run, name).user("admin") / "tls"
        context.load_cert_chain(str(user / "client.crt"), str(user / "client.key"))
        return context
