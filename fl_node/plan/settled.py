"""A Keras file in one form: the same network with the same weights gives the same bytes, whenever it is saved."""

import json
import zipfile
from pathlib import Path
from typing import Final

MOMENT: Final = (1980, 1, 1, 0, 0, 0)
"""What each entry of the archive says of its time: the earliest that ZIP can say."""
METADATA: Final = "metadata.json"


def settle(path: Path) -> None:
    """Write a .keras file again without the times at which it was made: entries by name, none compressed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in sorted(archive.namelist())}
    said = json.loads(entries[METADATA])
    said["date_saved"] = "1980-01-01@00:00:00"
    entries[METADATA] = json.dumps(said, sort_keys=True).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, raw in entries.items():
            archive.writestr(zipfile.ZipInfo(name, MOMENT), raw)
