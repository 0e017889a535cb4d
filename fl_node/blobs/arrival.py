"""A blob that is on its way from another organisation: it goes to the disk by chunks, and on where a try was cut."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from fl_node import codes
from fl_node.blobs.responses import MOST_SAID, bounded
from fl_node.blobs.store import About, BlobStore
from fl_node.errors import NodeError


@dataclass(frozen=True)
class Arrival:
    """A blob that `organisation` pulls into its own store."""

    store: BlobStore
    digest: str
    organisation: str

    @property
    def offset(self) -> int:
        """Return how many bytes of it are here."""
        return self.store.arrived(self.digest, self.organisation)

    async def take(self, response: aiohttp.ClientResponse, most: int, size: int) -> bool:
        """Take an answer's bytes, so many at once; return whether the blob is whole now. At most `most` are taken.

        Nothing is here any more where the bytes are not the blob's, or the source cannot go on where others stopped.

        Raises:
            aiohttp.ClientError, OSError, EOFError, TimeoutError: the source went away; what came stays.
            NodeError: FL4703, FL4706, FL4007, the own store refuses.
        """
        offset = self.offset if response.status == HTTPStatus.PARTIAL_CONTENT else 0
        if not offset:
            self.store.discard_part(self.digest, self.organisation)
        if response.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            await bounded(response, MOST_SAID)  # else the connection is closed, and the next question begins with TLS
            return False
        if response.content_length is None:
            data = await bounded(response, most - offset)
            return data is not None and await self._append(offset, offset + len(data), data)
        total, whole = offset + response.content_length, False
        while total <= most:
            chunk = await response.content.readexactly(min(size, total - offset))
            whole = await self._append(offset, total, chunk)
            offset += len(chunk)
            if whole or offset == total:
                break
        return whole

    async def _append(self, offset: int, total: int, chunk: bytes) -> bool:
        about = About(self.organisation)
        try:
            return await asyncio.to_thread(self.store.append, self.digest, offset, total, chunk, about)
        except NodeError as error:
            if error.code != codes.BLOB_DIFFERS:
                raise
            return False  # this source's bytes are not the blob; another's may be
