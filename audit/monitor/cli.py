"""The command `fedledger audit anomalies`."""

from typing import Annotated, Any

import typer
from rich.progress import Progress

from audit.fabric.state import State
from audit.options import DEFAULT_BLOCKS, Blobs, Blocks, Chaincode, Genesis, Work
from audit.text import visible
from audit.verify.replay import Replayer
from audit.verify.verdict import Verdict
from network.console import Json, emit_json, err, explained, out

EXIT_FAILED = 4
"""As every audit that found a breach: nothing that such a ledger shows means anything."""


def anomalies(
    blocks: Blocks = DEFAULT_BLOCKS,
    blobs: Blobs = None,
    state: Work = None,
    genesis: Genesis = None,
    chaincode: Chaincode = "fedledger",
    training: Annotated[str, typer.Option(help="One training; all of them if not given.")] = "",
    as_json: Json = False,
) -> None:
    """Show what looks unlike the rest, with its evidence and what might be voted; it proves nothing."""
    from audit.monitor.read import Monitor
    from audit.verify.derive import Blobs as Held
    from audit.verify.run import Options, audited
    from audit.verify.story import Reader, tell

    with explained(as_json=as_json), Progress(console=err, disable=as_json) as bar:
        task = bar.add_task("blocks", total=None)
        options = Options(chaincode=chaincode, genesis=genesis, blobs=tuple(blobs or ()))

        def finish(verdict: Verdict, book: State, replayer: Replayer | None) -> tuple[Verdict, list[dict[str, Any]]]:
            assert replayer is not None
            story = tell(Reader(replayer, verdict.channel, chaincode), book)
            return verdict, Monitor(Held(replayer.blobs)).look(story)

        verdict, found = audited(
            blocks, state, options, lambda n, total: bar.update(task, completed=n, total=total), finish
        )
    found = [one for one in found if training in ("", one["training"])]
    if as_json:
        emit_json({"verdict": verdict.word, "trainings": found})
    else:
        _show(found)
    if not verdict.ok:
        raise typer.Exit(EXIT_FAILED)


def _show(found: list[dict[str, Any]]) -> None:
    for one in found:
        seen = f"{one['attempts']} attempts, {one['in_groups']} of them in groups whose sums are at hand"
        out.print(f"{visible(one['training'])}: {seen}, {len(one['flags'])} flags", markup=False, highlight=False)
        for flag in one["flags"]:
            out.print(f"  {flag['kind']}: {visible(flag['text'])}", markup=False, highlight=False)
            evidence = ", ".join(f"{where} {value:g}" for where, value in flag["evidence"].items())
            out.print(f"    evidence: {visible(evidence)}", markup=False, highlight=False)
            if flag["vote"]:
                out.print(f"    might be voted: {visible(flag['vote'])}", markup=False, highlight=False)
