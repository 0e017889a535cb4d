"""Reads an allow-list of operations: words under `[section]` headings, with `#` before comments."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

LIST: Final = "allowed_ops.txt"
"""The list's name in each framework's folder."""


@cache
def allowed_ops(folder: Path) -> Mapping[str, str]:
    """Reads a framework's allow-list.

    Args:
        folder: The framework's folder.

    Returns:
        Operation → the section that it stands in.
    """
    ops, section = {}, ""
    for line in (folder / LIST).read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif not line.startswith("#"):
            ops.update(dict.fromkeys(line.split(), section))
    return ops
