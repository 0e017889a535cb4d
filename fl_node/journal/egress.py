"""A log of every byte that leaves the organisation: when, to whom, how many, and the digest of what."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fl_node import codes
from fl_node.clock import now_ms
from fl_node.errors import NodeError
from fl_node.journal.recordfile import write_all


class EgressLog:
    """Appends one JSON line for each thing sent and counts its bytes; whoever keeps logs may move the file away."""

    def __init__(self, path: Path, count: Callable[[float], None] = lambda _: None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._count = count

    def blob(self, to: str, digest: str, offset: int, length: int) -> None:
        """Note a blob or chunk that goes to an organisation's blob service; FL4007 where it cannot be noted."""
        self._write({"kind": "blob", "to": to, "digest": digest, "offset": offset, "bytes": length})

    def blobs(self, to: str, sent: Iterable[bytes]) -> None:
        """Note blobs that go to an organisation's blob service in one request; FL4007 where it cannot be noted."""
        digests = {hashlib.sha256(blob).hexdigest(): len(blob) for blob in sent}
        self._write({"kind": "blobs", "to": to, "digests": list(digests), "bytes": sum(digests.values())})

    def binding(self, to: str, text: str) -> None:
        """Note the announcement of a blob (blobs.first_digest)."""
        self._told("binding", to, text.encode())

    def query(self, to: str, function: str, argument: bytes) -> None:
        """Note what another organisation's peer is asked."""
        self._told("query", to, argument, function)

    def transaction(self, function: str, argument: bytes) -> None:
        """Note a transaction's argument, which every organisation of the channel will read."""
        self._told("transaction", "ledger", argument, function)

    def word(self, to: str, function: str, proposal: bytes) -> None:
        """Note a signed proposal handed to an organisation, which puts it onto the ledger (blobs.handing)."""
        self._told("word", to, proposal, function)

    def _told(self, kind: str, to: str, what: bytes, function: str = "") -> None:
        named = {"function": function} if function else {}
        self._write({"kind": kind, "to": to, **named, "digest": hashlib.sha256(what).hexdigest(), "bytes": len(what)})

    def _write(self, entry: dict[str, Any]) -> None:
        line = json.dumps({"time_ms": now_ms(), **entry}).encode() + b"\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _append(descriptor, line)
            finally:
                os.close(descriptor)
        except OSError as error:
            hint = "Free some space; what cannot be logged does not leave."
            raise NodeError(
                codes.DISK_REFUSES, f"cannot log: {error.strerror}", where=str(self._path), hint=hint
            ) from None
        self._count(int(entry["bytes"]))


def _append(descriptor: int, line: bytes) -> None:
    """Write a whole line or, where the disk is full, nothing of it."""
    end = os.fstat(descriptor).st_size
    try:
        write_all(descriptor, line)
    except OSError:
        os.ftruncate(descriptor, end)
        raise
