"""What an update file would change, in plain words; no input or output."""

from collections.abc import Callable, Iterator
from typing import Any

from network.devnet.configtx import elements
from network.orderer_update import orderer_addresses, organisation_at
from network.update.authorities import fingerprint, read_authority, read_certificate
from network.update.changes import (
    AddAuthority,
    AddOrderer,
    AddOrganisation,
    Change,
    MovePeers,
    RemoveAuthority,
    RemoveOrderer,
    RemoveOrganisation,
    Revoke,
    RotateOrderer,
)
from network.update.members import endorsers_needed, members, role_of
from network.update.newcomer import export_of, read_newcomer

Name = Callable[[str], str]
"""An MSP id → the organisation's name, with the id where they differ."""


def sentences(change: Change, config: Any, name: Name) -> Iterator[str]:
    """Yield what a change that can be made does to a Config, in sentences."""
    match change:
        case AddOrganisation():
            entry = read_newcomer(change.export)
            where = ", ".join(peer.address for peer in entry.peers)
            yield f"adds {entry.name} ({entry.msp_id}) as a {entry.role}, with a peer at {where}"
            yield f"the fingerprint of its export is {export_of(change.export).fingerprint}"
            if entry.role == "member":
                yield _endorsement(config, len(members(config)) + 1, change.endorsement)
            yield f"the federation admits it by another vote: `proposal create admit organisation={entry.msp_id}`"
        case RemoveOrganisation():
            role = role_of(config, change.organisation)
            yield f"removes {name(change.organisation)}, a {role}: it reads and writes nothing more"
            if role == "member":
                yield _endorsement(config, len(members(config)) - 1, change.endorsement)
            vote = f"`proposal create remove organisation={change.organisation}`"
            yield f"it counts in the federation's majorities until {vote} is decided, which is better done before"
        case AddOrderer() | RemoveOrderer():
            yield from _ordering(change, config)
        case RotateOrderer():
            yield from _rotating(change, config, name)
        case _:
            yield _certificates(change, config, name)


def _ordering(change: AddOrderer | RemoveOrderer, config: Any) -> Iterator[str]:
    before = len(orderer_addresses(config))
    if isinstance(change, AddOrderer):
        found, _ = change.read()
        yield f"adds the orderer {change.name} of {found.organisation} ({found.msp_id}) at {change.consenter.address}"
        yield f"the fingerprint of its export is {found.fingerprint}"
        yield f"from then on {before + 1} orderers agree (now {before})"
        return
    yield f"removes the orderer at {change.address}"
    yield f"from then on {before - 1} orderers agree (now {before})"


def _rotating(change: RotateOrderer, config: Any, name: Name) -> Iterator[str]:
    who = name(organisation_at(config, change.address))
    yield f"the orderer of {who} at {change.address} has new certificates, until {change.ends}"
    for purpose, text in (("for blocks", change.certificate), ("for TLS", change.tls_certificate)):
        yield f"the one {purpose} has the SHA-256 {fingerprint(read_certificate(text.encode()))}"


def _certificates(change: Revoke | AddAuthority | RemoveAuthority | MovePeers, config: Any, name: Name) -> str:
    who = name(change.organisation)
    match change:
        case Revoke():
            numbers = ", ".join(f"{serial:x}" for serial in change.new(config)) or "none that were not revoked before"
            return f"{who} revokes its certificates {numbers}"
        case AddAuthority():
            authority = read_authority(change.certificate)
            called = f"{authority.subject.rfc4514_string()}, SHA-256 {fingerprint(authority)}"
            return f"{who} has one more authority for {_purpose(change.purpose)}: {called}"
        case RemoveAuthority():
            return f"{who} gives up an authority for {_purpose(change.purpose)}: SHA-256 {change.sha256}"
        case MovePeers():
            return f"the peers of {who} answer at {', '.join(change.addresses)}"


def _purpose(purpose: str) -> str:
    return {"identities": "identities", "tls": "TLS"}[purpose]


def places(config: Any, changed: Any) -> list[str]:
    """Return every place of the configuration that a change touches, as paths in Fabric's terms."""
    before, after = elements(config.channel_group), elements(changed.channel_group)
    found = []
    for key in sorted({*before, *after}, key=lambda each: (each[1], each[0])):
        path = "/" + "/".join(key[1])
        if key not in before:
            found.append(f"{path} is new")
        elif key not in after:
            found.append(f"{path} goes")
        elif key[0] != "Group" and before[key].message != after[key].message:
            found.append(f"{path} changes")
    return _outermost(found)


def _endorsement(config: Any, total: int, needed: int) -> str:
    now = f"now {endorsers_needed(config)} of {len(members(config))}"
    return f"from then on {needed} of {total} members must endorse ({now})"


def _outermost(found: list[str]) -> list[str]:
    """Leave out what lies within something that is new or goes as a whole."""
    whole = [line.rpartition(" is new")[0] or line.rpartition(" goes")[0] for line in found]
    return [line for line in found if not any(each and line.startswith(f"{each}/") for each in whole)]
