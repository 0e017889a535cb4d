"""One attempt, one masked vector: a node tells every blob service a blob's digest before a byte of it leaves.

A node that was restored from a snapshot of its machine has forgotten what it masked, journal and blobs alike, and could
mask another vector with the same keys: whoever held both blobs would see the difference of the two vectors. The others
have not forgotten. Each keeps the first *binding* (deed, digest, the sender's own MAC) of every deed of an organisation
and answers with it; a sender that is shown another digest under its own MAC knows that it was restored. Nobody else can
make such an answer, so nobody can stop it with one (docs/decisions/0010).
"""

import contextlib
import functools
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.errors import NodeError
from network.files import create_file

ASKED: Final = "Upload-Binding"
FIRST: Final = "Upload-Bound"
"""Headers of the question (HEAD) and of its answer."""
TEXT: Final = re.compile(r"[a-z0-9./-]{1,160} [0-9a-f]{64} [0-9a-f]{64}")
MOST: Final = 4096
"""Bindings kept of one organisation; the oldest half goes when there are more."""


@dataclass(frozen=True)
class Binding:
    """What a node does once only: `deed` names attempt and participant, `digest` what it made there."""

    deed: str
    digest: str
    mark: Callable[[str], str]

    @functools.cached_property
    def text(self) -> str:
        """Return the binding as it is sent."""
        return self._marked(self.digest)

    def contradicted_by(self, answer: str) -> bool:
        """Tell whether an answer is this node's own earlier binding of the deed to another digest."""
        if not TEXT.fullmatch(answer):
            return False
        digest = answer.split(" ")[1]
        return digest != self.digest and hmac.compare_digest(answer, self._marked(digest))

    def _marked(self, digest: str) -> str:
        return f"{self.deed} {digest} {self.mark(f'{self.deed} {digest}')}"


class Bindings:
    """The first binding of every deed of every organisation, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def first(self, organisation: str, text: str) -> str:
        """Return the first binding of the text's deed that an organisation told, synced: this one if there was none.

        Raises:
            NodeError: FL4706, the text is no binding; FL4007, the disk refuses.
        """
        if not TEXT.fullmatch(text):
            raise NodeError(codes.CHUNK_REFUSED, "this is no binding", where=organisation)
        path = self._folder / organisation / hashlib.sha256(text.split(" ", maxsplit=1)[0].encode()).hexdigest()
        try:
            with contextlib.suppress(FileNotFoundError):
                return path.read_text()
            return self._keep(path, text)
        except OSError as error:
            raise NodeError(codes.DISK_REFUSES, f"cannot store: {error.strerror}", where=str(path)) from None

    def _keep(self, path: Path, text: str) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._make_room(path.parent)
        create_file(path, text)  # the first of two that come at once is the one
        return path.read_text()

    def _make_room(self, folder: Path) -> None:
        known = list(folder.iterdir())
        if len(known) >= MOST:
            for old in sorted(known, key=lambda path: path.stat().st_mtime)[: MOST // 2]:
                old.unlink(missing_ok=True)
