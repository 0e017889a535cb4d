"""An array in a file of its own: numbers as `.npy`, a picture as `.png`. The size is checked before decoding."""

import math
import struct
import tokenize
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES: Final = 10_000
"""The longest header of a `.npy` file that is read."""

PNG_EXTRA_BYTES: Final = 1 << 20
"""How much larger than its pixels a PNG file may be."""

_NPY: Final[Any] = np.lib.format

_MODES: Final = {"L": 1, "I;16": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""How many channels a picture has, by Pillow's name of its kind."""


class ArrayFileError(Exception):
    """A file is not the array that is due; says why, to go after the file's name."""


def read_array(path: Path, shape: Sequence[int]) -> NDArray[np.float64]:
    """Reads a file.

    Args:
        path: A `.npy` or `.png` file.
        shape: The array's; of a picture (height, width), or (height, width, channels).

    Returns:
        float64[numbers], row by row. A picture's are 0 to 255, or 0 to 65,535 where it has 16 bits.

    Raises:
        ArrayFileError: The file is absent, of another kind or shape, or damaged.
    """
    decode = {".npy": _npy, ".png": _png}.get(path.suffix.lower())
    if decode is None:
        raise ArrayFileError("is neither .npy nor .png")
    try:
        if not path.is_file():
            raise ArrayFileError("is no file beside the rows")
        return decode(path, tuple(shape)).astype(np.float64).reshape(-1)
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, OverflowError, RecursionError) as error:
        raise ArrayFileError(f"is damaged: {str(error)[:100]}") from error
    except (struct.error, zlib.error, tokenize.TokenError, MemoryError) as error:
        raise ArrayFileError(f"is damaged: {str(error)[:100]}") from error


def _npy(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy warns of headers that it would mend
        try:
            read = {(1, 0): _NPY.read_array_header_1_0, (2, 0): _NPY.read_array_header_2_0}[_NPY.read_magic(file)]
            found, by_columns, dtype = read(file, max_header_size=HEADER_BYTES)
        except (KeyError, Warning) as error:
            raise ArrayFileError("is no .npy file of version 1 or 2") from error
        if found != shape or dtype.kind not in "biuf":
            raise ArrayFileError(f"holds {dtype} of {_times(found)}, not numbers of {_times(shape)}")
        count = math.prod(shape)
        raw = file.read(count * dtype.itemsize)
        array = np.frombuffer(raw, dtype, count)
    return array.reshape(shape, order="F" if by_columns else "C")


def _png(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    from PIL import Image  # noqa: PLC0415 - only who has pictures needs it

    if path.stat().st_size > PNG_EXTRA_BYTES + 2 * math.prod(shape):
        raise ArrayFileError(f"is larger than a picture of {_times(shape)}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow warns of pictures that are too large
        try:
            with Image.open(path, formats=["PNG"]) as picture:  # reads the header, no pixel
                found = (picture.height, picture.width, _MODES.get(picture.mode, 0))
                if found != (shape if len(shape) == 3 else (*shape, 1)) or getattr(picture, "n_frames", 1) != 1:  # noqa: PLR2004
                    raise ArrayFileError(f"is a picture of {_times(found)} ({picture.mode}), not of {_times(shape)}")
                return np.asarray(picture)
        except (Warning, Image.DecompressionBombError) as error:
            raise ArrayFileError(f"is no picture that is read: {str(error)[:100]}") from error


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape)) or "one number"
