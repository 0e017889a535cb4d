"""The time as the ledger counts it."""

import time
from typing import Final

DAY_MS: Final = 86_400_000


def now_ms() -> int:
    """Return the milliseconds since 1970, as this machine's clock has it."""
    return time.time_ns() // 1_000_000
