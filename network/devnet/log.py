"""One JSON line an event. The standard library suffices here, and structlog would cost each peer ten megabytes."""

import json
import sys
import time
from typing import Any


class Log:
    """Writes events with the process's name to standard output."""

    def __init__(self, process: str) -> None:
        self._process = process

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{int(time.time() % 1 * 1000):03d}Z"
        entry = {"timestamp": stamp, "level": level, "process": self._process, "event": event, **fields}
        sys.stdout.write(json.dumps(entry, default=str) + "\n")
        sys.stdout.flush()

    def info(self, event: str, **fields: Any) -> None:
        """Log what happened."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Log what is wrong and will be tried again."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Log what failed."""
        self._write("error", event, fields)
