"""Begins one organisation's folder: whose it is, the definition, its own keys. No other organisation's are touched."""

import json
from collections.abc import Iterable
from pathlib import Path

import yaml

from network import codes
from network.ca.choice import Choices
from network.errors import NetworkError
from network.files import make_folder, write_atomically
from network.folders import OWNER, OrganisationFolder, definition_path, folder_of, owner_of
from network.identities import identities_of, organisation_in
from network.plan import Kind, Process
from network.topology import Consortium, Organisation, dump_consortium


def begin(
    folder: Path, consortium: Consortium, name: str, kind: Kind, chosen: Choices | None = None
) -> OrganisationFolder:
    """Make an organisation's folder with keys and certificates of its own; what exists stays.

    Raises:
        NetworkError: FL1010 if the definition has no such organisation, FL1100 if the folder is another's, FL1033 if it
            holds something else, and what files and authorities raise.
    """
    _require_own(folder, name)
    organisation_in(consortium, name)
    make_folder(folder, 0o700)
    write_atomically(folder / OWNER, yaml.safe_dump({"organisation": name, "network": kind}, sort_keys=False))
    write_atomically(definition_path(folder), dump_consortium(consortium))
    own = folder_of(folder, name)
    prepare(own, consortium)
    if chosen:
        chosen.write(own.secrets)
    identities_of(consortium, folder, name).create()  # last: an authority that answers by files lets it be repeated
    return own


def prepare(folder: OrganisationFolder, consortium: Consortium) -> None:
    """Write what a member's own processes read beside their configuration: the terms, and a place for blobs."""
    if consortium.organisation(folder.name).role == "member":
        make_folder(folder.blobs)
        write_atomically(folder.terms, _terms(consortium))


def here(run: Path, consortium: Consortium) -> tuple[tuple[Organisation, OrganisationFolder], ...]:
    """Return the organisations whose own folders are here, with these: one in its folder, all in a test network's."""
    owner = owner_of(run)
    return tuple((o, folder_of(run, o.name)) for o in consortium.organisations if owner in {None, o.name})


def on_this_host(consortium: Consortium, processes: Iterable[Process]) -> tuple[Process, ...]:
    """Return those of some processes that are started where their organisation's first peer is.

    Peers on other hosts of an organisation, and the chaincode processes beside them, are started there.
    """
    first = {o.name: o.peer.host for o in consortium.peer_organisations}

    def elsewhere(process: Process) -> bool:
        beside = process.service in {"peer", "chaincode"}
        return beside and process.number > 0 and process.host != first[process.organisation]

    return tuple(process for process in processes if not elsewhere(process))


def _require_own(folder: Path, name: str) -> None:
    """Check that a folder is the organisation's or new; its choice of authorities may lie in `secrets` already."""
    if owner_of(folder) is not None:
        folder_of(folder, name)
    elif folder.exists() and any(path.name not in {".lock", "secrets"} for path in folder.iterdir()):
        hint = "Choose a folder that is empty or does not exist, with --run."
        raise NetworkError(codes.NOT_A_RUN_FOLDER, "this folder holds something else", where=str(folder), hint=hint)


def _terms(consortium: Consortium) -> str:
    value = {
        "channel": consortium.channel,
        "members": sorted(member.msp_id for member in consortium.members),
        "regulators": sorted(regulator.msp_id for regulator in consortium.regulators),
        "parameters": dict(consortium.federation.parameters),
        "rules": consortium.federation.rules,
    }
    return json.dumps(value, sort_keys=True, indent=1) + "\n"
