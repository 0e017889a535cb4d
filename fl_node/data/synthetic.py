"""Made-up rows that fit a schema: what the compiler tries a plan on before anyone votes for it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_node.data.examples import Examples
from fl_node.data.schema import Column, Schema

_SEED = 20_240_229


def synthetic_examples(schema: Schema, rows: int) -> Examples:
    """Draws rows for the model, the same ones each time.

    Args:
        schema: Ranges, categories and labels to draw from; standardised columns are standard normal.
        rows: How many.
    """
    draw = np.random.default_rng([_SEED, rows])
    blocks = [_block(draw, column, rows) for column in schema.columns]
    features = np.concatenate(blocks, axis=1).astype(np.float32)
    if schema.label is None:
        return Examples(features, None)
    labels = draw.integers(len(schema.label.values), size=rows) if schema.label.values else draw.normal(size=rows)
    return Examples(features, labels.astype(schema.label_dtype))


def _block(draw: np.random.Generator, column: Column, rows: int) -> NDArray[Any]:
    if column.type == "category":
        return np.asarray(np.eye(column.width)[draw.integers(column.width, size=rows)])
    if column.type == "boolean":
        return draw.integers(2, size=(rows, 1)).astype(np.float64)
    if column.mean is not None or column.minimum is None or column.maximum is None:
        return draw.normal(size=(rows, 1))
    return draw.uniform(float(column.minimum), float(column.maximum), size=(rows, 1))
