"""An append-only file of encrypted records, whole after any crash.

A record is `length (4 bytes, big-endian) ‖ nonce (12) ‖ ChaCha20-Poly1305`; its associated data is the file's name and
the record's number, so that records can be neither changed nor moved nor left out of the middle. Each file has a key of
its own: HKDF-SHA256 of the journal's key over the file's name.
"""

import json
import os
import secrets
import struct
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fl_node import codes
from fl_node.errors import NodeError
from network.files import sync_folder

MAGIC: Final = b"fedledger journal 1\n"
LABEL: Final = b"fedledger/v1/journal/"
NONCE: Final = 12
TAG: Final = 16
LENGTH: Final = struct.Struct(">I")
MAX_RECORD: Final = 64 << 20
HINT: Final = "The node drops out of this attempt; remove the file only when the attempt is Final or Void."


class RecordFile:
    """Records of JSON, in the order in which they were appended."""

    def __init__(self, path: Path, key: bytes, hint: str = HINT) -> None:
        """Read what is there.

        Raises:
            NodeError: FL4201, a record does not open; `hint` says what to do then.
        """
        self.path = path
        self.entries: list[dict[str, Any]] = []
        self._hint = hint
        self._name = path.name.encode()
        self._cipher = ChaCha20Poly1305(HKDF(SHA256(), 32, salt=None, info=LABEL + self._name).derive(key))
        self._end = 0
        self._load()

    def append(self, entry: dict[str, Any]) -> None:
        """Write a record and sync it.

        Raises:
            NodeError: FL4007, the disk refuses; nothing counts as written.
        """
        nonce = secrets.token_bytes(NONCE)
        sealed = self._cipher.encrypt(nonce, json.dumps(entry).encode(), self._aad(len(self.entries)))
        try:
            self._write(LENGTH.pack(len(sealed)) + nonce + sealed)
        except OSError as error:
            hint = "Free some space; the node tries again."
            raise NodeError(
                codes.DISK_REFUSES, f"cannot write the journal: {error.strerror}", where=str(self.path), hint=hint
            ) from None
        self.entries.append(entry)

    def _write(self, record: bytes) -> None:
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            start = os.lseek(descriptor, self._end, os.SEEK_SET)
            write_all(descriptor, (b"" if start else MAGIC) + record)
            end = os.lseek(descriptor, 0, os.SEEK_CUR)
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)
            self._end = end
        finally:
            os.close(descriptor)
        if new:
            sync_folder(self.path.parent)

    def _load(self) -> None:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        if MAGIC.startswith(data.rstrip(b"\0")):
            return  # the crash came within the first write, which nothing depended on yet
        if not data.startswith(MAGIC):
            raise self._damaged("this is not a journal")
        position = len(MAGIC)
        while (end := _record_end(data, position)) is not None:
            nonce, sealed = data[position + 4 : position + 4 + NONCE], data[position + 4 + NONCE : end]
            try:
                entry = json.loads(self._cipher.decrypt(nonce, sealed, self._aad(len(self.entries))))
            except InvalidTag:
                if not any(data[-TAG:]):
                    break  # a power cut: the file has its length, its last record never had its end
                raise self._damaged(f"record {len(self.entries)} does not open") from None
            self.entries.append(entry)
            position = end
        self._end = position  # a torn last record is overwritten: it was never synced, so nothing depended on it

    def _aad(self, number: int) -> bytes:
        return self._name + b"\0" + LENGTH.pack(number)

    def _damaged(self, what: str) -> NodeError:
        return NodeError(codes.JOURNAL_DAMAGED, what, where=str(self.path), hint=self._hint)


def _record_end(data: bytes, position: int) -> int | None:
    if position + LENGTH.size > len(data):
        return None
    (length,) = LENGTH.unpack_from(data, position)
    end: int = position + LENGTH.size + NONCE + length
    return end if end <= len(data) and length <= MAX_RECORD else None


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however often the system takes only a part."""
    while data:
        data = data[os.write(descriptor, data) :]
