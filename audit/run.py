"""One run of the audit over a folder of blocks, going on where the last one ended."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from audit.blobs import gather
from audit.fetch import FetchError, fetched_height, read_blocks
from audit.models import check_models
from audit.replay import Replayer, ReplayError
from audit.state import State
from audit.story import Reader
from audit.verdict import Rule, Verdict
from audit.verify import Auditor

REPLAY_PACKAGE = "./cmd/replay"
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
    """Return where the audit of a folder of blocks keeps its state."""
    return path or folder / "audit.sqlite"


def open_state(folder: Path, path: Path | None) -> State:
    """Open the state that an earlier `verify` left; raises FetchError (FL5102) where there is none."""
    where = state_path(folder, path)
    if not where.exists():
        raise FetchError(
            "FL5102", "these blocks were not audited yet", where=str(where), hint="Run audit verify first."
        )
    return State(where)


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
    """
    if not any((folder / "blocks").glob("*/*")):
        raise FetchError("FL5103", "there are no blocks", where=str(folder), hint="Run audit fetch first.")
    where = state_path(folder, path)
    if options.fresh:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{where}{suffix}").unlink(missing_ok=True)
    with ExitStack() as stack:
        state = State(where)
        stack.callback(state.close)
        replayer = None
        if options.replay:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="audit-blobs-")))
            replayer = stack.enter_context(start_replay(state, options.chaincode, gather(options.blobs, scratch)))
        auditor = Auditor(state, chaincode=options.chaincode, pinned=options.genesis, replayer=replayer)
        read(auditor, folder, progress)
        return then(complete(auditor, state, replayer), state, replayer)


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
            check_models(verdict, state, Reader(replayer, verdict.channel))
        except (ReplayError, LookupError, TypeError, ValueError) as error:
            # The rules cannot read what others than they have written; the failures above say who wrote it where.
            verdict.unchecked_rule(Rule.LINEAGE, f"the models cannot be followed in the state committed: {error}")
    last = state.recall("rules_not_run")
    if replayer is None or last is not None:
        text = "the rules were not run again" if last is None else f"the rules were not run on all blocks up to {last}"
        verdict.unchecked_rule(Rule.REPLAY_WRITES, text)
    text = "whether later blocks exist: compare height and last hash with other organisations, online"
    verdict.unchecked_rule(Rule.HEIGHT, text)
    return verdict
