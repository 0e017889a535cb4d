"""What a blob store knows beside the bytes: who brought a blob, until when it stays, which deed of the owner it was."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.errors import NodeError
from network.files import replace_file

DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class About:
    """What is known of one blob; `expires_ms` 0 keeps it for good, `note` is the owner's own."""

    organisation: str
    expires_ms: int = 0
    note: str = ""


class Abouts:
    """A folder with one small file for each blob."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, digest: str) -> About | None:
        """Return what is known of a blob, or None."""
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
            return About(**json.loads((self._folder / digest).read_text()))
        return None

    def set(self, digest: str, about: About) -> None:
        """Write what is known of a blob; FL4007 where the disk refuses."""
        path = self._folder / digest
        try:
            replace_file(path, json.dumps(asdict(about)))
        except OSError as error:
            raise NodeError(codes.DISK_REFUSES, f"cannot write: {error.strerror}", where=str(path)) from None

    def arrived(self, digest: str, about: About) -> None:
        """Note that a blob was brought: the first to bring it stays its owner, the later end counts."""
        known = self.get(digest)
        if known is None:
            self.set(digest, about)
            return
        ends = (known.expires_ms, about.expires_ms)
        merged = About(known.organisation, 0 if 0 in ends else max(ends), known.note or about.note)
        if merged != known:
            self.set(digest, merged)

    def forget(self, digest: str) -> None:
        """Delete what is known of a blob."""
        (self._folder / digest).unlink(missing_ok=True)

    def all(self) -> Iterator[tuple[str, About]]:
        """Yield every blob that something is known of."""
        for path in self._folder.iterdir():
            if DIGEST.fullmatch(path.name) and (about := self.get(path.name)):
                yield path.name, about
