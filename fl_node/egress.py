"""A log of every byte that leaves the organisation: when, to whom, how many, and the digest of what."""

import hashlib
import json
import os
import time
from pathlib import Path

from fl_node.errors import NodeError


class EgressLog:
    """Appends one JSON line for each thing sent; `total` counts bytes since the node started."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a", buffering=1, encoding="utf-8")
        os.chmod(path, 0o600)  # noqa: PTH101  # the stream's own path
        self.total = 0

    def blob(self, to: str, digest: str, offset: int, length: int) -> None:
        """Note a blob or chunk that goes to an organisation's blob service; FL4007 where it cannot be noted."""
        self._write({"kind": "blob", "to": to, "digest": digest, "offset": offset, "bytes": length})

    def transaction(self, function: str, argument: bytes) -> None:
        """Note a transaction's argument, which every organisation of the channel will read."""
        digest = hashlib.sha256(argument).hexdigest()
        self._write(
            {"kind": "transaction", "to": "ledger", "function": function, "digest": digest, "bytes": len(argument)}
        )

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _write(self, entry: dict[str, str | int]) -> None:
        try:
            self._stream.write(json.dumps({"time_ms": time.time_ns() // 1_000_000, **entry}) + "\n")
        except OSError as error:
            hint = "Free some space; what cannot be logged does not leave."
            raise NodeError("FL4007", f"cannot log: {error.strerror}", where=self._stream.name, hint=hint) from None
        self.total += int(entry["bytes"])
