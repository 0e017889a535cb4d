"""The commands `fedledger audit` (fetch, genesis, verify, report, export) and `fedledger dashboard`."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from audit.fabric.state import State
from audit.monitor.cli import anomalies
from audit.options import (
    DEFAULT_BLOCKS,
    Blobs,
    Blocks,
    Chaincode,
    Genesis,
    Online,
    Org,
    Parents,
    Run,
    User,
    Work,
)
from audit.report.dashboard.cli import dashboard
from audit.report.terminal import show
from audit.verify.replay import Replayer
from audit.verify.verdict import Verdict
from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, err, explained, note, out

__all__ = ["audit", "dashboard"]

EXIT_FAILED = 4
"""Exit code of an audit that found a breach."""
EXIT_UNCHECKED = 5
"""Exit code of an audit that found no breach and left something unchecked: with `--strict`, or where no rules ran."""
Strict = Annotated[
    bool, typer.Option("--strict", help=f"Exit code {EXIT_UNCHECKED} if nothing failed but something is unchecked.")
]

audit = typer.Typer(no_args_is_help=True, help="Audit the ledger from blocks alone.")
audit.command()(anomalies)


@audit.command()
def fetch(
    folder: Annotated[Path, typer.Option("--out", help="Where block files go.")] = DEFAULT_BLOCKS,
    run: Run = DEFAULT_RUN,
    org: Org = "regulator",
    user: User = "client",
    as_json: Json = False,
) -> None:
    """Fetch every block from genesis on from one's own peer; goes on where the last fetch ended."""
    from audit.evidence.fetch import fetch as fetch_blocks
    from audit.evidence.fetch import fetched_height
    from network.connection import profile

    with explained(as_json=as_json):
        before = fetched_height(folder)
        height = asyncio.run(fetch_blocks(profile(run, org, user), folder))
    if as_json:
        emit_json({"height": height, "new": height - before, "folder": str(folder)})
    else:
        out.print(f"{height} blocks in {folder}, {height - before} of them new")


@audit.command()
def genesis(
    org: Annotated[str, typer.Option("--org", envvar="FEDLEDGER_ORG", help="Whose own peer to ask.")],
    run: Run = DEFAULT_RUN,
    user: Annotated[str, typer.Option("--user", help="The identity that asks.")] = "admin",
    as_json: Json = False,
) -> None:
    """Show the hash of the block that an organisation's own peer joined with: what an audit is pinned to."""
    from audit.evidence.fetch import genesis_hash
    from network.connection import profile

    with explained(as_json=as_json):
        found = asyncio.run(genesis_hash(profile(run, org, user)))
    if as_json:
        emit_json({"organisation": org, "genesis_hash": found})
    else:
        out.print(found, highlight=False, soft_wrap=True)


@audit.command()
def verify(
    bundle: Annotated[Path | None, typer.Argument(help="An evidence bundle, instead of --blocks.")] = None,
    blocks: Blocks = DEFAULT_BLOCKS,
    blobs: Blobs = None,
    state: Work = None,
    genesis: Genesis = None,
    chaincode: Chaincode = "fedledger",
    replay: Annotated[bool, typer.Option(help="Run the rules again.")] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier runs of this audit.")] = False,
    parents: Parents = None,
    strict: Strict = False,
    online: Online = False,
    run: Run = DEFAULT_RUN,
    org: Org = "regulator",
    user: User = "client",
    as_json: Json = False,
) -> None:
    """Check blocks offline: hashes, signatures, policies, validation codes, rules, aggregates, lineage."""
    from audit.report.bundle import check_whole, unpack
    from audit.verify.run import Options, audited

    with (
        explained(as_json=as_json),
        tempfile.TemporaryDirectory() as scratch,
        Progress(console=err, disable=as_json) as bar,
    ):
        manifest = None
        if bundle is not None:
            manifest = unpack(bundle, Path(scratch))
            note(f"{bundle}: blocks 0 to {manifest['last_block']}")
            blocks, state = Path(scratch), Path(scratch) / "audit.sqlite"
            blobs = [*(blobs or []), *([blocks / "blobs"] if (blocks / "blobs").is_dir() else [])]
        task = bar.add_task("blocks", total=None)
        options = Options(
            chaincode=chaincode, genesis=genesis, blobs=tuple(blobs or ()), replay=replay, fresh=fresh,
            parents=tuple(parents or ()),
        )  # fmt: skip

        def finish(verdict: Verdict, book: State, _replayer: Replayer | None) -> Verdict:
            if manifest is not None:
                check_whole(verdict, manifest)
            if online:
                compare(verdict, book, run, org, user)
            return verdict

        verdict = audited(blocks, state, options, lambda n, total: bar.update(task, completed=n, total=total), finish)
    if as_json:
        emit_json(verdict.as_json())
    else:
        show(verdict)
    _exit(verdict, strict=strict)


