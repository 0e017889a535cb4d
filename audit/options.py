"""Options that the commands share."""

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="The run folder.", resolve_path=True)]
Blocks = Annotated[Path, typer.Option("--blocks", help="The folder of fetched blocks.")]
Work = Annotated[
    Path | None,
    typer.Option(
        "--state",
        help="Where the audit keeps its state; default below XDG_STATE_HOME, one file for each folder of blocks.",
    ),
]
Blobs = Annotated[
    list[Path] | None,
    typer.Option("--blobs", help="A folder of blobs, or of organisations' blob folders; may be given several times."),
]
Parents = Annotated[
    list[Path] | None,
    typer.Option(
        "--parent",
        help="Another channel's blocks, or a passport, of a model that a plan began from; may be given several times.",
    ),
]
Org = Annotated[str, typer.Option(envvar="FEDLEDGER_ORG", help="Whose peer to read from.")]
User = Annotated[str, typer.Option(help="Which of its users asks.")]
Chaincode = Annotated[str, typer.Option(help="The federation's chaincode.")]
Online = Annotated[bool, typer.Option("--online", help="Ask other organisations' peers for height and last hash.")]
Genesis = Annotated[str | None, typer.Option(help="The genesis block's hash, agreed on elsewhere.")]
DEFAULT_BLOCKS = Path("audit-blocks")
