"""`fedledger passport`: release a model with a proof that leaves the channel, and check one."""

from pathlib import Path
from typing import Annotated, Any

import typer

from audit.options import DEFAULT_BLOCKS
from audit.report.terminal import show as show_verdict
from audit.verify.verdict import Verdict
from fedledger_passport.envelope import Envelope
from fedledger_passport.trust import Trust
from fedledger_passport.verifying import Verified, verify
from fl_node.commands import anchoring, consortia
from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, emit_json, explained, note, out, show
from fl_node.commands.proposal import propose as submit_proposal
from fl_node.commands.releases import EXIT_REFUSED, ask_own, refusing
from fl_node.ledger.client import Ledger
from fl_node.plan.forms import TARGETS
from fl_node.release import releasing
from fl_node.release.blocks import assembled, check_blocks
from fl_node.release.evidence import ReadBlob
from fl_node.release.folder import folder_of
from fl_node.release.network_files import Network
from fl_node.release.trusted import write_trust

passport = typer.Typer(no_args_is_help=True, help="Release a model with a proof that leaves the channel; check one.")
Release = Annotated[str, typer.Argument(help="The release's id.")]
Withdrawal = Annotated[bool, typer.Option("--withdrawal", help="Its withdrawal instead.")]
Source = Annotated[
    str, typer.Option(help="FILE.py:function, the network, for files made from it. It is executed: read it before.")
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Own rows: of their hold-out such files must compute what the network does."),
]


