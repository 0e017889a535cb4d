"""Where a reader of events stands, kept so that a restart goes on from there."""

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_FIELDS = {"blockNumber", "transactionId"}


@dataclass(frozen=True, slots=True)
class Position:
    """The next thing to read: a block, and in it what follows a transaction.

    Attributes:
        block_number: ≥ 0; None: nothing was read yet.
        transaction_id: the last transaction read in that block; None: the block was not begun.
    """

    block_number: int | None = None
    transaction_id: str | None = None


class Checkpointer(Protocol):
    """Remembers a position; implement it over a database to commit it with what the events caused."""

    @property
    def position(self) -> Position:
        """Where to go on."""

    async def record(self, position: Position) -> None:
        """Remember that everything before the position is done."""


class InMemoryCheckpointer:
    """Remembers the position as long as the process lives."""

    def __init__(self) -> None:
        self._position = Position()

    @property
    def position(self) -> Position:
        """Where to go on."""
        return self._position

    async def record(self, position: Position) -> None:
        """Remember that everything before the position is done."""
        self._position = position


class FileCheckpointer:
    """Remembers the position in a file of two JSON fields, which the official Go, Node and Java clients read and write.

    As with them, block 0 without a transaction means that nothing was read yet.

    The file is replaced as a whole and synced before `record` returns: after a crash it holds the old position or the
    new one. One reader a file.

    Raises:
        ValueError: the file is there but is no checkpoint.
        OSError: it cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._position = _load(self._path)

    @property
    def position(self) -> Position:
        """Where to go on."""
        return self._position

    async def record(self, position: Position) -> None:
        """Remember that everything before the position is done; OSError leaves the old position standing."""
        await asyncio.to_thread(_replace, self._path, _encode(position))
        self._position = position


def _encode(position: Position) -> bytes:
    # A field without a value is left out: the Java client takes neither null nor an empty transaction for none.
    fields = {"blockNumber": position.block_number, "transactionId": position.transaction_id}
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def _load(path: Path) -> Position:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Position()
    try:
        return _decode(json.loads(raw))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no checkpoint ({error}); move it away to read from the start again") from error


def _decode(fields: Any) -> Position:
    """Return what Go ({"blockNumber":0,"transactionId":""} at first), Node (a string, {} at first) or Java wrote."""
    if not isinstance(fields, dict) or not set(fields) <= _FIELDS:
        raise ValueError("it must hold blockNumber and transactionId alone")
    block, transaction = fields.get("blockNumber"), fields.get("transactionId") or None
    if not isinstance(transaction, str | None) or isinstance(block, bool) or not isinstance(block, int | str | None):
        raise TypeError("its block number or transaction id is of another type")
    if block is None and transaction is not None:
        raise ValueError("it names a transaction and no block")
    number = int(block or 0)
    if number < 0:
        raise ValueError("its block number is negative")
    return Position(number, transaction) if number or transaction else Position()


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    # The new name itself must survive a power cut too.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
