"""The command `fedledger dashboard`."""

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from audit.options import Blobs, Chaincode, Genesis, Org, Run, User
from network.checkout import DEFAULT_RUN
from network.console import explained, note

if TYPE_CHECKING:
    from ssl import SSLContext

    from audit.report.dashboard.guard import Guard
    from audit.report.dashboard.watch import Watcher


def dashboard(
    run: Run = DEFAULT_RUN,
    org: Org = "regulator",
    user: User = "client",
    blocks: Annotated[Path | None, typer.Option("--blocks", help="Where blocks are kept; default in the run.")] = None,
    blobs: Blobs = None,
    genesis: Genesis = None,
    chaincode: Chaincode = "fedledger",
    address: Annotated[str, typer.Option("--listen", help="The address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to serve on.")] = 8440,
    token_file: Annotated[Path | None, typer.Option(help="A file with the token to ask for.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="The server's certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.")] = None,
) -> None:
    """Serve read-only pages from what one's own peer's blocks say, verified and replayed as they come."""
    from audit.report.dashboard.guard import Guard, read_token, tls
    from audit.report.dashboard.watch import Watcher
    from audit.verify.run import Options
    from network.connection import profile

    with explained():
        token = read_token(token_file)
        context = tls(address, token, tls_cert, tls_key)
        options = Options(chaincode=chaincode, genesis=genesis, blobs=tuple(blobs or ()))
        watcher = Watcher(profile(run, org, user), blocks or run / "audit" / org, options)
        note(f"http{'s' if context else ''}://{address}:{port}/  (Ctrl-C ends)")
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(watcher, Guard(token), address, port, context))


async def _serve(watcher: "Watcher", guard: "Guard", address: str, port: int, context: "SSLContext | None") -> None:
    from audit.report.dashboard.app import serving

    async with serving(watcher, guard, address, port, context) as watching:
        await watching
