"""Deals one's own rows to shares, as if they were several members': to try a plan on. Values stay as they stand."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from fl_node import codes
from fl_node.data.batches import BATCH_ROWS, arrays_of
from fl_node.data.beside import NAME
from fl_node.data.description import Description, described
from fl_node.data.errors import data_error
from fl_node.data.files import ARRAYS, data_files, partitions
from fl_node.data.raw import is_text
from fl_node.data.schema import Schema

SEED: Final = 20_261_129


def deal_rows(data: Path, schema: Schema, shares: int, folder: Path) -> list[Path]:
    """Writes the schema's columns of all rows as shares of one size, each row into one of them, the same each time.

    Rows of time series go by series; of a single series each share gets successive rows of the file.

    Args:
        data: A file or folder, as `read_rows` takes it.
        schema: What the rows look like.
        shares: How many, ≥ 1.
        folder: Where a folder is made for each.

    Returns:
        The folders.

    Raises:
        DataError: FL3101 … FL3103, FL3108 where there are fewer rows, or series, than shares.
    """
    description = described(data)
    tables = [
        pa.table(arrays)
        for file in data_files(data, description)
        for arrays in arrays_of(file, partitions(file, data), schema, description, BATCH_ROWS)
    ]
    rows = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
    parts = _parts(rows, schema, shares)
    if any(not len(part) for part in parts):
        held = "series" if schema.window and schema.window.series is not None else "rows"
        raise data_error(codes.TOO_FEW_ROWS, f"too few {held} for {shares} shares", str(data))
    return [
        _write(folder / f"share-{at + 1}", rows.take(pa.array(part)), schema, description, data)
        for at, part in enumerate(parts)
    ]


def _parts(rows: Any, schema: Schema, shares: int) -> Sequence[NDArray[np.intp]]:
    draw = np.random.default_rng(SEED)
    if schema.window is None:
        return np.array_split(draw.permutation(rows.num_rows), shares)
    if schema.window.series is None:
        return np.array_split(np.arange(rows.num_rows), shares)
    encoded = rows.column(schema.window.series).combine_chunks().dictionary_encode()
    owners = draw.permutation(len(encoded.dictionary)) % shares
    owner = owners[encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)]
    return [np.flatnonzero(owner == share) for share in range(shares)]


def _write(folder: Path, rows: Any, schema: Schema, description: Description, data: Path) -> Path:
    folder.mkdir(parents=True)
    parquet.write_table(rows, folder / "rows.parquet")
    said = [f"decimal: {description.decimal!r}"] if description.decimal != "." else []
    said += [f"dates: {description.dates!r}"] if description.dates else []
    if said:
        (folder / NAME).write_text("\n".join([*said, ""]), encoding="utf-8")
    for column in schema.columns:
        if column.type == "array" and data.is_dir() and is_text(rows.schema.field(column.name).type):
            _copy_files(rows.column(column.name).to_pylist(), data, folder)
    return folder


def _copy_files(names: Sequence[str | None], data: Path, folder: Path) -> None:
    """Copies what rows name and lies beside them; whatever else they name, the reader refuses."""
    for name in {name.strip() for name in names if name and Path(name.strip()).suffix.lower() in ARRAYS}:
        source = (data / name).resolve()
        if source.is_file() and source.is_relative_to(data.resolve()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)
