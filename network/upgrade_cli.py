"""The commands that upgrade what runs: `network lock`, `network upgrade`, `org upgrade`, `network restart`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, explained, note, out

if TYPE_CHECKING:
    from network.upgrade import Upgraded

Run = Annotated[Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="The run folder.", resolve_path=True)]
Version = Annotated[str, typer.Option(help="What the members call the new chaincode, such as 1.1.")]
Sources = Annotated[
    Path | None,
    typer.Option(
        help="The folder of the new go.mod; this checkout's.", exists=True, file_okay=False, resolve_path=True
    ),
]


def lock(
    version: Version,
    run: Run = DEFAULT_RUN,
    to: Annotated[Path, typer.Option("--out", help="The file to write.")] = Path("package.lock"),
    sources: Sources = None,
    platform: Annotated[list[str] | None, typer.Option(help="A platform more, such as linux/arm64.")] = None,
    as_json: Json = False,
) -> None:
    """Build the chaincode to upgrade to and write its lock, which every member then builds and compares."""
    from network.files import write_atomically
    from network.package import dump_lock
    from network.upgrade import make_lock

    with explained(as_json=as_json):
        made = make_lock(run, version, sources, platform or ())
        write_atomically(to, dump_lock(made))
    if as_json:
        emit_json({"file": str(to), "package_id": made.package_id, "sequence": made.sequence})
    else:
        _print(f"{to}\n{made.package_id}, definition {made.sequence}")


def org_upgrade(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The package.lock to upgrade to.")],
    run: Run = DEFAULT_RUN,
    sources: Sources = None,
    as_json: Json = False,
) -> None:
    """Build what the lock names, run it beside the old program, install and approve; goes on where it stopped."""
    from network.connection import own_folder
    from network.package import parse_lock
    from network.upgrade import upgrade

    with explained(as_json=as_json):
        own_folder(run)
        done = upgrade(run, parse_lock(file), (lambda _: None) if as_json else note, sources)
    _say(done, as_json=as_json)


def network_upgrade(
    version: Version,
    run: Run = DEFAULT_RUN,
    sources: Sources = None,
    as_json: Json = False,
) -> None:
    """Upgrade the chaincode of a test network: every organisation does its part in turn, while it is used."""
    from network.upgrade import make_lock, upgrade

    with explained(as_json=as_json):
        made = make_lock(run, version, sources)
        done = upgrade(run, made, (lambda _: None) if as_json else note, sources)
    _say(done, as_json=as_json)


def restart(run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Restart every process here, one after another while they are used, with the programs that are found now."""
    from network.rolling import roll

    with explained(as_json=as_json):
        done = roll(run, (lambda _: None) if as_json else note)
    if as_json:
        emit_json([{"name": each.name, "seconds": round(each.seconds, 3)} for each in done])
    for each in () if as_json else done:
        _print(f"{each.name}: {each.seconds:.1f} s")


def _say(done: "Upgraded", *, as_json: bool) -> None:
    formed = done.formed
    if as_json:
        names: dict[str, Sequence[str]] = {"started": done.started, "stopped": done.stopped}
        state = {"committed": formed.committed, "approved": formed.approved, "needed": formed.needed}
        emit_json({**names, **state, "seconds": round(done.seconds, 3)})
    elif formed.committed is False:
        who = ", ".join(formed.approved) or "nobody yet"
        _print(f"approved by {who}; {formed.needed} must. Both programs run: when it is committed, run this again")
    else:
        _print(f"the new program answers; ended: {', '.join(done.stopped) or 'nothing'}")


def _print(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
