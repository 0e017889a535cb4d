"""The commands `fedledger ca`: an authority of one's own, and files to and from a company's."""

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Annotated

import typer

from network.checkout import DEFAULT_RUN
from network.console import Json, emit_json, explained, out

ca = typer.Typer(no_args_is_help=True, help="Run a certificate authority, or answer to one by files.")

Run = Annotated[Path, typer.Option("--run", envvar="FEDLEDGER_RUN", help="The run folder.", resolve_path=True)]
Pem = Annotated[Path | None, typer.Option(help="A PEM file.", exists=True, dir_okay=False)]
Folder = Annotated[Path, typer.Argument(help="Where the authority's key and registry lie.", resolve_path=True)]
Secret = Annotated[Path, typer.Option(help="A file with the registrar's secret.", exists=True, dir_okay=False)]


@ca.command()
def serve(
    folder: Folder,
    secret: Secret,
    registrar: Annotated[str, typer.Option(help="Who may register and revoke.")] = "admin",
    name: Annotated[str, typer.Option(help="The authority's name.")] = "",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any.")] = 7054,
    tls_certificate: Pem = None,
    tls_key: Pem = None,
) -> None:
    """Serve a certificate authority with the REST interface of a Fabric CA, until it is ended."""
    from network.ca.serving import require_tls, run

    with explained():
        require_tls(host, served=tls_certificate is not None)
        context = None
        if tls_certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(tls_certificate, tls_key)
        given = secret.read_text(encoding="utf-8").strip()
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run(folder, name, registrar, given, (host, port), context))


@ca.command("import")
def import_(
    org: Annotated[str, typer.Argument(help="An organisation, such as hospital-a.")],
    files: Annotated[list[Path], typer.Argument(help="Certificates and revocation lists.", exists=True)],
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Take certificates, their chain and revocation lists from an authority that answers by files."""
    from network.ca.answers import bring
    from network.connection import consortium_of
    from network.identities import identities_of

    with explained(as_json=as_json):
        done = bring(identities_of(consortium_of(run), run, org), files)
    if as_json:
        emit_json({"organisation": org, "answered": list(done.answered), "awaited": list(done.awaited)})
        return
    out.print(f"{len(done.answered)} requests are answered, {len(done.awaited)} wait", highlight=False)
    for each in done.awaited:
        out.print(f"  {each}", markup=False, highlight=False)


@ca.command()
def move(
    org: Annotated[str, typer.Argument(help="An organisation, such as hospital-a.")],
    to: Annotated[Path, typer.Argument(help="The folder, such as that of a medium.", resolve_path=True)],
    run: Run = DEFAULT_RUN,
    as_json: Json = False,
) -> None:
    """Move the built-in authorities' keys to a folder of their own; while it is in reach, all works as before."""
    from network.ca.moving import move as moved
    from network.folders import folder_of

    with explained(as_json=as_json):
        keys = moved(folder_of(run, org), to)
    if as_json:
        emit_json({"organisation": org, "keys": [str(key) for key in keys]})
    else:
        out.print(f"the keys of the authorities of {org} are in {to}", markup=False, highlight=False, soft_wrap=True)


@ca.command()
def token(
    org: Annotated[str, typer.Argument(help="An organisation, such as hospital-a.")],
    name: Annotated[str, typer.Argument(help="An identity that has no key yet, such as node.")],
    library: Annotated[Path, typer.Option(help="The token's PKCS#11 library.", exists=True, resolve_path=True)],
    label: Annotated[str, typer.Option(help="The token's label.")],
    run: Run = DEFAULT_RUN,
    pin_file: Annotated[Path | None, typer.Option(help="A file with the PIN.", resolve_path=True)] = None,
    pin_env: Annotated[str, typer.Option(help="The environment variable with the PIN.")] = "FEDLEDGER_PIN",
    as_json: Json = False,
) -> None:
    """Have an identity's signing key made in a PKCS#11 token, where it stays; before the identity is issued."""
    from network.ca.hsm import TokenReference, keep_in_token, require_fit
    from network.folders import folder_of

    with explained(as_json=as_json):
        require_fit(name)
        where = {"pin_file": str(pin_file)} if pin_file else {"pin_env": pin_env}
        reference = TokenReference(str(library), label, f"{name}.{org}", **where)
        keep_in_token(folder_of(run, org).user(name) / "msp" / "keystore" / "key.pem", reference)
    if as_json:
        emit_json({"organisation": org, "name": name, "token": label, "key": reference.key})
    else:
        out.print(f"the key of {name} of {org} will be {reference.key} in the token {label}", highlight=False)
