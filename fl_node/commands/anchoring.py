"""`fedledger passport registry|endorse|anchor|status|endorse-keys|rekey`: passports on an EVM chain."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography import x509

from fedledger_passport.envelope import Envelope
from fedledger_passport.trust import Trust
from fedledger_passport.verifying import verify
from fl_node import codes
from fl_node.canonical import canonical_json
from fl_node.commands.common import DEFAULT_RUN, Json, Org, Run, User, explained, show
from fl_node.commands.releases import EXIT_REFUSED, ask_own, refusing
from fl_node.errors import NodeError
from fl_node.evm.endorsing import collected, endorsement
from fl_node.evm.messages import Anchored, Pair, anchor_digest, key_of, rotate_digest, withdraw_digest
from fl_node.evm.registry import Registry, Rpc
from fl_node.ledger.client import Ledger
from fl_node.release.evidence import ReadBlob
from network.connection import profile

Passport = Annotated[Path, typer.Argument(metavar="FILE", help="The passport.")]
Url = Annotated[str, typer.Option("--rpc", help="A node of the chain.")]
Address = Annotated[str, typer.Option("--registry", help="The registry's address.")]
Sender = Annotated[str, typer.Option("--from", help="The account that pays; the node, or a signer, holds its key.")]
Endorsements = Annotated[list[Path], typer.Argument(metavar="ENDORSEMENT…", help="Of more than half of them.")]
Certificates = Annotated[list[Path], typer.Option("--cert", help="A new certificate of each organisation.")]
Withdrawal = Annotated[bool, typer.Option("--withdrawal", help="Its withdrawal instead.")]


def registry(
    certificates: Annotated[list[Path], typer.Argument(metavar="CERT…", help="A certificate of each organisation.")],
    url: Url,
    sender: Sender,
    as_json: Json = False,
) -> None:
    """Put a consortium's registry on a chain, with the key of one certificate of each organisation."""
    with explained(as_json=as_json):
        made = Registry.deploy(Rpc(url), sender, _keys(certificates))
        show({"registry": made.address, "chain_id": made.place.chain_id, "keys": len(certificates)}, as_json=as_json)


def endorse(
    file: Passport,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    url: Url,
    address: Address,
    org: Org,
    withdrawal: Withdrawal = False,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Sign for your organisation that a registry takes a passport that your ledger holds, or its withdrawal."""

    async def work(ledger: Ledger, _: ReadBlob) -> dict[str, Any]:
        envelope = Envelope.read(file.read_bytes())
        view = await ledger.query("GetRelease", release=envelope.statement["predicate"]["release"])
        if canonical_json(view["statement"]) != envelope.payload or (view["withdrawal"] is None) == withdrawal:
            hint = "See `fedledger passport list`."
            raise NodeError(codes.NOT_ON_BLOCKS, "the ledger holds no such release", where=str(file), hint=hint)
        digest = _digest(Registry(Rpc(url), address), envelope, withdrawal=withdrawal)
        made = endorsement(ledger.profile.signer, ledger.profile.cert_pem, digest)
        out.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        return {"endorsed": envelope.digest, "file": str(out)}

    with explained(as_json=as_json), refusing(as_json=as_json):
        show(ask_own(run, org, user, work), as_json=as_json)


def anchor(
    file: Passport,
    endorsements: Endorsements,
    trusted: Annotated[Path, typer.Option("--trust", help="The folder of organisations that one trusts.")],
    url: Url,
    address: Address,
    sender: Sender,
    withdrawal: Withdrawal = False,
    as_json: Json = False,
) -> None:
    """Check a passport, and put it on a chain by the organisations' endorsements."""
    with explained(as_json=as_json), refusing(as_json=as_json):
        raw, known = file.read_bytes(), Registry(Rpc(url), address)
        verify(raw, Trust.load(trusted))
        envelope = Envelope.read(raw)
        signatures = collected(endorsements, _digest(known, envelope, withdrawal=withdrawal), known.keys)
        anchored = Anchored.of(envelope)
        if withdrawal:
            receipt = known.withdraw(sender, anchored.passport, signatures)
        else:
            receipt = known.anchor(sender, anchored, signatures)
        found = {"status": known.status(anchored), "transaction": receipt["transactionHash"]}
        show(found | {"gas": int(receipt["gasUsed"], 16)}, as_json=as_json)


def status(file: Passport, url: Url, address: Address, as_json: Json = False) -> None:
    """Say whether a chain has a passport: unknown, anchored or withdrawn; exit code 4 unless it is anchored."""
    with explained(as_json=as_json), refusing(as_json=as_json):
        envelope = Envelope.read(file.read_bytes())
        found = Registry(Rpc(url), address).status(Anchored.of(envelope))
        show({"passport": envelope.digest, "status": found}, as_json=as_json)
    if found != "anchored":
        raise typer.Exit(EXIT_REFUSED)


def endorse_keys(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    certificates: Certificates,
    url: Url,
    address: Address,
    org: Org,
    run: Run = DEFAULT_RUN,
    user: User = "admin",
    as_json: Json = False,
) -> None:
    """Sign for your organisation, with a key that the registry knows, that it takes other keys."""
    with explained(as_json=as_json):
        who = profile(run, org, user)
        made = endorsement(
            who.signer, who.cert_pem, rotate_digest(Registry(Rpc(url), address).place, _keys(certificates))
        )
        out.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        show({"keys": len(certificates), "file": str(out)}, as_json=as_json)


def rekey(
    endorsements: Endorsements,
    certificates: Certificates,
    url: Url,
    address: Address,
    sender: Sender,
    as_json: Json = False,
) -> None:
    """Replace a registry's keys by the endorsements of more than half of the old ones."""
    with explained(as_json=as_json):
        known, keys = Registry(Rpc(url), address), _keys(certificates)
        receipt = known.rotate(sender, keys, collected(endorsements, rotate_digest(known.place, keys), known.keys))
        show(
            {"keys": len(keys), "epoch": known.place.epoch, "transaction": receipt["transactionHash"]}, as_json=as_json
        )


def _keys(certificates: list[Path]) -> list[Pair]:
    """Return the keys of certificates in the order of a registry."""
    return sorted(key_of(x509.load_pem_x509_certificate(path.read_bytes())) for path in certificates)


def _digest(known: Registry, envelope: Envelope, *, withdrawal: bool) -> bytes:
    anchored = Anchored.of(envelope)
    return withdraw_digest(known.place, anchored.passport) if withdrawal else anchor_digest(known.place, anchored)
