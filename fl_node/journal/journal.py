"""What a node has done in each attempt, encrypted at rest and synced before the ledger can learn of it.

One file an attempt: a node never needs the secrets of one attempt in another, and deleting the file forgets them.
What must outlive an attempt, and is no secret, is appended to `facts.log`: some hundred bytes a round. The key lies
elsewhere, so that a backup of the folder gives nothing away.
"""

import fcntl
import secrets
from pathlib import Path
from typing import Any, Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.journal.recordfile import RecordFile
from network.files import create_file, sync_folder

FACTS: Final = "facts.log"
FACTS_HINT: Final = (
    "Restore the file. Without it the node knows of earlier survivor sets only what the ledger says: move it away only "
    "while no round is open."
)
LABEL_MARK: Final = b"fedledger/v1/journal-mark"
LABEL_BEACON_PART: Final = b"fedledger/v1/journal-beacon-part"
KEY_BYTES: Final = 32


class AttemptJournal:
    """The write-once records of one attempt, by kind."""

    def __init__(self, path: Path, key: bytes) -> None:
        self.path = path
        self._file = RecordFile(path, key)
        self._records = {entry["kind"]: bytes.fromhex(entry["value"]) for entry in self._file.entries}

    def record(self, kind: str, value: bytes) -> None:
        """Write a record and sync it; the same record again is success.

        Raises:
            NodeError: FL4202, another value of this kind is there; FL4007, the disk refuses (nothing is written).
        """
        known = self._records.get(kind)
        if known is not None:
            if known != value:
                raise NodeError(codes.JOURNAL_CONFLICT, f"another {kind} is already recorded", where=self.path.name)
            return
        self._file.append({"kind": kind, "value": value.hex()})
        self._records[kind] = value

    def get(self, kind: str) -> bytes | None:
        """Return the record of a kind, or None."""
        return self._records.get(kind)

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds recorded, in the order they were."""
        return tuple(self._records)


class Journal:
    """The journals of all attempts of one node, and its lasting facts.

    Only one process may hold it: two daemons of one organisation would mask twice.
    """

    def __init__(self, folder: Path, key_path: Path) -> None:
        """Open, creating folder and key (mode 0600) where they are missing.

        Raises:
            NodeError: FL4009, another process holds it; FL4007; FL4201, the key file or the facts are damaged.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._key = _key(key_path)
            self._lock = (folder / "lock").open("w")
        except OSError as error:
            where = str(error.filename or folder)
            raise NodeError(codes.DISK_REFUSES, f"cannot open the journal: {error.strerror}", where=where) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            hint = "Stop it first; two would mask two vectors with the same keys."
            raise NodeError(
                codes.DAEMON_RUNS_ALREADY, "another node daemon holds this journal", where=str(folder), hint=hint
            ) from None
        self._open: dict[str, AttemptJournal] = {}
        try:
            self._facts = RecordFile(folder / FACTS, self._key, FACTS_HINT)
        except NodeError:
            self._lock.close()
            raise
        self._about: dict[str, list[Any]] = {}
        for entry in self._facts.entries:
            self._about.setdefault(entry["about"], []).append(entry["fact"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.close()

    def attempt(self, training: str, round_: int, attempt: int) -> AttemptJournal:
        """Return the journal of one attempt, empty where nothing was done yet."""
        return self._opened(f"{training}.{round_}.{attempt}")

    def _opened(self, name: str) -> AttemptJournal:
        if name not in self._open:
            self._open[name] = AttemptJournal(self.folder / f"{name}.log", self._key)
        return self._open[name]

    def forget(self, training: str, round_: int, attempt: int) -> None:
        """Delete the secrets of an attempt that is over (T9)."""
        self._forget(f"{training}.{round_}.{attempt}")

    def _forget(self, name: str) -> None:
        self._open.pop(name, None)
        path = self.folder / f"{name}.log"
        if path.exists():
            path.unlink()
            sync_folder(self.folder)

    def ahead(self, training: str) -> AttemptJournal:
        """Return what is laid ready for a training's next attempt, empty where nothing is.

        What cannot be read is deleted: the attempt that would need it is left, as where a journal is lost, and no other
        must wait for somebody to remove the file.
        """
        name = f"{training}.ahead"
        try:
            return self._opened(name)
        except NodeError:
            self._forget(name)
            return self._opened(name)

    def forget_ahead(self, training: str) -> None:
        """Delete what was laid ready, used or not."""
        self._forget(f"{training}.ahead")

    def attempts(self) -> list[tuple[str, int, int]]:
        """Return (training, round, attempt) of every journal on disk."""
        found = []
        for path in sorted(self.folder.glob("*.*.*.log")):
            training, round_, attempt = path.name.removesuffix(".log").rsplit(".", 2)
            found.append((training, int(round_), int(attempt)))
        return found

    def facts(self, about: str) -> list[Any]:
        """Return what is remembered about something, oldest first."""
        return list(self._about.get(about, ()))

    def remember(self, about: str, fact: Any) -> None:
        """Append a lasting fact, synced, unless it is known; FL4007 where the disk refuses."""
        if fact not in self._about.get(about, ()):
            self._facts.append({"about": about, "fact": fact})
            self._about.setdefault(about, []).append(fact)

    def mark(self, text: str) -> str:
        """Return a MAC over a text, hex: what carries it was written by a holder of this journal's key."""
        mac = HMAC(HKDF(SHA256(), KEY_BYTES, salt=None, info=LABEL_MARK).derive(self._key), SHA256())
        mac.update(text.encode())
        return mac.finalize().hex()

    def beacon_part(self, number: int) -> bytes:
        """Return this node's part of a beacon, 32 bytes: derived, so that a restart before the reveal loses nothing."""
        return HKDF(SHA256(), 32, salt=number.to_bytes(8, "big"), info=LABEL_BEACON_PART).derive(self._key)


def _key(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_file(path, secrets.token_bytes(KEY_BYTES), mode=0o600)  # of two daemons at once the first one's counts
    key = path.read_bytes()
    if len(key) != KEY_BYTES or path.stat().st_mode & 0o077:
        hint = f"It holds {KEY_BYTES} bytes and only its owner may read it (chmod 600)."
        raise NodeError(
            codes.JOURNAL_DAMAGED, "the journal's key file is malformed or open to others", where=str(path), hint=hint
        )
    return key
