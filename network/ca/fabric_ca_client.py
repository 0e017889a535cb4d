"""hfc's client of a Fabric CA, with the token that Fabric CA 1.4 and later ask for, and errors that say what to do."""

import base64
import json
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from hfc.fabric_ca.caservice import CAClient, Enrollment

from network import codes
from network.ca.tokens import LOOPBACK, token
from network.errors import NetworkError

T = TypeVar("T")
PATIENCE_S = 30
ALREADY_REGISTERED, ALREADY_REVOKED = 74, 66
"""What a Fabric CA calls two refusals (lib/caerrors)."""


class RefusedError(NetworkError):
    """The authority refused; `reasons` are its own numbers for why."""

    def __init__(self, path: str, errors: list[dict[str, Any]], where: str) -> None:
        self.reasons = {int(each.get("code", 0)) for each in errors}
        said = "; ".join(str(each.get("message", each)) for each in errors) or "it gave no reason"
        super().__init__(
            codes.AUTHORITY_REFUSED,
            f"the certificate authority refused to {path}: {said}",
            where=where,
            hint="Its log says more; check the registrar's name, secret and rights.",
        )


class FabricCaClient(CAClient):  # type: ignore[misc]  # hfc has no types
    """The client of one CA; requests and answers are JSON objects."""

    def __init__(self, url: str, tls_root: str | None = None, ca_name: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise NetworkError(
                codes.SECRET_IN_CLEAR, "enrolment sends a secret, and this address has no TLS", where=url,
                hint="Give the authority's https address, and its TLS root.",
            )  # fmt: skip
        self.url = url
        super().__init__(target=url.rstrip("/"), ca_certs_path=tls_root, ca_name=ca_name)

    def generateAuthToken(self, req: Any, registrar: Enrollment) -> Enrollment:  # noqa: ARG002, N802  hfc's name
        """Return who asks: the token covers the path too, which only the sender knows."""
        return registrar

    def ask(self, path: str, request: dict[str, Any], registrar: Enrollment) -> dict[str, Any]:
        """Return what the authority answers to a registrar's request.

        Raises:
            NetworkError: FL1090 if it does not answer, FL1091 if it refuses.
        """
        answer, _ = self._send_ca_post(path, json=request, headers={"Authorization": registrar})
        return self.understood(lambda: dict(answer["result"]))

    def info(self) -> bytes:
        """Return the authority's chain in PEM; raises as `ask`."""
        answer, _ = self._send_ca_post("cainfo", json=self.named({}))
        return self.understood(lambda: base64.b64decode(answer["result"]["CAChain"]))

    def understood(self, read: Callable[[], T]) -> T:
        """Return what is read from an answer; FL1090 where no Fabric CA answers so."""
        try:
            return read()
        except (KeyError, TypeError, ValueError):
            message = "what answers here is no Fabric CA"
            raise NetworkError(codes.AUTHORITY_UNREACHABLE, message, where=self.url) from None

    def named(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with the name of the authority, where its server has several."""
        return {**request, "caname": self._ca_name} if self._ca_name else request

    def _send_ca_post(self, path: str, **param: Any) -> tuple[dict[str, Any], int]:
        url = self._base_url + path
        body = json.dumps(param.pop("json")).encode()
        headers = {**(param.pop("headers", None) or {}), "Content-Type": "application/json"}
        asker = headers.get("Authorization")
        if asker is not None:
            headers["Authorization"] = token("POST", urlsplit(url).path, body, asker.cert, asker.private_key)
        param["verify"] = param.get("verify") or self._ca_certs_path or True
        try:
            response = requests.post(url, data=body, headers=headers, timeout=PATIENCE_S, **param)
            answer = response.json()
        except (requests.RequestException, OSError) as error:
            kind = type(error).__name__
            raise NetworkError(
                codes.AUTHORITY_UNREACHABLE, f"the certificate authority does not answer: {kind}", where=url
            ) from None
        if not isinstance(answer, dict) or not answer.get("success"):
            errors = answer.get("errors", []) if isinstance(answer, dict) else []
            raise RefusedError(path, errors, url)
        return answer, response.status_code