@audit.command()
def report(
    page: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("report.html"),
    blocks: Blocks = DEFAULT_BLOCKS,
    blobs: Blobs = None,
    state: Work = None,
    genesis: Genesis = None,
    chaincode: Chaincode = "fedledger",
    parents: Parents = None,
    strict: Strict = False,
    online: Online = False,
    run: Run = DEFAULT_RUN,
    org: Org = "regulator",
    user: User = "client",
    as_json: Json = False,
) -> None:
    """Verify what is new, then write everything that happened and the verdict into one page without outside assets."""
    from audit.monitor.read import Monitor
    from audit.report.report import write
    from audit.verify.derive import Blobs as Held
    from audit.verify.run import Options, audited
    from audit.verify.story import Reader, tell

    with explained(as_json=as_json), Progress(console=err, disable=as_json) as bar:
        task = bar.add_task("blocks", total=None)
        shown, others = tuple(blobs or ()), tuple(parents or ())
        options = Options(chaincode=chaincode, genesis=genesis, blobs=shown, parents=others)

        def finish(verdict: Verdict, book: State, replayer: Replayer | None) -> Verdict:
            assert replayer is not None
            if online:
                compare(verdict, book, run, org, user)
            story = tell(Reader(replayer, verdict.channel, chaincode), book)
            write(page, story, verdict, Monitor(Held(replayer.blobs)).look(story))
            return verdict

        verdict = audited(blocks, state, options, lambda n, total: bar.update(task, completed=n, total=total), finish)
    if as_json:
        emit_json({"report": str(page), "verdict": verdict.as_json()})
    else:
        out.print(f"{page}: {verdict.height} blocks, {verdict.word}", markup=False)
    _exit(verdict, strict=strict)


def _exit(verdict: Verdict, *, strict: bool) -> None:
    """End with the verdict's exit code, 0 where it holds."""
    if not verdict.ok:
        raise typer.Exit(EXIT_FAILED)
    if not verdict.decided or (strict and verdict.unchecked):
        raise typer.Exit(EXIT_UNCHECKED)


@audit.command()
def export(
    training: Annotated[str, typer.Option(help="The training.")],
    number: Annotated[int, typer.Option("--round", min=1, help="The round to prove.")],
    bundle: Annotated[Path, typer.Option("--out", help="The bundle to write.")],
    blocks: Blocks = DEFAULT_BLOCKS,
    state: Work = None,
    blobs: Blobs = None,
    short: Annotated[bool, typer.Option("--short", help="Hashes instead of blocks: commits, does not prove.")] = False,
    as_json: Json = False,
) -> None:
    """Write the evidence of one round: all blocks from genesis to its end, in one file."""
    from audit.report.bundle import export as write_bundle
    from audit.report.bundle import final_block
    from audit.verify.run import open_state

    with explained(as_json=as_json):
        book = open_state(blocks, state)
        last = final_block(book, training, number)
        book.close()
        manifest: dict[str, Any] = write_bundle(blocks, last, bundle, blobs=tuple(blobs or ()), short=short)
    if as_json:
        emit_json({"bundle": str(bundle), "last_block": last, "genesis_hash": manifest["genesis_hash"]})
    else:
        out.print(f"{bundle}: blocks 0 to {last}, genesis {manifest['genesis_hash']}")
        if short:
            out.print("The short form fixes the blocks' hashes. It shows no vote, no signature and no sum.")


def compare(verdict: Verdict, state: State, run: Path, org: str, user: str) -> None:
    """Compare a chain's end with other organisations' peers."""
    from audit.verify.verify import recall_config
    from audit.verify.witness import ask, judge
    from network.connection import consortium_of, profile

    config = recall_config(state)
    if config is None:
        return
    witnesses = asyncio.run(ask(profile(run, org, user), consortium_of(run), config, verdict))
    judge(verdict, witnesses, org)
