"""Follows the channel's configuration at the own peer, block by block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from network.channel_admin import ChannelAdmin
from network.connection import Profile
from network.defined import Defined
from network.directory import Believed, Followed, directory_of
from network.errors import NetworkError
from network.topology import Consortium

RETRY_S = 1.0


async def believe(user: Profile, consortium: Consortium) -> Believed:
    """Return what the channel says now; FL1060 if the own peer does not answer."""
    admin = ChannelAdmin.of(user)
    try:
        return Believed(directory_of(await admin.config(), consortium))
    finally:
        await admin.transport.close()


@asynccontextmanager
async def following(user: Profile, defined: Defined, log: Any) -> AsyncIterator[Believed]:
    """Keep what is believed as new as the own peer is, and its names as the own definition.

    Nobody is known before the first answer; while the peer is silent the last that it showed stays in force.
    """
    believed = Followed(defined)
    task = asyncio.create_task(_follow(user, believed, log))
    try:
        yield believed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(user: Profile, believed: Followed, log: Any) -> None:
    admin, silent = ChannelAdmin.of(user), False
    try:
        while True:
            try:
                async for config in admin.configurations():
                    believed.read(config)
                    silent = False
                    log.info("the channel's configuration is read", sequence=config.sequence)
            except NetworkError as error:
                if not silent:
                    log.warning("the channel's configuration is not followed", **error.as_json())
                silent = True
            await asyncio.sleep(RETRY_S)
    finally:
        await admin.transport.close()
