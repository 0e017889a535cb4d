"""One run of the audit over a folder of blocks, going on where the last one ended."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from audit import codes
from audit.evidence.blobs import gather
from audit.evidence.fetch import FetchError, fetched_height, parse_block, read_block, read_raw, stored_blocks
from audit.fabric.state import State
from audit.fabric.wire import header_hash
from audit.verify.derive import Blobs
from audit.verify.models import check_models, count_unseen
from audit.verify.parents import Abroad, Look, check_parents
from audit.verify.releases import final_is_there, release_in
from audit.verify.replay import ComparedState, Replayer, ReplayError
from audit.verify.story import Reader
from audit.verify.verdict import Unchecked, Verdict
from audit.verify.verify import Auditor, chained

REPLAY_PACKAGE = "./cmd/replay"
CHECKPOINT_VERSION = 6
"""Raised whenever the audit learns to check more: what an earlier version passed is looked at again."""
NAME_LENGTH = 32
Progress = Callable[[int, int], None]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Options:
    """What to check.

    Attributes:
        chaincode: The federation's.
        genesis: The first block's hash; None: whichever it is.
        blobs: Folders where masked updates still lie.
        replay: Whether the rules are run again.
        fresh: Whether what earlier runs found is forgotten.
        parents: Folders of other channels' blocks, or passports, of the models that plans began from.
    """

    chaincode: str = "fedledger"
    genesis: str | None = None
    blobs: tuple[Path, ...] = ()
    replay: bool = True
    fresh: bool = False
    parents: tuple[Path, ...] = ()


def state_path(folder: Path, path: Path | None) -> Path:
    """Return where the audit of a folder of blocks keeps its state: never in the folder, which others may have made."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = sha256(str(folder.resolve()).encode()).hexdigest()[:NAME_LENGTH]
    return path or home / "fedledger" / "audit" / f"{name}.sqlite"


def open_state(folder: Path, path: Path | None) -> State:
    """Open the state that an earlier `verify` left; raises FetchError (FL5102 without one, FL5107 if damaged)."""
    where = state_path(folder, path)
    if not where.exists():
        raise FetchError(
            codes.NOT_AUDITED, "these blocks were not audited yet", where=str(where), hint="Run audit verify first."
        )
    with _state_errors(where):
        state = State(where)
        _check_seal(state, where)
        return state


def _check_seal(state: State, where: Path) -> None:
    """Check that a state is as its last checkpoint left it; else closes it and raises FetchError (FL5107)."""
    if not state.sealed():
        state.close()
        raise _unusable(where, "its content is not what the audit wrote")


def resume(folder: Path, path: Path | None, options: Options, rules: Path | None) -> State:
    """Open the state of an earlier run, or an empty one where that run saw other blocks or asked for less.

    Args:
        folder: The folder of blocks.
        path: Where the state lies, None for the usual place.
        options: What to check.
        rules: The program that runs the rules, None where they are not run.

    Raises:
        FetchError: FL5107, the earlier state is damaged. It is not thrown away silently: somebody changed it.
    """
    where = state_path(folder, path)
    where.parent.mkdir(parents=True, exist_ok=True)
    purpose, earlier = [CHECKPOINT_VERSION, options.chaincode, rules.name if rules else ""], None
    if not options.fresh and where.exists():
        state = State(where)
        if state.recall("made_for", [0])[0] == CHECKPOINT_VERSION:
            _check_seal(state, where)
            if _fits(state, folder, purpose):
                return state
            earlier = _verified_before(state, folder)
        state.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{where}{suffix}").unlink(missing_ok=True)
    state = State(where)
    state.remember("made_for", purpose)
    state.remember("earlier", earlier)
    return state


def _fits(state: State, folder: Path, purpose: list[object]) -> bool:
    """Whether a state was made for what is asked now, and from exactly the bytes that the folder holds."""
    made_for = state.recall("made_for", [])
    if made_for[:-1] != purpose[:-1]:
        return False
    if purpose[-1] and (made_for != purpose or not state.compared):
        return False  # other rules decided, or none did
    digest = b""
    try:
        for number in range(state.recall("height", 0)):
            digest = chained(digest, read_raw(folder, number))
    except FetchError:
        return False
    return bool(digest.hex() == state.recall("blocks_digest", ""))


def _verified_before(state: State, folder: Path) -> list[object] | None:
    """Return number and hash of the last block that a state verified of the folder's channel, None if of another."""
    try:
        genesis = header_hash(read_block(folder, 0).header).hex()
    except FetchError:
        return None
    height, before = state.recall("height", 0), state.recall("earlier")
    if not height or state.recall("genesis_hash") != genesis:
        return None
    return before if before is not None and before[0] >= height else [height - 1, state.recall("last_hash")]


