"""One organisation's folder of content-addressed blobs, which its chaincode process reads.

`<folder>/<first two hex>/<64 hex>` is a whole, verified blob. What is arriving lies in `.parts`. What is known of each
blob, and which digest each deed of an organisation had first, is in `.index`.
"""

import contextlib
import hashlib
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from fl_node import codes
from fl_node.blobs.checked import Checked
from fl_node.blobs.earlier import opened
from fl_node.blobs.first_digest import Bindings
from fl_node.blobs.metadata import DIGEST, About, Abouts
from fl_node.errors import NodeError
from network.files import put_in_place

CHUNK: Final = 1 << 20
__all__ = ["BLOCK", "MOST_PARTS", "About", "BlobStore", "Limits"]
DISK_RESERVE: Final = 64 << 20
"""Bytes that stay free on the disk, so that a peer and a journal beside the blobs can still write."""
BLOCK: Final = 4096
ARRIVING_S: Final = 1.0
MOST_PARTS: Final = 256  # unfinished uploads of one organisation


@dataclass(frozen=True)
class Limits:
    """What a store takes.

    Attributes:
        blob: Bytes of one blob.
        organisation: Bytes of all blobs that another organisation brought; the owner's own end with the disk.
        reserve: Bytes that must stay free on the disk.
        unnamed_ms: How long a blob stays that no round and no plan of the ledger names.
    """

    blob: int = 1 << 30
    organisation: int = 8 << 30
    reserve: int = DISK_RESERVE
    unnamed_ms: int = 30 * 86_400_000


