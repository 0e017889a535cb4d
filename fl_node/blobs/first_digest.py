"""One attempt, one masked vector: a node tells every blob service a blob's digest before a byte of it leaves.

A node that was restored from a snapshot of its machine has forgotten what it masked, journal and blobs alike, and could
mask another vector with the same keys: whoever held both blobs would see the difference of the two vectors. The others
have not forgotten. Each keeps the first *binding* (deed, digest, the sender's own MAC) of every deed of an organisation
and answers with it; a sender that is shown another digest under its own MAC knows that it was restored. Nobody else can
make such an answer, so nobody can stop it with one (docs/decisions/0010).
"""

import functools
import hmac
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from fl_node import codes
from fl_node.blobs.index import Index
from fl_node.errors import NodeError

ASKED: Final = "Upload-Binding"
FIRST: Final = "Upload-Bound"
"""Headers of the question (HEAD) and of its answer."""
TEXT: Final = re.compile(r"[a-z0-9./-]{1,160} [0-9a-f]{64} [0-9a-f]{64}")
MOST: Final = 4096
ROOM_EVERY: Final = 256
"""Of one organisation the newest MOST bindings are kept; older ones go whenever ROOM_EVERY more have come, of all."""
TELL: Final = "insert or ignore into bound (organisation, deed, binding) values (?, ?, ?)"
FIND: Final = "select binding from bound where organisation = ? and deed = ?"
MAKE_ROOM: Final = """
with ranked as (
    select number, row_number() over (partition by organisation order by number desc) as place from bound)
delete from bound where number in (select number from ranked where place > ?)
"""


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
    """The first binding of every deed of every organisation."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def first(self, organisation: str, text: str) -> str:
        """Return the first binding of the text's deed that an organisation told; errors as `firsts`."""
        return self.firsts([(organisation, text)])[0]

    def firsts(self, told: Sequence[tuple[str, str]]) -> list[str]:
        """Return of each (organisation, binding) the first binding of its deed, synced: its own if there was none.

        Raises:
            NodeError: FL4706, a text is no binding; FL4007, the disk refuses.
        """
        for organisation, text in told:
            require_binding(text, organisation)
        with self._index.changing(synced=True) as database:
            return [_first(database, organisation, text) for organisation, text in told]


def require_binding(text: str, organisation: str) -> None:
    """Check that an organisation told a binding; FL4706 where it is none."""
    if not TEXT.fullmatch(text):
        raise NodeError(codes.CHUNK_REFUSED, "this is no binding", where=organisation)


def _first(database: sqlite3.Connection, organisation: str, text: str) -> str:
    """Keep a binding unless its deed has one; return the one that it has."""
    deed = text.split(" ", maxsplit=1)[0]
    told = database.execute(TELL, (organisation, deed, text))
    if told.rowcount:
        assert told.lastrowid is not None, "a row was inserted"
        if told.lastrowid % ROOM_EVERY == 0:
            database.execute(MAKE_ROOM, (MOST,))
        return text
    return str(database.execute(FIND, (organisation, deed)).fetchone()[0])
