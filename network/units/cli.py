"""The command `fedledger network render`."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, explained, out

DEFAULT_FOLDER = Path("/var/lib/fedledger")
DEFAULT_PROGRAMS = Path("/opt/fedledger")


class Format(StrEnum):
    """What units are written for."""

    SYSTEMD = "systemd"
    COMPOSE = "compose"
    HELM = "helm"


def render(
    org: Annotated[str, typer.Option("--org", envvar="FEDLEDGER_ORG", help="Your organisation.")],
    target: Annotated[Path, typer.Option("--out", help="The folder to write into.")],
    form: Annotated[Format, typer.Option("--format", help="For what.")] = Format.SYSTEMD,
    run: Annotated[
        Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="Your organisation's folder here.", resolve_path=True)
    ] = DEFAULT_RUN,
    folder: Annotated[Path, typer.Option(help="Where that folder lies on your hosts.")] = DEFAULT_FOLDER,
    programs: Annotated[Path, typer.Option(help="Where the programs lie on your hosts.")] = DEFAULT_PROGRAMS,
    data: Annotated[Path | None, typer.Option(help="The rows that your node trains on, on its host.")] = None,
    participant: Annotated[str, typer.Option(help="Its id on the ledger; the organisation's name by default.")] = "",
    blobs_only: Annotated[
        bool, typer.Option("--blobs-only", help="The blob service without a node, which runs elsewhere.")
    ] = False,
    host: Annotated[str, typer.Option(help="Only what runs on this host.")] = "",
    fabric: Annotated[bool | None, typer.Option("--fabric/--devnet", help="As the network here, by default.")] = None,
    release: Annotated[str, typer.Option("--fabric-release", help="The release of your Fabric.")] = "3.1.5",
    as_json: Json = False,
) -> None:
    """Write the units of your own processes; refused where another's private key is in the folder, or one lacks."""
    version = _version(release)
    from network.build import build_chaincode
    from network.connection import consortium_of
    from network.folders import folder_of
    from network.units.model import Wishes
    from network.units.output import Rendering
    from network.units.output import render as write
    from network.units.places import Places

    with explained(as_json=as_json):
        consortium = consortium_of(run)
        kind = folder_of(run, org).kind if fabric is None else "fabric" if fabric else "devnet"
        program = build_chaincode(consortium.chaincode.package).name
        wishes = Wishes(data, participant, blobs_only, host)
        asked = Rendering(run, org, form.value, kind, Places(folder, programs), wishes, version)
        files = write(consortium, asked, program, target)
    if as_json:
        emit_json({"organisation": org, "format": form.value, "folder": str(target), "files": files})
    else:
        out.print(f"{len(files)} files in {target}", markup=False, highlight=False, soft_wrap=True)


def _version(text: str) -> tuple[int, int, int]:
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", text)
    if not found:
        raise typer.BadParameter(f"a release is named like 3.1.5, not {text!r}")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch
