"""One run of the audit over a folder of blocks, going on where the last one ended."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from audit.fetch import FetchError, fetched_height, read_blocks
from audit.replay import Replayer
from audit.state import State
from audit.verdict import Finding, Rule, Verdict
from audit.verify import Auditor

REPLAY_PACKAGE = "./cmd/replay"


@dataclass(frozen=True)
class Options:
    """What to check: `genesis` pins the first block's hash, `blobs` is where masked updates still lie."""

    chaincode: str = "fedledger"
    genesis: str | None = None
    blobs: Path | None = None
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
    folder: Path, path: Path | None, options: Options, progress: Callable[[int, int], None] = lambda _a, _b: None
) -> Verdict:
    """Audit the blocks in a folder and return the verdict; raises FetchError where there are none."""
    total = fetched_height(folder)
    if not (folder / "blocks").is_dir():
        raise FetchError("FL5103", "there are no blocks", where=str(folder), hint="Run audit fetch first.")
    where = state_path(folder, path)
    if options.fresh:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{where}{suffix}").unlink(missing_ok=True)
    with ExitStack() as stack:
        state = State(where)
        stack.callback(state.close)
        replayer = stack.enter_context(_replayer(state, options)) if options.replay else None
        auditor = Auditor(state, chaincode=options.chaincode, pinned=options.genesis, replayer=replayer)
        for block in read_blocks(folder, start=auditor.height):
            if auditor.broken:
                break
            auditor.feed(block)
            progress(auditor.height, total)
        auditor.save()
        return _complete(auditor, options)


def _replayer(state: State, options: Options) -> Replayer:
    from network.build import build_chaincode  # noqa: PLC0415 - only a replay needs the Go tools

    return Replayer(build_chaincode(REPLAY_PACKAGE), state.entries(options.chaincode), options.blobs)


def _complete(auditor: Auditor, options: Options) -> Verdict:
    """Return the verdict with what no offline audit can check."""
    verdict = auditor.verdict()
    text = "whether later blocks exist: compare height and last hash with other organisations, online"
    verdict.unchecked.append(_chain(Rule.HEIGHT, text))
    if not options.replay:
        verdict.unchecked.append(_chain(Rule.REPLAY_WRITES, "the rules were not run again, as asked"))
    return verdict


def _chain(rule: Rule, text: str) -> Finding:
    return Finding(rule.value, -1, "", text)
