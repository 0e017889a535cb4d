"""An organisation as its export shows it: its entry in the definition, its groups in the channel's configuration."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from network.devnet.genesis import organisation_group
from network.devnet.ordering import ordering_organisation
from network.export import Export, write_files
from network.importing import checked_alone
from network.topology import Organisation


def checked_export(export: Mapping[str, Any]) -> tuple[Export, Organisation]:
    """Return an export, and its organisation's entry; FL1101 to FL1103 where it does not hold."""
    return checked_alone(json.dumps(export).encode())


def read_newcomer(export: Mapping[str, Any]) -> Organisation:
    """Return an organisation's entry; FL1101 to FL1103 where its export does not hold."""
    return checked_export(export)[1]


def export_of(export: Mapping[str, Any]) -> Export:
    """Return an export; FL1101 to FL1103 where it does not hold."""
    return checked_export(export)[0]


def group_of(export: Mapping[str, Any]) -> Any:
    """Return the group that an organisation with a peer has in the channel's configuration."""
    return _group(export, organisation_group)


def ordering_group_of(export: Mapping[str, Any]) -> Any:
    """Return the group that an organisation has among those that order, without where its orderers answer."""
    return _group(export, ordering_organisation)


def _group(export: Mapping[str, Any], made: Callable[[Organisation, Path], Any]) -> Any:
    found, organisation = checked_export(export)
    with TemporaryDirectory() as folder:
        write_files(found, Path(folder))
        return made(organisation, Path(folder) / "msp")
