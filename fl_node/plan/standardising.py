"""From the state of a statistics plan to the constants that standardise features. Needs no framework."""

from fl_node import codes
from fl_node.data.schema import Schema
from fl_node.plan.errors import plan_error
from fl_node.plan.state_codec import decode_state


def standardising_constants(schema: Schema, state: bytes) -> dict[str, dict[str, str]]:
    """Reads a statistics state as the constants of a training plan's schema; see both modules `statistics`.

    Returns:
        Column → {"mean", "deviation"} as decimal text of 6 digits, for numeric columns that vary.

    Raises:
        PlanError: FL3020 where the state is none of a statistics plan with this schema.
    """
    named = {leaf.path: leaf.array for leaf in decode_state(state)}
    width = sum(column.width for column in schema.columns)  # of a row, where the schema has windows
    if not {"count", "mean", "deviation"} <= set(named) or named["mean"].shape != (width,):
        raise plan_error(codes.BAD_STATE, "not the state of a statistics plan with this schema")
    found, at = {}, 0
    for column in schema.columns:
        if column.numeric and named["deviation"][at] > 0:
            mean, deviation = (f"{float(named[name][at]):.6g}" for name in ("mean", "deviation"))
            found[column.name] = {"mean": mean, "deviation": deviation}
        at += column.width
    return found