def verify_folder(
    folder: Path, path: Path | None, options: Options, progress: Progress = lambda _a, _b: None
) -> Verdict:
    """Audit the blocks in a folder and return the verdict; raises what `audited` raises."""
    return audited(folder, path, options, progress, lambda verdict, _state, _replayer: verdict)


def audited(
    folder: Path,
    path: Path | None,
    options: Options,
    progress: Progress,
    then: Callable[[Verdict, State, Replayer | None], Answer],
) -> Answer:
    """Audit the blocks in a folder and return what `then` makes of verdict, state and the running rules.

    Raises:
        FetchError: FL5103 where there are no blocks, FL5101 where a file holds none; what was read until then is kept.
            FL5107 where the state of an earlier run is damaged or in use.
    """
    if not stored_blocks(folder):
        raise FetchError(codes.NO_BLOCKS, "there are no blocks", where=str(folder), hint="Run audit fetch first.")
    with ExitStack() as stack:
        stack.enter_context(_state_errors(state_path(folder, path)))
        rules = rules_program() if options.replay else None
        state = resume(folder, path, options, rules)
        stack.callback(state.close)
        replayer = None
        if rules is not None:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="audit-blobs-")))
            compared = ComparedState.of(state, options.chaincode)
            replayer = stack.enter_context(Replayer(rules, compared, gather(options.blobs, scratch)))
        auditor = Auditor(state, chaincode=options.chaincode, pinned=options.genesis, replayer=replayer)
        read(auditor, folder, progress)
        auditor.save()
        return then(complete(auditor, state, replayer, options), state, replayer)


@contextmanager
def _state_errors(where: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _unusable(where, str(error)) from error


def _unusable(where: Path, why: str) -> FetchError:
    hint = "Another audit of these blocks may be running; else start anew with --fresh."
    return FetchError(
        codes.STATE_UNUSABLE, f"the state of an earlier audit cannot be used: {why}", where=str(where), hint=hint
    )


def read(auditor: Auditor, folder: Path, progress: Progress = lambda _a, _b: None) -> None:
    """Feed the auditor every block of a folder that it has not seen; progress is kept whatever file is damaged."""
    total = fetched_height(folder)
    try:
        for number in stored_blocks(folder):
            if number < auditor.height:
                continue
            raw = read_raw(folder, number)
            auditor.feed(parse_block(folder, number, raw), raw)
            if auditor.broken:
                break
            progress(auditor.height, total)
    except FetchError:
        auditor.save()
        raise


def rules_program() -> Path:
    """Return the program that runs the rules; its name holds a digest of their sources."""
    from network.build import build_chaincode  # noqa: PLC0415 - only a replay needs the Go tools

    return build_chaincode(REPLAY_PACKAGE)


def _looker(options: Options) -> Look:
    """Return what audits another channel's blocks as a parent asks for it."""

    def look(folder: Path, parent: dict[str, Any]) -> Abroad:
        def then(verdict: Verdict, book: State, _replayer: Replayer | None) -> Abroad:
            found = release_in(book, parent["chaincode"], parent["release"])
            final = found["statement"]["predicate"]["final"] if found else None
            return Abroad(verdict, found, final is not None and final_is_there(book, folder, final))

        others = tuple(path for path in options.parents if path != folder)
        inner = replace(options, genesis=parent["genesis"], chaincode=parent["chaincode"], parents=others, fresh=False)
        return audited(folder, None, inner, lambda _a, _b: None, then)

    return look


def complete(auditor: Auditor, state: State, replayer: Replayer | None, options: Options | None = None) -> Verdict:
    """Return the verdict with what holds of the models, and with what was not checked."""
    asked = options or Options()
    verdict = auditor.verdict()
    if replayer is None or not state.compared:
        verdict.leave(Unchecked.RULES_NOT_RUN)
    if replayer is not None:
        try:
            reader = Reader(replayer, verdict.channel, auditor.chaincode)
            check_models(verdict, state, reader, Blobs(replayer.blobs))
            if state.compared:
                check_parents(verdict, reader.items("ListPlans"), asked.parents, _looker(asked))
        except (ReplayError, LookupError, TypeError, ValueError) as error:
            # The rules cannot read what others than they have written; the failures above say who wrote it where.
            verdict.leave(Unchecked.UNREADABLE, error=error)
    count_unseen(verdict, state)
    verdict.leave(Unchecked.LATER_BLOCKS)
    return verdict
