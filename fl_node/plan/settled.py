"""A Keras file in one form: the same network with the same weights gives the same bytes, in whatever process."""

import json
import zipfile
from pathlib import Path
from typing import Any, Final

MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""What each entry of the archive says of its time: the earliest that ZIP can say."""
METADATA, CONFIG = "metadata.json", "config.json"
SHARED: Final = "shared_object_id"
"""What Keras 3 calls an object's address in memory, which differs from process to process."""


def settle(path: Path) -> None:
    """Write a .keras file again without times and addresses: entries by name, none compressed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in sorted(archive.namelist())}
    said = json.loads(entries[METADATA]) | {"date_saved": "1980-01-01@00:00:00"}
    entries[METADATA] = json.dumps(said, sort_keys=True).encode()
    entries[CONFIG] = json.dumps(_numbered(json.loads(entries[CONFIG]), {})).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, raw in entries.items():
            archive.writestr(zipfile.ZipInfo(name, MOMENT), raw)


def _numbered(value: Any, known: dict[Any, int]) -> Any:
    """Return a configuration whose shared objects are numbered from 1, in the order in which they are met."""
    if isinstance(value, dict):
        return {
            key: known.setdefault(one, len(known) + 1) if key == SHARED and one is not None else _numbered(one, known)
            for key, one in value.items()
        }
    return [_numbered(one, known) for one in value] if isinstance(value, list) else value
