"""Waiting for what a test is about, never for a fixed time."""

import asyncio
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 120.0
"""How long a test waits for what must come: far longer than it takes, for a busy machine may stand still."""
TURNS: Final = 100


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; TimeoutError where it does not for too long."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  # what is waited for sets no event
            await asyncio.sleep(0.001)


async def settle() -> None:
    """Let every task run as far as it can without the clock."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
