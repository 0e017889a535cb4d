"""What a blob store knows of each blob: who brought it, until when it stays, which deed of the owner it was."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fl_node.blobs.index import Index

DIGEST: Final = re.compile(r"[0-9a-f]{64}")
FIELDS: Final = "select organisation, expires_ms, note from about"
VALUES: Final = "into about (digest, organisation, expires_ms, note) values (?, ?, ?, ?)"


@dataclass(frozen=True)
class About:
    """What is known of one blob; `expires_ms` 0 keeps it for good, `note` is the owner's own."""

    organisation: str
    expires_ms: int = 0
    note: str = ""


class Abouts:
    """What is known of every blob of a store; whatever it is asked or told raises FL4007 where the disk refuses."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def get(self, digest: str) -> About | None:
        """Return what is known of a blob, or None."""
        found = self._index.rows(f"{FIELDS} where digest = ?", (digest,))
        return About(*found[0]) if found else None

    def arrived(self, digest: str, about: About) -> None:
        """Note that a blob was brought: the first to bring it stays its owner, the later end counts.

        A note outlives a power cut, since it shows what a restored journal has forgotten. Of what others bring nothing
        has to: a blob of which nothing is known stays.
        """
        with self._index.changing(synced=bool(about.note)) as database:
            found = database.execute(f"{FIELDS} where digest = ?", (digest,)).fetchone()
            known = About(*found) if found else about
            ends = (known.expires_ms, about.expires_ms)
            expires_ms = 0 if 0 in ends else max(ends)
            database.execute(
                f"insert or replace {VALUES}", (digest, known.organisation, expires_ms, known.note or about.note)
            )

    def expire(self, digests: Iterable[str], when_ms: int) -> None:
        """Let blobs go at a time in milliseconds, 0 keeps them for good; both outlive a power cut."""
        with self._index.changing(synced=True) as database:
            values = ((when_ms, digest) for digest in digests)
            database.executemany("update about set expires_ms = ? where digest = ?", values)

    def forget(self, digest: str) -> None:
        """Forget what is known of a blob."""
        with self._index.changing(synced=False) as database:
            database.execute("delete from about where digest = ?", (digest,))

    def all(self) -> list[tuple[str, str]]:
        """Return digest and organisation of every blob that something is known of."""
        return [
            (digest, brought_by) for digest, brought_by in self._index.rows("select digest, organisation from about")
        ]

    def expired(self, now_ms: int) -> list[tuple[str, About]]:
        """Return every blob whose time has come."""
        query = "select digest, organisation, expires_ms, note from about where expires_ms > 0 and expires_ms <= ?"
        return [(digest, About(*about)) for digest, *about in self._index.rows(query, (now_ms,))]

    def noted(self, organisation: str) -> dict[str, str]:
        """Return note → digest of every blob that an organisation brought with a note."""
        query = "select note, digest from about where organisation = ? and note <> ''"
        return dict(self._index.rows(query, (organisation,)))
