"""What another organisation says, read with care: it may say anything, for as long as it likes."""

import json
import os
from typing import Final

import aiohttp
from aiohttp import web

from fl_node import codes

MOST_SAID: Final = 1 << 16
"""Bytes of a refusal that are read."""


async def bounded(message: aiohttp.ClientResponse | web.Request, most: int) -> bytes | None:
    """Return a body, or None as soon as it is longer than may be: a sender's length is not to be believed."""
    data = bytearray()
    async for chunk in message.content.iter_any():
        data += chunk
        if len(data) > most:
            return None
    return bytes(data)


async def refusal(response: aiohttp.ClientResponse) -> tuple[str, str]:
    """Return the code and the message of a refusal."""
    try:
        body = json.loads(await bounded(response, MOST_SAID) or b"")
        return str(body["code"]), str(body["message"])
    except (aiohttp.ClientError, ValueError, KeyError, TypeError, RecursionError):
        return codes.BLOB_SERVICE_SILENT, f"status {response.status}"


UNKNOWN_CERTIFICATE: Final = "it shows a certificate that is not its own"


def reason(error: Exception) -> str:
    """Return in a few words why a service could not be spoken to."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):  # its number would read "Operation not permitted"
        return f"{UNKNOWN_CERTIFICATE}: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"no TLS between us: {error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
        return os.strerror(error.os_error.errno)
    return f"{type(error).__name__}: {error}"
