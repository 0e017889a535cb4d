"""One run of the audit over a folder of blocks, going on where the last one ended."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from audit import codes
from audit.evidence.blobs import gather
from audit.evidence.fetch import FetchError, fetched_height, read_block, read_blocks, stored_blocks
from audit.fabric.state import State
from audit.fabric.wire import header_hash
from audit.verify.models import check_models
from audit.verify.replay import Replayer, ReplayError
from audit.verify.story import Reader
from audit.verify.verdict import Rule, Verdict
from audit.verify.verify import Auditor

REPLAY_PACKAGE = "./cmd/replay"
CHECKPOINT_VERSION = 3
"""Raised whenever the audit learns to check more: what an earlier version passed is looked at again."""
NAME_LENGTH = 32
Progress = Callable[[int, int], None]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Options:
    """What to check: `genesis` pins the first block's hash, `blobs` are folders where masked updates still lie."""

    chaincode: str = "fedledger"
    genesis: str | None = None
    blobs: tuple[Path, ...] = ()
    replay: bool = True
    fresh: bool = False


def state_path(folder: Path, path: Path | None) -> Path:
    """Return where the audit of a folder of blocks keeps its state: never in the folder, which others may have made."""
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = sha256(str(folder.resolve()).encode()).hexdigest()[:NAME_LENGTH]
    return path or home / "fedledger" / "audit" / f"{name}.sqlite"


def open_state(folder: Path, path: Path | None) -> State:
    """Open the state that an earlier `verify` left; raises FetchError (FL5102) where there is none."""
    where = state_path(folder, path)
    if not where.exists():
        raise FetchError(
            codes.NOT_AUDITED, "these blocks were not audited yet", where=str(where), hint="Run audit verify first."
        )
    with _state_errors(where):
        return State(where)


def resume(folder: Path, path: Path | None, options: Options) -> State:
    """Open the state of an earlier run, or an empty one where that run saw other blocks or asked for less."""
    where = state_path(folder, path)
    where.parent.mkdir(parents=True, exist_ok=True)
    if not options.fresh and where.exists():
        state = State(where)
        if _fits(state, folder, options):
            return state
        state.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{where}{suffix}").unlink(missing_ok=True)
    state = State(where)
    state.remember("made_for", _purpose(options))
    return state


def _purpose(options: Options) -> list[object]:
    return [CHECKPOINT_VERSION, options.chaincode, options.replay]


def _fits(state: State, folder: Path, options: Options) -> bool:
    """Whether a state was made from the folder's blocks, by the first and the last, and for what is asked now."""
    version, chaincode, replayed = state.recall("made_for", [0, "", False])
    if (version, chaincode) != (CHECKPOINT_VERSION, options.chaincode) or (options.replay and not replayed):
        return False
    height, wanted = state.recall("height", 0), {}
    if height:
        wanted = {0: state.recall("genesis_hash"), height - 1: state.recall("last_hash")}
    try:
        return all(header_hash(read_block(folder, number).header).hex() == found for number, found in wanted.items())
    except FetchError:
        return False


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
        state = resume(folder, path, options)
        stack.callback(state.close)
        replayer = None
        if options.replay:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="audit-blobs-")))
            replayer = stack.enter_context(start_replay(state, options.chaincode, gather(options.blobs, scratch)))
        auditor = Auditor(state, chaincode=options.chaincode, pinned=options.genesis, replayer=replayer)
        read(auditor, folder, progress)
        return then(complete(auditor, state, replayer), state, replayer)


@contextmanager
def _state_errors(where: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        text = f"the state of an earlier audit cannot be used: {error}"
        hint = "Another audit of these blocks may be running; else start anew with --fresh."
        raise FetchError(codes.STATE_UNUSABLE, text, where=str(where), hint=hint) from error


def read(auditor: Auditor, folder: Path, progress: Progress = lambda _a, _b: None) -> None:
    """Feed the auditor every block of a folder that it has not seen; progress is kept whatever file is damaged."""
    total = fetched_height(folder)
    try:
        for block in read_blocks(folder, start=auditor.height):
            auditor.feed(block)
            if auditor.broken:
                break
            progress(auditor.height, total)
    except FetchError:
        auditor.save()
        raise


def start_replay(state: State, chaincode: str, blobs: Path | None) -> Replayer:
    """Start the rules on the state that the audit has reached."""
    from network.build import build_chaincode  # noqa: PLC0415 - only a replay needs the Go tools

    return Replayer(build_chaincode(REPLAY_PACKAGE), state.entries(chaincode), blobs)


def complete(auditor: Auditor, state: State, replayer: Replayer | None) -> Verdict:
    """Return the verdict with what holds of the models, and with what was not checked."""
    verdict = auditor.verdict()
    if replayer is not None:
        try:
            check_models(verdict, state, Reader(replayer, verdict.channel, auditor.chaincode))
        except (ReplayError, LookupError, TypeError, ValueError) as error:
            # The rules cannot read what others than they have written; the failures above say who wrote it where.
            verdict.unchecked_rule(Rule.LINEAGE, f"the models cannot be followed in the state committed: {error}")
    last = state.recall("rules_not_run")
    if replayer is None or last is not None:
        which = "on any block" if last is None else f"on all blocks up to {last}"
        text = f"the rules were not run again {which}: no vote, draw, reward, sum or model in them was checked"
        verdict.unchecked_rule(Rule.REPLAY_WRITES, text)
    text = "whether later blocks exist: compare height and last hash with other organisations, online"
    verdict.unchecked_rule(Rule.HEIGHT, text)
    return verdict
