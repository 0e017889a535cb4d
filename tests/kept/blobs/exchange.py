"""A conversation of nodes with a blob service, noted as it goes over the wire: what earlier nodes say and expect."""

import contextlib
import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from aiohttp import web

from fl_node.blobs import client as blobs
from fl_node.blobs.client import BlobClient
from fl_node.blobs.first_digest import Binding
from fl_node.blobs.service import BlobService
from fl_node.errors import NodeError

OWNER: Final = "hospital-a"
ASKED: Final = ("Content-Range", "Upload-Binding")
ANSWERED: Final = ("Upload-Offset", "Upload-Bound")
DEED: Final = "first/1/1/hospital-b/commitupdate"
FIRST, SECOND, LONG, NOWHERE = (
    b"a masked vector",
    b"another one of the same attempt",
    b"in three chunks of eight",
    b"nowhere",
)
CHUNK: Final = 8


class Noting(BlobService):
    """A blob service that notes what it is asked and answers."""

    def noted_in(self, notes: list[dict[str, Any]]) -> "Noting":
        """Begin to note."""
        self._notes = notes
        return self

    def application(self) -> web.Application:
        """Return the service as an application that notes everything."""
        made = super().application()
        made.middlewares.insert(0, self._note)
        return made

    @web.middleware
    async def _note(self, request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
        body = await request.read()
        answer = await handler(request)
        text = answer.text if isinstance(answer, web.Response) and answer.content_type == "application/json" else "{}"
        self._notes.append(
            {
                "asked": f"{request.method} {request.path}",
                "headers": {name: request.headers[name] for name in ASKED if name in request.headers},
                "body": body.decode(),
                "status": answer.status,
                "answer": {name: answer.headers[name] for name in ANSWERED if name in answer.headers},
                "code": json.loads(text or "{}").get("code", ""),
            }
        )
        return answer


def digest(data: bytes) -> str:
    """Return the SHA-256 of data, hex."""
    return hashlib.sha256(data).hexdigest()


def binding(data: bytes) -> Binding:
    """Return a binding whose mark anybody can make."""
    return Binding(DEED, digest(data), lambda text: digest(text.encode()))


async def converse(member: BlobClient, regulator: BlobClient) -> None:
    """Bind and push, twice; bind another vector; push in chunks and again; read; write without the right to."""
    assert await member.healthy(OWNER)
    for data in (FIRST, FIRST, SECOND):
        with contextlib.suppress(NodeError):
            await member.spread(digest(data), data, 1, binding=binding(data))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blobs, "CHUNK", CHUNK)
        for _ in range(2):
            await member.push(OWNER, digest(LONG), LONG)
    for reader in (member, regulator):
        assert await reader.get(digest(FIRST)) == FIRST
        assert await reader.get(digest(NOWHERE)) is None
    with pytest.raises(NodeError):
        await regulator.push(OWNER, digest(SECOND), SECOND)
