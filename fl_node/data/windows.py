"""Windows of time series: some successive steps are what a model reads, the steps after them what it foretells."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fl_node import codes
from fl_node.data.errors import data_error
from fl_node.data.read import Table
from fl_node.data.schema import Window

WINDOW_VALUES: Final = 1 << 20
"""How many numbers windows are made of at once, 8 MiB, but one window at least."""


def windows(rows: Iterable[Table], window: Window, data: Path) -> Iterator[Table]:
    """Makes windows of rows. All rows are held, since a file may hold them in any order; windows stream.

    Each is of `history` + `horizon` rows of one series that follow one another in time, and by `step` where there is
    one; so a step that is absent, or was dropped, ends a run of windows and begins another.

    Args:
        rows: As they were read, with keys and times.
        window: How their schema makes windows of them.
        data: Where they were read, for errors.

    Returns:
        Tables of windows: features float64[windows, history * features a row], the oldest step first, labels
        float64[windows, horizon], and the keys of their series. The rows, and what they lack, are in the first one.

    Raises:
        DataError: FL3111 where two rows of a series have the same time.
    """
    read = list(rows)
    features = np.concatenate([table.features for table in read])
    labels = np.concatenate([table.labels for table in read if table.labels is not None])
    keys = np.concatenate([table.keys for table in read if table.keys is not None])
    times = np.concatenate([table.times for table in read if table.times is not None])
    gaps, count = np.sum([table.gaps for table in read], axis=0), sum(table.rows for table in read)
    order = np.lexsort((times, keys))
    starts = _starts(keys[order], times[order], window, data)
    at_once = max(1, WINDOW_VALUES // (window.history * features.shape[1]))
    for first in range(0, max(1, len(starts)), at_once):
        some = starts[first : first + at_once]
        past = order[some[:, np.newaxis] + np.arange(window.history)]
        ahead = order[some[:, np.newaxis] + np.arange(window.history, window.history + window.horizon)]
        foretold = labels[ahead] if window.horizon > 1 else labels[ahead[:, 0]]
        flat = features[past].reshape(len(some), window.history * features.shape[1])
        yield Table(flat, foretold, gaps, count, keys=keys[order[some]])
        gaps, count = np.zeros_like(gaps), 0


def _starts(keys: NDArray[np.uint64], times: NDArray[np.float64], window: Window, data: Path) -> NDArray[np.intp]:
    """Return where windows begin among sorted rows."""
    follows = keys[1:] == keys[:-1]
    steps = np.diff(times)
    if (follows & (steps == 0)).any():
        twice = float(times[1:][follows & (steps == 0)][0])
        text = f"two rows of a series have the same {window.time} ({window.shown(twice)})"
        raise data_error(codes.SERIES_BROKEN, text, str(data))
    if window.step is not None:
        follows &= steps == float(window.step)
    span = window.history + window.horizon - 1
    if len(follows) < span:
        return np.empty(0, np.intp)
    return np.flatnonzero(sliding_window_view(follows, span).all(axis=1))