class BlobStore:
    """A folder of blobs; every method leaves it whole when the process dies in the middle."""

    def __init__(self, folder: Path, limits: Limits = Limits(), owner: str = "") -> None:
        self.folder = folder
        self.limits = limits
        self.owner = owner
        (folder / ".parts").mkdir(parents=True, exist_ok=True)
        index = opened(folder)
        self._abouts = Abouts(index)
        self.about = self._abouts.get
        self.notes = self._abouts.noted
        self.bindings = Bindings(index)
        self._used: dict[str, int] = {}
        self._checked = Checked()
        for digest, organisation in self._abouts.all():
            if (size := self.size(digest)) is not None:
                self._charge(organisation, size)

    def path(self, digest: str) -> Path:
        """Return where a blob lies or would lie.

        Raises:
            NodeError: FL4001, the digest is not 64 lower-case hex digits.
        """
        if not DIGEST.fullmatch(digest):
            raise NodeError(codes.INPUT_UNUSABLE, "a digest is 64 lower-case hex digits", where=digest[:80])
        return self.folder / digest[:2] / digest

    def size(self, digest: str) -> int | None:
        """Return a blob's length in bytes, or None if it is not here."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, digest: str) -> bytes:
        """Return a blob, its digest checked again.

        Raises:
            NodeError: FL4704 it is not here; FL4701 the disk changed it (it is then set aside, to be fetched anew).
        """
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise NodeError(codes.BLOB_MISSING, "this blob is not here", where=digest) from None
        if hashlib.sha256(data).hexdigest() != digest:
            self._set_aside(path)
            raise NodeError(codes.BLOB_DIFFERS, "the disk holds other bytes than this digest's", where=digest)
        return data

    def sound(self, digest: str) -> bool:
        """Tell whether a blob is here unaltered; one that the disk changed is set aside, to be fetched anew."""
        path = self.path(digest)
        try:
            sound = self._checked.sound(path, digest)
        except FileNotFoundError:
            return False
        if not sound:
            self._set_aside(path)
        return sound

    def put(self, data: bytes | bytearray, about: About) -> str:
        """Store the organisation's own blob and return its digest."""
        digest = hashlib.sha256(data).hexdigest()
        self.discard_part(digest, about.organisation)
        self.append(digest, 0, len(data), data, about, actual=digest)
        return digest

    def arrived(self, digest: str, organisation: str) -> int:
        """Return how many bytes of an unfinished upload are here."""
        try:
            return self._part(digest, organisation).stat().st_size
        except FileNotFoundError:
            return 0

    def arriving(self, digest: str) -> bool:
        """Tell whether another organisation is bringing a blob: some of its bytes came within `ARRIVING_S`."""
        for path in (self.folder / ".parts").glob(f"{digest}.*"):
            with contextlib.suppress(FileNotFoundError):
                if path.suffix != f".{self.owner}" and time.time() - path.stat().st_mtime < ARRIVING_S:
                    return True
        return False

    def discard_part(self, digest: str, organisation: str) -> None:
        """Forget an unfinished upload."""
        self._part(digest, organisation).unlink(missing_ok=True)

    def append(
        self, digest: str, offset: int, total: int, chunk: bytes | bytearray, about: About, actual: str = ""
    ) -> bool:
        """Add a chunk of a blob; return whether it is whole now. It goes after `limits.unnamed_ms` unless it is kept.

        Args:
            digest: SHA-256 of the whole blob.
            offset: Where the chunk starts; must be what has arrived already.
            total: The blob's length in bytes.
            chunk: The bytes.
            about: Who brings it.
            actual: The digest of all bytes, where it is known: else it is computed once they are here.

        Raises:
            NodeError: FL4702, FL4703, FL4706, FL4701 (what has arrived is then forgotten), FL4007.
        """
        if self.size(digest) is not None:
            self._arrived(digest, about)
            return True
        part = self._part(digest, about.organisation)
        self._admit(offset + len(chunk), total, about.organisation, part)
        try:
            with part.open("ab") as stream:
                if stream.tell() != offset:
                    raise NodeError(
                        codes.CHUNK_REFUSED, f"{stream.tell()} bytes have arrived, the chunk starts at {offset}"
                    )
                stream.write(chunk)
                if offset + len(chunk) < total:
                    return False
            if not actual and len(chunk) == total:
                actual = hashlib.sha256(chunk).hexdigest()
            self._finish(digest, part, about, actual)
        except OSError as error:
            raise NodeError(codes.DISK_REFUSES, f"cannot store a blob: {error.strerror}", where=str(part)) from None
        return True

    def expire(self, when_ms: int, *digests: str) -> None:
        """Let blobs go at a time in milliseconds, those that are here; their digests stay on the ledger."""
        here = [digest for digest in digests if self.size(digest) is not None]
        if here:
            self._abouts.expire(here, when_ms)

    def keep(self, *digests: str) -> None:
        """Keep blobs for good that the ledger names: plans, states, aggregates."""
        self.expire(0, *digests)

    def sweep(self, now_ms: int | None = None) -> int:
        """Delete what has expired and what lay unfinished for a day; return how many blobs went."""
        now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        gone = 0
        for digest, about in self._abouts.expired(now):
            gone += self._delete(digest, about)
        for part in (self.folder / ".parts").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime * 1000 < now - 86_400_000:
                    part.unlink()
        return gone

    def open(self, digest: str) -> BinaryIO:
        """Open a blob for reading; FileNotFoundError if it is not here."""
        return self.path(digest).open("rb")

    def _delete(self, digest: str, about: About) -> int:
        size = self.size(digest)
        self.path(digest).unlink(missing_ok=True)
        self._checked.forget(self.path(digest))
        if not about.note:  # the owner's notes outlive the bytes: they show which deeds a restored journal forgot
            self._abouts.forget(digest)
        if size is None:
            return 0
        self._charge(about.organisation, size, -1)
        return 1

    def _part(self, digest: str, organisation: str) -> Path:
        self.path(digest)
        return self.folder / ".parts" / f"{digest}.{organisation}"

    def _admit(self, end: int, total: int, organisation: str, part: Path) -> None:
        if total > self.limits.blob:
            raise NodeError(codes.BLOB_TOO_LARGE, f"{total} bytes, at most {self.limits.blob} are taken")
        if end > total:
            raise NodeError(codes.CHUNK_REFUSED, f"the chunk ends at {end} of {total} bytes")
        others = self._unfinished(organisation, part)
        if organisation != self.owner and len(others) >= MOST_PARTS:
            raise NodeError(
                codes.QUOTA_USED_UP, f"{organisation} has {len(others)} uploads unfinished", hint="Finish some first."
            )
        used = self._used.get(organisation, 0) + sum(others) + total
        if organisation != self.owner and used > self.limits.organisation:
            raise NodeError(
                codes.QUOTA_USED_UP, f"{organisation} has used its quota of {self.limits.organisation} bytes"
            )
        if shutil.disk_usage(self.folder).free - total < self.limits.reserve:
            raise NodeError(
                codes.QUOTA_USED_UP, "the disk is nearly full", where=str(self.folder), hint="Free some space."
            )

    def _charge(self, organisation: str, size: int, sign: int = 1) -> None:
        """Count a blob for a quota, or no longer: at least a block of the disk, or many tiny ones cost nothing."""
        self._used[organisation] = max(0, self._used.get(organisation, 0) + sign * max(size, BLOCK))

    def _unfinished(self, organisation: str, part: Path) -> list[int]:
        """Return the sizes of an organisation's unfinished uploads but this one: they count, or nobody would finish."""
        sizes = []
        for path in (self.folder / ".parts").glob(f"*.{organisation}"):
            with contextlib.suppress(FileNotFoundError):
                sizes.extend([path.stat().st_size] if path != part else [])
        return sizes

    def _set_aside(self, path: Path) -> None:
        path.replace(self.folder / ".parts" / f"{path.name}.damaged")

    def _finish(self, digest: str, part: Path, about: About, actual: str) -> None:
        if not actual:
            with part.open("rb") as stream:
                actual = hashlib.file_digest(stream, "sha256").hexdigest()
        if actual != digest:
            part.unlink()
            raise NodeError(codes.BLOB_DIFFERS, "the bytes do not have this digest; nothing was kept", where=digest)
        target = self.path(digest)
        target.parent.mkdir(exist_ok=True)
        self._charge(about.organisation, part.stat().st_size)
        self._arrived(digest, about)
        put_in_place(part, target)
        self._checked.note(target)

    def _arrived(self, digest: str, about: About) -> None:
        unnamed = time.time_ns() // 1_000_000 + self.limits.unnamed_ms
        self._abouts.arrived(digest, replace(about, expires_ms=about.expires_ms or unnamed))
