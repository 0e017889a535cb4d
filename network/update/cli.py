"""The commands `fedledger network update …`: a change of the channel as a file that collects signatures."""

from pathlib import Path
from typing import Annotated

import typer

from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, explained
from network.update.options_cli import File, Org, Run, User, acting, say, say_text
from network.update.proposals_cli import propose

update = typer.Typer(
    no_args_is_help=True, help="Change the channel's configuration by a file that collects administrators' signatures."
)
update.add_typer(propose, name="propose")


@update.command()
def show(file: File, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Say what a file changes on the channel as it is now, who signed, and whose signatures are missing."""
    from dataclasses import asdict

    from network.blocking import finish
    from network.update.file import UpdateFile
    from network.update.steps import Shown, desk

    async def seen() -> Shown:
        given = UpdateFile.parse(file.read_bytes(), str(file))
        async with desk(run, acting(run, org), user, file=given) as mine:
            return mine.show(given, str(file))

    with explained(as_json=as_json):
        found = finish(seen())
    if as_json:
        emit_json(asdict(found))
        return
    lines = [f"{found.change}: {'; '.join(found.says)}"]
    lines += [f"  {place}" for place in found.places]
    if not found.in_force:
        lines.append(f"signed by {', '.join(found.signed) or 'nobody yet'}")
        lines += [f"missing: {m.count} of {', '.join(m.of)} ({m.policy})" for m in found.missing]
        lines += [] if found.missing else ["nothing is missing: a member can submit it"]
    say_text("\n".join(lines))


@update.command()
def sign(file: File, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Add your signature, if the file does what it says on the channel as it is now."""
    from network.blocking import finish
    from network.files import write_atomically
    from network.update.file import UpdateFile
    from network.update.steps import desk

    async def signed() -> UpdateFile:
        given = UpdateFile.parse(file.read_bytes(), str(file))
        async with desk(run, acting(run, org), user, file=given) as mine:
            return mine.sign(given, str(file))

    with explained(as_json=as_json):
        made = finish(signed())
        write_atomically(file, made.dump())
    say(
        {"file": str(file), "signatures": len(made.signatures)},
        f"{file} has {len(made.signatures)} signatures",
        as_json,
    )


@update.command()
def submit(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="The file, or signed copies of it.")],
    org: Org = "",
    user: User = "admin",
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Send a change that has its signatures to the channel, and bring your own definition after it."""
    from network.blocking import finish
    from network.update.file import UpdateFile
    from network.update.steps import desk, follow

    who = ""

    async def sent(copies: list[UpdateFile]) -> bool:
        async with desk(run, who, user, file=copies[0]) as mine:
            return await mine.submit(copies, str(files[0]))

    with explained(as_json=as_json):
        who = acting(run, org)
        copies = [UpdateFile.parse(file.read_bytes(), str(file)) for file in files]
        changed = finish(sent(copies))
        follow(run, who, copies[0].change)
    text = "the channel has the change" if changed else "the channel had the change already"
    say(
        {"file": str(files[0]), "changed": changed}, f"{text}; the others run `fedledger network update adopt`", as_json
    )


@update.command()
def adopt(file: File, org: Org = "", user: User = "admin", run: Run = DEFAULT_RUN, as_json: Json = False) -> None:
    """Bring your own definition after a change that the channel has, whoever submitted it."""
    from network.blocking import finish
    from network.update.file import UpdateFile
    from network.update.steps import follow, in_force

    who = ""

    async def checked(found: UpdateFile) -> None:
        await in_force(run, who, user, found.change, str(file))

    with explained(as_json=as_json):
        who = acting(run, org)
        found = UpdateFile.parse(file.read_bytes(), str(file))
        finish(checked(found))
        follow(run, who, found.change)
    say({"file": str(file)}, "your definition has the change", as_json)
