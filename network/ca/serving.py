"""Runs the embedded authority as a process of its own."""

import asyncio
import ssl
from pathlib import Path

from network import codes
from network.ca.embedded import EmbeddedCa
from network.ca.server import application, serve
from network.ca.tokens import LOOPBACK
from network.console import note
from network.errors import NetworkError


def require_tls(host: str, *, served: bool) -> None:
    """Check that secrets travel under TLS wherever they leave the machine; FL1092 if not."""
    if host not in LOOPBACK and not served:
        hint = "Give --tls-certificate and --tls-key, or listen on 127.0.0.1."
        raise NetworkError(
            codes.SECRET_IN_CLEAR, "enrolment brings secrets, and there is no TLS", where=host, hint=hint
        )


async def run(
    folder: Path, name: str, registrar: str, secret: str, address: tuple[str, int], context: ssl.SSLContext | None
) -> None:
    """Serve the authority of a folder until the task is cancelled."""
    authority = EmbeddedCa.open(folder, name, registrar, secret)
    runner = await serve(application({name: authority}), *address, context)
    try:
        scheme = "https" if context else "http"
        note(f"the authority answers at {scheme}://{address[0]}:{runner.addresses[0][1]}")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
