"""Gives memory back that a large block took: glibc keeps what lies between small pieces that are still in use."""

import asyncio
import ctypes
import gc
import os
from pathlib import Path
from typing import Final

EVERY_S: Final = 2.0
SELDOM_S: Final = 64.0
KEPT: Final = 8 << 20
"""So many bytes more than at the start are no reason to go through the heap."""
STATM: Final = Path("/proc/self/statm")


async def give_back() -> None:
    """Trim the heap of this process for as long as it is larger than at the start: soon after it grew, then seldom.

    What is freed without a trim leaves the resident size as it is, so the size alone does not tell when to trim.
    There is nothing to do without glibc's malloc_trim and /proc.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None or not STATM.exists():
        return
    enough, last, wait = _resident() + KEPT, 0, EVERY_S
    while True:
        await asyncio.sleep(wait)
        now = _resident()
        grown = now > last + KEPT
        if now > enough:
            gc.collect()  # what a finished call held, in a circle that nothing else has broken yet
            trim(0)
            last = _resident()
        wait = EVERY_S if grown or now <= enough else min(2 * wait, SELDOM_S)


def _resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
