"""A newcomer as its export shows it: its entry in the definition, and its group in the channel's configuration."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from network.devnet.genesis import organisation_group
from network.export import Export, write_files
from network.importing import checked_alone
from network.topology import Organisation


def read_newcomer(export: Mapping[str, Any]) -> Organisation:
    """Return a newcomer's entry; FL1101 to FL1103 where its export does not hold."""
    return checked_alone(json.dumps(export).encode())[1]


def export_of(export: Mapping[str, Any]) -> Export:
    """Return a newcomer's export; FL1101 to FL1103 where it does not hold."""
    return checked_alone(json.dumps(export).encode())[0]


def group_of(export: Mapping[str, Any]) -> Any:
    """Return the group that a newcomer has in the channel's configuration."""
    found, organisation = checked_alone(json.dumps(export).encode())
    with TemporaryDirectory() as folder:
        write_files(found, Path(folder))
        return organisation_group(organisation, Path(folder) / "msp")
