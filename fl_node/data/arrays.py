"""A column of arrays: lists of numbers in Parquet, or the names of files beside the rows. Imports pyarrow."""

import math
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.array_files import ArrayFileError, read_array
from fl_node.data.raw import Raw, as_numpy, is_text, refuse_first
from fl_node.data.schema import Column


def array_block(column: Column, raw: Raw) -> NDArray[np.float64]:
    """Turns arrays into features, row by row.

    Returns:
        float64[rows, column.width]; where an array is missing, NaN.

    Raises:
        DataError: FL3104 for another shape, or an element that is no finite number, FL3110 for a file.
    """
    block = np.full((len(raw.values), column.width), np.nan)
    if is_text(raw.values.type):
        for row, name in enumerate(raw.values.to_pylist()):
            if name is not None and name.strip().lower() not in raw.missing:
                block[row] = _from_file(column, raw, row, name.strip())
        return block
    lists, parents = _elements(column, raw)
    numbers = as_numpy(lists.cast(pa.float64(), safe=False))
    wrong = np.bincount(parents[~np.isfinite(numbers)], minlength=len(raw.values)) > 0
    refuse_first(raw, column, wrong, codes.WRONG_TYPE, "holds what is no finite number")
    block[as_numpy(raw.values.is_valid())] = numbers.reshape(-1, column.width)
    return block


def _elements(column: Column, raw: Raw) -> tuple[Any, NDArray[np.intp]]:
    """Flatten lists in lists; return the elements, and the row of each."""
    values, parents, depth = raw.values, np.arange(len(raw.values)), 0
    present = as_numpy(raw.values.is_valid())
    nested = _depth(values.type) > 1
    while _is_list(values.type):
        depth += 1
        parents = parents[as_numpy(pc.list_parent_indices(values))]
        values = pc.list_flatten(values)
        due = math.prod(column.shape[:depth]) if nested else column.width
        counts = np.bincount(parents, minlength=len(raw.values))
        shape = "x".join(map(str, column.shape))
        refuse_first(raw, column, present & (counts != due), codes.WRONG_TYPE, f"is no array of {shape}")
    return values, parents


def _from_file(column: Column, raw: Raw, row: int, name: str) -> NDArray[np.float64]:
    if raw.folder is None:
        reason = "names a file: give the folder that holds the rows and such files as the data, not the file of rows"
        raise raw.refuse(codes.ARRAY_UNUSABLE, reason, row, column.name)
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts:
        raise raw.refuse(codes.ARRAY_UNUSABLE, "leads out of the data's folder", row, column.name)
    try:
        found = read_array(Path(raw.folder, path), column.shape)
    except ArrayFileError as error:
        raise raw.refuse(codes.ARRAY_UNUSABLE, str(error), row, column.name) from error
    if not np.isfinite(found).all():
        raise raw.refuse(codes.WRONG_TYPE, "holds what is no finite number", row, column.name)
    return found


def _is_list(kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _depth(kind: Any) -> int:
    return 1 + _depth(kind.value_type) if _is_list(kind) else 0


def holds_numbers(kind: Any, dimensions: int) -> bool:
    """Tell whether an Arrow type is a list of numbers, flat or nested as deep as an array has dimensions."""
    depth = _depth(kind)
    while _is_list(kind):
        kind = kind.value_type
    return depth in {1, dimensions} and bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
