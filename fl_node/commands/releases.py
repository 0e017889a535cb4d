"""What the commands on passports share: the own peer's ledger, and how a passport is refused."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import typer

from fedledger_passport.codes import CATALOGUE
from fedledger_passport.errors import PassportError
from fl_node.commands.blobs import fetch
from fl_node.commands.common import emit_json
from fl_node.ledger.client import Ledger, open_ledger
from fl_node.release.evidence import ReadBlob
from network.connection import profile
from network.console import err

EXIT_REFUSED = 4
"""Exit code of a passport that does not hold, as that of an audit that found a breach."""
T = TypeVar("T")


def ask_own(run: Path, org: str, user: str, work: Callable[[Ledger, ReadBlob], Awaitable[T]]) -> T:
    """Do the work as a user of an organisation, on its own peer alone, with a reader of blobs."""

    async def read(digest: str) -> bytes:
        return await fetch(run, org, digest, user)

    async def connected() -> T:
        who = profile(run, org, user)
        async with open_ledger(who, answering=(who.msp_id,)) as ledger:
            return await work(ledger, read)

    return asyncio.run(connected())


@contextmanager
def refusing(*, as_json: bool) -> Iterator[None]:
    """Say why a passport is refused, and end with exit code 4."""
    try:
        yield
    except PassportError as error:
        hint = CATALOGUE[error.code].hint
        if as_json:
            said = {"code": error.code, "message": error.message, "where": error.where, "hint": hint}
            emit_json({"error": said})
        else:
            err.print(f"refused: {error}. {hint}".rstrip(), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(EXIT_REFUSED) from None