@passport.command()
def propose(
    training: Annotated[str, typer.Argument(help="The training.")],
    release: Annotated[str, typer.Option("--release", help="The id under which it is released.")],
    org: Org,
    round_: Annotated[int, typer.Option("--round", min=0, help="Whose result; the last if not given.")] = 0,
    forms: Annotated[
        list[str] | None, typer.Option("--format", help="onnx, keras or savedmodel as well; with --source.")
    ] = None,
    source: Source = "",
    data: Data = None,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Propose to release a round's model; it counts as your own yes."""
    network = _network(source, data)
    if bool(forms) != bool(source) or set(forms or ()) - TARGETS.keys():
        raise typer.BadParameter(f"--format {', '.join(TARGETS)} and --source go together")

    async def work(ledger: Ledger, read: ReadBlob) -> dict[str, Any]:
        body = await releasing.release_body(ledger, release, training, round_, read, network, forms or ())
        return await submit_proposal(ledger, "release_model", body, f"release {training}")

    with explained(as_json=as_json):
        show(ask_own(run, org, user, work), as_json=as_json, title=f"Proposed: release {release}")


@passport.command()
def sign(
    release: Release,
    org: Org,
    withdrawal: Withdrawal = False,
    source: Source = "",
    data: Data = None,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Check a release on your own peer and from the state's blob; then sign it for your organisation."""
    about, network = releasing.WITHDRAWN if withdrawal else releasing.RELEASE, _network(source, data)

    async def work(ledger: Ledger, read: ReadBlob) -> dict[str, Any]:
        return await releasing.sign_release(ledger, release, about, read, network)

    with explained(as_json=as_json), refusing(as_json=as_json):
        found = ask_own(run, org, user, work)
        show(found, as_json=as_json, title="Signed")


def _network(source: str, data: Path | None = None) -> Network | None:
    return Network(source, data) if source else None


@passport.command("list")
def list_(org: Org, run: Run = DEFAULT_RUN, user: User = "client", as_json: Json = False) -> None:
    """List all releases."""
    with explained(as_json=as_json):
        found = ask_own(run, org, user, lambda ledger, _: ledger.everything("ListReleases"))
        show(found, as_json=as_json, title="Releases")


@passport.command()
def create(
    release: Release,
    folder: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    org: Org,
    withdrawal: Withdrawal = False,
    state: Annotated[bool, typer.Option("--state", help="The whole state too, for who trains on.")] = False,
    source: Source = "",
    run: Run = DEFAULT_RUN,
    user: User = "client",
    as_json: Json = False,
) -> None:
    """Write the passport with all signatures on the ledger; beside it the model, its card, ML-BOM and signature."""
    about = releasing.WITHDRAWN if withdrawal else releasing.RELEASE

    async def work(ledger: Ledger, read: ReadBlob) -> dict[str, Any]:
        envelope = releasing.envelope_of(await ledger.query("GetRelease", release=release), about)
        if withdrawal:
            files = {"withdrawal.json": envelope.write()}
        else:
            files = await folder_of(
                ledger, envelope, folder.resolve().name, read, with_state=state, network=_network(source)
            )
        for name, raw in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(raw)
        return {"digest": envelope.digest, "signatures": len(envelope.signatures), "files": sorted(files)}

    with explained(as_json=as_json), refusing(as_json=as_json):
        show(ask_own(run, org, user, work), as_json=as_json, title=str(folder))


@passport.command()
def assemble(
    release: Release,
    file: Annotated[Path, typer.Option("--out", help="The file to write.")],
    blocks: Annotated[Path, typer.Option("--blocks", help="The channel's blocks.")] = DEFAULT_BLOCKS,
    chaincode: Annotated[str, typer.Option(help="The federation's chaincode.")] = "fedledger",
    withdrawal: Withdrawal = False,
    as_json: Json = False,
) -> None:
    """Audit blocks, and write the passport that they hold: no peer is asked."""
    with explained(as_json=as_json), refusing(as_json=as_json):
        view = assembled(blocks, chaincode, release)
        envelope = releasing.envelope_of(view, releasing.WITHDRAWN if withdrawal else releasing.RELEASE)
        file.write_bytes(envelope.write())
        found = {"digest": envelope.digest, "signatures": len(envelope.signatures), "file": str(file)}
        show(found, as_json=as_json, title=release)


@passport.command()
def trust(
    folder: Annotated[Path, typer.Option("--out", help="The folder to write.")],
    org: Org,
    run: Run = DEFAULT_RUN,
    user: User = "client",
    as_json: Json = False,
) -> None:
    """Write the members with their authorities and revocation lists, for those who check passports."""
    with explained(as_json=as_json):
        show(ask_own(run, org, user, lambda ledger, _: write_trust(ledger, folder)), as_json=as_json, title=str(folder))


@passport.command("show")
def show_(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Print what a passport says, unchecked."""
    with explained(), refusing(as_json=False):
        emit_json(Envelope.read(file.read_bytes()).statement)


@passport.command("verify")
def verify_(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    trusted: Annotated[Path, typer.Option("--trust", help="The folder of organisations that one trusts.")],
    model: Annotated[Path | None, typer.Option("--model", help="The folder with the model's files.")] = None,
    withdrawals: Annotated[list[Path] | None, typer.Option("--withdrawal", help="A withdrawal one knows of.")] = None,
    blocks: Annotated[Path | None, typer.Option("--blocks", help="The channel's blocks: audit them as well.")] = None,
    as_json: Json = False,
) -> None:
    """Check a passport: signatures, majority, lineage; with --model the files, with --blocks the whole audit."""
    with explained(as_json=as_json), refusing(as_json=as_json):
        raw = [path.read_bytes() for path in withdrawals or ()]
        found = verify(file.read_bytes(), Trust.load(trusted), model=model, withdrawals=raw)
        verdict = check_blocks(found, blocks) if blocks else None
        _tell(found, verdict, as_json=as_json)
    if verdict is not None and not verdict.ok:
        raise typer.Exit(EXIT_REFUSED)


def _tell(found: Verified, verdict: Verdict | None, *, as_json: bool) -> None:
    if as_json:
        emit_json(found.as_json() | ({"verdict": verdict.as_json()} if verdict else {}))
        return
    if verdict is not None:
        show_verdict(verdict)
    word = "it holds" if verdict is None or verdict.ok else "its signatures hold, the audit does not"
    out.print(f"{word}: signed by {', '.join(found.signed_by)}, {len(found.signed_by)} of {found.organisations}")
    if found.unlisted:
        note(f"it says nothing of {', '.join(found.unlisted)}")


for _trusting in (consortia.recognise, consortia.distrust, consortia.consortia):
    passport.command()(_trusting)
passport.command()(consortia.bring)
for _anchoring in (anchoring.registry, anchoring.endorse, anchoring.anchor, anchoring.status):
    passport.command()(_anchoring)
passport.command()(anchoring.endorse_keys)
passport.command()(anchoring.rekey)
