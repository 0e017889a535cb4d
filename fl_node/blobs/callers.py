"""Who calls the blob service, and how long it may take to say what it wants to."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from aiohttp import web

from fl_node import codes
from fl_node.blobs.tls import Trust
from fl_node.errors import NodeError

UPLOAD_S: Final = 60.0
"""How long a body, a chunk or a word, may take to arrive."""
T = TypeVar("T")


def caller(request: web.Request, trust: Trust, roles: set[str]) -> str:
    """Return the organisation that calls, by its certificate.

    Raises:
        NodeError: FL4705, there is none, or its organisation has none of the roles.
    """
    connection = request.transport.get_extra_info("ssl_object") if request.transport else None
    certificate = connection.getpeercert(binary_form=True) if connection else None
    if not certificate:
        raise NodeError(codes.CALLER_REFUSED, "a client certificate is needed")
    organisation = trust.organisation(certificate)
    if trust.role(organisation) not in roles:
        raise NodeError(
            codes.CALLER_REFUSED,
            f"{organisation} may not do this",
            hint="Members write; members and regulators read.",
        )
    return organisation


async def arriving(body: Awaitable[T], what: str) -> T:
    """Return a body once it has arrived.

    Raises:
        NodeError: FL4706, it took too long.
    """
    try:
        async with asyncio.timeout(UPLOAD_S):
            return await body
    except TimeoutError:
        raise NodeError(codes.CHUNK_REFUSED, f"the {what} did not arrive within {UPLOAD_S:g} s") from None
