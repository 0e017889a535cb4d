"""Which files lie under a path, and what their folders' names say: one file, or a folder as Apache Spark writes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from fl_node import codes
from fl_node.data.beside import NAME
from fl_node.data.description import COMPRESSED, Description
from fl_node.data.errors import data_error

SUFFIXES: Final = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
"""What a file's suffix says of its format; a compressed CSV file has two, as `.csv.gz`."""

ARRAYS: Final = (".npy", ".png")
"""What rows may name; such a file holds none."""

_NO_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"


def data_files(path: Path, description: Description) -> list[Path]:
    """Return the files to read under a path, sorted; hidden ones and those of arrays are skipped.

    Raises:
        DataError: FL3101 where there is none, FL3102 for one that is neither CSV nor Parquet.
    """
    if path.is_file():
        files = [path]
    elif path.is_dir():
        files = sorted(file for file in path.rglob(description.parts or "*") if file.is_file() and _shown(file, path))
    else:
        raise data_error(codes.NO_DATA, "there is no such file or folder", str(path))
    for file in files:
        format_of(file, description)
    if not files:
        raise data_error(codes.NO_DATA, "the folder holds no part file", str(path))
    return files


def format_of(file: Path, description: Description) -> str:
    """Return `csv` or `parquet`.

    Raises:
        DataError: FL3102 where neither the file's name nor its description tells.
    """
    found = description.format or SUFFIXES.get(plain_suffix(file))
    if found is None:
        raise data_error(codes.DATA_UNREADABLE, f"neither {' nor '.join(SUFFIXES)}", str(file))
    return found


def plain_suffix(file: Path) -> str:
    """Return a file's suffix, that of its content where it is compressed."""
    return Path(file.stem).suffix if file.suffix in COMPRESSED else file.suffix


def partitions(file: Path, root: Path) -> dict[str, str]:
    """Return the columns that `name=value` folders between a file and its root add; `` is a missing value."""
    return dict(_partitions(file, root)) if root.is_dir() else {}


def _partitions(file: Path, root: Path) -> Iterator[tuple[str, str]]:
    for part in file.relative_to(root).parts[:-1]:
        name, equals, value = part.partition("=")
        if equals:
            yield unquote(name), "" if value == _NO_PARTITION else unquote(value)


def _shown(file: Path, root: Path) -> bool:
    parts = file.relative_to(root).parts
    hidden = any(part.startswith((".", "_")) for part in parts)
    return not hidden and parts != (NAME,) and file.suffix.lower() not in ARRAYS
