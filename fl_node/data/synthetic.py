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
    steps, ahead = (schema.window.history, schema.window.horizon) if schema.window else (1, 1)
    blocks = [_block(draw, column, rows * steps) for column in schema.columns]
    features = np.concatenate(blocks, axis=1).astype(np.float32).reshape(rows, schema.width)
    if not schema.label_columns:
        return Examples(features, None)
    labels = [_label(draw, column, rows * ahead) for column in schema.label_columns]
    together = labels[0] if len(labels) == 1 else np.column_stack(labels)
    return Examples(features, together.astype(schema.label_dtype).reshape(rows, *schema.label_shape))


def _label(draw: np.random.Generator, column: Column, rows: int) -> NDArray[Any]:
    if column.values:
        return draw.integers(len(column.values), size=rows)
    if column.type == "integer":
        return draw.poisson(1, size=rows)
    return draw.uniform(0.1, 1, size=rows) if column.minimum else draw.normal(size=rows)


def _block(draw: np.random.Generator, column: Column, rows: int) -> NDArray[Any]:
    if column.type == "category":
        return np.asarray(np.eye(column.width)[draw.integers(column.width, size=rows)])
    if column.type == "boolean":
        return draw.integers(2, size=(rows, 1)).astype(np.float64)
    if column.type == "text":
        return draw.integers(256, size=(rows, column.width)).astype(np.float64)
    if column.mean is not None or column.low is None or column.high is None:
        return draw.normal(size=(rows, column.width))
    return draw.uniform(column.low, column.high, size=(rows, column.width))
