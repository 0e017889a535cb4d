"""An organisation's definition after a change of the channel; no input or output."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from network import codes
from network.addresses import split
from network.allotment import free_block, peer_entry
from network.errors import NetworkError
from network.topology import Consortium, Organisation, Peer
from network.update.changes import AddOrderer, AddOrganisation, Change, MovePeers, RemoveOrderer, RemoveOrganisation
from network.update.newcomer import read_newcomer


def followed(consortium: Consortium, change: Change) -> Consortium:
    """Return the definition with a change of the channel; FL1002 if it is no consortium then."""
    organisations = consortium.organisations
    match change:
        case AddOrganisation():
            return with_organisation(consortium, read_newcomer(change.export))
        case RemoveOrganisation():
            return _of(consortium, (o for o in organisations if o.msp_id != change.organisation))
        case AddOrderer():
            return _with_orderer(consortium, read_newcomer(change.export), change.name)
        case RemoveOrderer():
            left = (_without_orderer(o, change.address) for o in organisations)
            return _of(consortium, (o for o in left if o.orderers or o.peers))
        case MovePeers():
            return _of(consortium, (_moved(o, change) for o in organisations))
    return consortium


def with_organisation(consortium: Consortium, organisation: Organisation) -> Consortium:
    """Return the definition with one more organisation; one that has it under that name stays."""
    if any(o.name == organisation.name for o in consortium.organisations):
        return consortium
    return _of(consortium, (*consortium.organisations, organisation))


def with_peer(consortium: Consortium, organisation: str, host: str = "", listen: str = "", port: int = 0) -> Consortium:
    """Return the definition in which an organisation has one peer more; FL1002 if that is no consortium.

    Args:
        consortium: The definition.
        organisation: Whose peer.
        host: What others dial; the organisation's host by default.
        listen: What it binds, where that is another.
        port: Its port; its other ports follow. By default in the first block above all ports of the definition.
    """

    def widened(each: Organisation) -> Organisation:
        if each.name != organisation:
            return each
        begins = port or free_block(consortium.base_port, (taken for _, _, taken in consortium.ports())) + 1
        bound = listen or (None if host else each.listen)
        new = _peer(each.name, len(each.peers), host=host or each.host, port=begins, listen=bound)
        return each.model_copy(update={"peers": (*each.peers, new)})

    return _of(consortium, map(widened, consortium.organisations))


def endorsement_of(consortium: Consortium, members: int) -> int:
    """Return how many of so many members endorse, by the definition."""
    return members // 2 + 1 if consortium.endorsement == "majority" else int(consortium.endorsement)


def _with_orderer(consortium: Consortium, entry: Organisation, name: str) -> Consortium:
    new = next(each for each in entry.orderers if each.name == name)
    if all(each.name != entry.name for each in consortium.organisations):
        return with_organisation(consortium, entry.model_copy(update={"orderers": (new,)}))

    def widened(each: Organisation) -> Organisation:
        if each.name != entry.name or any(orderer.name == name for orderer in each.orderers):
            return each
        return each.model_copy(update={"orderers": (*each.orderers, new)})

    return _of(consortium, map(widened, consortium.organisations))


def _without_orderer(organisation: Organisation, address: str) -> Organisation:
    left = tuple(each for each in organisation.orderers if each.address != address)
    return organisation.model_copy(update={"orderers": left})


def _moved(organisation: Organisation, change: MovePeers) -> Organisation:
    """Return an organisation with its peers where they are now; those that it has more than before come last."""
    had = organisation.peers
    if organisation.msp_id != change.organisation or len(had) > len(change.addresses):
        return organisation
    places = [dict(zip(("host", "port"), split(address), strict=True)) for address in change.addresses]
    moved = [peer.model_copy(update=place) for peer, place in zip(had, places, strict=False)]
    for number, place in enumerate(places[len(had) :], len(had)):
        moved.append(_peer(organisation.name, number, **place))
    return organisation.model_copy(update={"peers": tuple(moved)})


def _peer(organisation: str, number: int, *, host: Any, port: Any, **more: Any) -> Peer:
    try:
        return Peer.model_validate({**peer_entry(organisation, number, port), "host": host, **more})
    except ValidationError as error:
        message = f"this is no place for a peer: {error.errors(include_url=False)[0]['msg']}"
        raise NetworkError(codes.DEFINITION_INVALID, message, hint="Nothing was changed.") from None


def _of(consortium: Consortium, organisations: Iterable[Organisation]) -> Consortium:
    value: dict[str, Any] = consortium.model_dump(mode="json", exclude_none=True)
    value["organisations"] = [o.model_dump(mode="json", exclude_none=True) for o in organisations]
    try:
        return Consortium.model_validate(value)
    except ValidationError as error:
        message = f"the definition would be no consortium: {error.errors(include_url=False)[0]['msg']}"
        raise NetworkError(codes.DEFINITION_INVALID, message, hint="Nothing was changed.") from None
