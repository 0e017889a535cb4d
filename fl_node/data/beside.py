"""Where the description of a data file stands. Imports nothing, so that a confined child may know it at no cost."""

from pathlib import Path
from typing import Final

NAME: Final = "data.yaml"
"""What it is called."""


def beside(data: Path) -> Path:
    """Return where the description of a file, or of a folder of part files, would stand: beside it, or in it."""
    return data / NAME if data.is_dir() else data.parent / NAME
