"""What a node has done in each attempt, encrypted at rest and synced before the ledger can learn of it.

One file an attempt: a node never needs the secrets of one attempt in another, and deleting the file forgets them.
A record is `length (4 bytes, big-endian) ‖ nonce (12) ‖ ChaCha20-Poly1305`; its associated data is the file's name and
the record's number, so that records can be neither moved nor left out. Keys: HKDF over the key file, one for each file.
"""

import fcntl
import json
import os
import secrets
import struct
from pathlib import Path
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fl_node.errors import NodeError

MAGIC: Final = b"fedledger journal 1\n"
LABEL: Final = b"fedledger/v1/journal/"
NONCE: Final = 12
LENGTH: Final = struct.Struct(">I")
MAX_RECORD: Final = 64 << 20


class AttemptJournal:
    """The write-once records of one attempt, by kind."""

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._name = path.name.encode()
        derived = HKDF(SHA256(), 32, salt=None, info=LABEL + self._name).derive(key)
        self._cipher = ChaCha20Poly1305(derived)
        self._records: dict[str, bytes] = {}
        self._end = 0
        self._load()

    def record(self, kind: str, value: bytes) -> None:
        """Write a record and sync it; the same record again is success.

        Raises:
            NodeError: FL4202, another value of this kind is there; FL4007, the disk refuses (nothing is written).
        """
        known = self._records.get(kind)
        if known is not None:
            if known != value:
                raise NodeError("FL4202", f"another {kind} is already recorded", where=self.path.name)
            return
        self._append(json.dumps({"kind": kind, "value": value.hex()}).encode())
        self._records[kind] = value

    def get(self, kind: str) -> bytes | None:
        """Return the record of a kind, or None."""
        return self._records.get(kind)

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds recorded, in the order they were."""
        return tuple(self._records)

    def _append(self, plain: bytes) -> None:
        nonce = secrets.token_bytes(NONCE)
        sealed = self._cipher.encrypt(nonce, plain, self._aad(len(self._records)))
        try:
            new = not self.path.exists()
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                start = os.lseek(descriptor, self._end, os.SEEK_SET)
                _write_all(descriptor, (b"" if start else MAGIC) + LENGTH.pack(len(sealed)) + nonce + sealed)
                os.ftruncate(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR))
                os.fsync(descriptor)
                self._end = os.lseek(descriptor, 0, os.SEEK_CUR)
            finally:
                os.close(descriptor)
            if new:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise NodeError("FL4007", f"cannot write the journal: {error.strerror}", where=str(self.path)) from None

    def _load(self) -> None:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        if len(data) < len(MAGIC) and MAGIC.startswith(data):
            return  # the crash came within the first write, which nothing depended on yet
        if not data.startswith(MAGIC):
            raise self._damaged("this is not a journal")
        position = len(MAGIC)
        while (end := _record_end(data, position)) is not None:
            nonce, sealed = data[position + 4 : position + 4 + NONCE], data[position + 4 + NONCE : end]
            try:
                entry = json.loads(self._cipher.decrypt(nonce, sealed, self._aad(len(self._records))))
            except InvalidTag:
                raise self._damaged(f"record {len(self._records)} does not open") from None
            self._records[entry["kind"]] = bytes.fromhex(entry["value"])
            position = end
        self._end = position  # a torn last record is overwritten: it was never synced, so nothing depended on it

    def _aad(self, number: int) -> bytes:
        return self._name + b"\0" + LENGTH.pack(number)

    def _damaged(self, what: str) -> NodeError:
        hint = "The node drops out of this attempt; remove the file only when the attempt is Final or Void."
        return NodeError("FL4201", what, where=str(self.path), hint=hint)


class Journal:
    """The journals of all attempts of one node, and its small lasting facts (`facts.json`, no secrets).

    Only one process may hold it: two daemons of one organisation would mask twice.
    """

    def __init__(self, folder: Path, key_path: Path | None = None) -> None:
        """Open, creating folder and key (mode 0600) where they are missing.

        Raises:
            NodeError: FL4009, another process holds it; FL4007; FL4201, the key file is malformed.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._key = _key(key_path or folder / "journal.key")
            self._lock = (folder / "lock").open("w")
        except OSError as error:
            raise NodeError("FL4007", f"cannot open the journal: {error.strerror}", where=str(folder)) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            hint = "Stop it first; two would mask two vectors with the same keys."
            raise NodeError("FL4009", "another node daemon holds this journal", where=str(folder), hint=hint) from None
        self._open: dict[str, AttemptJournal] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.close()

    def attempt(self, training: str, round_: int, attempt: int) -> AttemptJournal:
        """Return the journal of one attempt, empty where nothing was done yet."""
        name = f"{training}.{round_}.{attempt}"
        if name not in self._open:
            self._open[name] = AttemptJournal(self.folder / f"{name}.log", self._key)
        return self._open[name]

    def forget(self, training: str, round_: int, attempt: int) -> None:
        """Delete the secrets of an attempt that is over (threats T9)."""
        name = f"{training}.{round_}.{attempt}"
        self._open.pop(name, None)
        path = self.folder / f"{name}.log"
        if path.exists():
            path.unlink()
            _sync_folder(self.folder)

    def attempts(self) -> list[tuple[str, int, int]]:
        """Return (training, round, attempt) of every journal on disk."""
        found = []
        for path in sorted(self.folder.glob("*.log")):
            training, round_, attempt = path.name.removesuffix(".log").rsplit(".", 2)
            found.append((training, int(round_), int(attempt)))
        return found

    @property
    def facts(self) -> dict[str, Any]:
        """Return the lasting facts."""
        path = self.folder / "facts.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    def keep_fact(self, name: str, value: Any) -> None:
        """Set a lasting fact, synced."""
        path = self.folder / "facts.json"
        temporary = path.with_name("facts.new")
        try:
            with temporary.open("w") as stream:
                json.dump(self.facts | {name: value}, stream)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            _sync_folder(self.folder)
        except OSError as error:
            raise NodeError("FL4007", f"cannot write: {error.strerror}", where=str(path)) from None


def _key(path: Path) -> bytes:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write_all(descriptor, secrets.token_bytes(32))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    key = path.read_bytes()
    if len(key) != 32 or path.stat().st_mode & 0o077:  # noqa: PLR2004  # bytes of a ChaCha20 key
        hint = "It holds 32 bytes and only its owner may read it (chmod 600)."
        raise NodeError("FL4201", "the journal's key file is malformed or open to others", where=str(path), hint=hint)
    return key


def _record_end(data: bytes, position: int) -> int | None:
    if position + LENGTH.size > len(data):
        return None
    (length,) = LENGTH.unpack_from(data, position)
    end: int = position + LENGTH.size + NONCE + length
    return end if end <= len(data) and length <= MAX_RECORD else None


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
