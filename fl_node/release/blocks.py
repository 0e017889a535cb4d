"""A passport held against a channel's blocks: the whole audit, and that these blocks hold this release."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from audit.fabric.state import State
from audit.verify.releases import final_is_there, release_in
from audit.verify.run import Options, audited
from audit.verify.verdict import Verdict
from fedledger_passport import Verified
from fedledger_passport import codes as passport_codes
from fedledger_passport.errors import PassportError
from fl_node import codes
from fl_node.canonical import canonical_json
from fl_node.errors import NodeError


def check_blocks(
    passport: Verified,
    folder: Path,
    state: Path | None = None,
    progress: Callable[[int, int], None] = lambda _a, _b: None,
) -> Verdict:
    """Audit a folder of blocks from the passport's first block on; return the verdict.

    Args:
        passport: One whose signatures hold.
        folder: The blocks.
        state: Where the audit keeps its state; None for the usual place.
        progress: Told how many blocks are read, and of how many.

    Raises:
        NodeError: FL4514, the blocks do not hold what the passport says.
        PassportError: FL6013, they hold its withdrawal.
        FetchError: there are no blocks, or a file holds none.
    """
    predicate = passport.statement["predicate"]
    options = Options(chaincode=predicate["chaincode"], genesis=predicate["genesis"])

    def then(verdict: Verdict, book: State, _replayer: object) -> Verdict:
        if verdict.ok:
            _check_release(passport, book, folder)
        return verdict

    return audited(folder, state, options, progress, then)


def assembled(folder: Path, chaincode: str, release: str, state: Path | None = None) -> dict[str, Any]:
    """Audit a folder of blocks and return a release with its signatures, as `GetRelease` would: no peer is asked.

    Args:
        folder: The blocks.
        chaincode: The federation's.
        release: The release's id.
        state: Where the audit keeps its state; None for the usual place.

    Raises:
        NodeError: FL4514, the audit does not hold, or the blocks hold no such release.
        FetchError: there are no blocks, or a file holds none.
    """

    def then(verdict: Verdict, book: State, _replayer: object) -> dict[str, Any]:
        if not verdict.ok:
            raise NodeError(codes.NOT_ON_BLOCKS, "the audit of these blocks does not hold", hint="See `audit verify`.")
        return _release(book, chaincode, release)

    return audited(folder, state, Options(chaincode=chaincode), lambda _a, _b: None, then)


def _release(book: State, chaincode: str, release: str) -> dict[str, Any]:
    """Return a release of an audited channel; raises NodeError, FL4514 where there is none."""
    view = release_in(book, chaincode, release)
    if view is None:
        raise NodeError(codes.NOT_ON_BLOCKS, "these blocks hold no such release", hint="Fetch newer blocks.")
    return view


def _check_release(passport: Verified, book: State, folder: Path) -> None:
    predicate = passport.statement["predicate"]
    final = predicate["final"]
    record = _release(book, predicate["chaincode"], predicate["release"])
    if canonical_json(record["statement"]) != canonical_json(passport.statement):
        raise NodeError(codes.NOT_ON_BLOCKS, "these blocks hold no such release: another one has its id")
    if not final_is_there(book, folder, final):
        raise NodeError(codes.NOT_ON_BLOCKS, "the round became Final elsewhere", where=f"block {final['block']}")
    if record["withdrawal"] is not None:
        raise PassportError(passport_codes.WITHDRAWN, record["withdrawal"]["predicate"]["reason"] or "by vote")
