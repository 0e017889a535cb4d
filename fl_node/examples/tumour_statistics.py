"""Means and deviations of the tumour data's features, from secure sums: run it once, before `tumour.py`.

    fedledger plan build fl_node/examples/tumour_statistics.py -o statistics.flplan

After its one round, `fedledger plan constants statistics.flplan STATE` prints what `tumour_statistics.json` holds.
"""

import json
from pathlib import Path

from fl_node.data.schema import Column, Label, Schema
from fl_node.plan.source import PlanSource
from fl_node.plan.tff.statistics import statistics_plan

RANGES = json.loads(Path(__file__).with_name("tumour_ranges.json").read_text())

SCHEMA = Schema(
    columns=tuple(Column(name=name, **limits) for name, limits in RANGES.items()),
    label=Label(name="diagnosis", values=("malignant", "benign")),
)


def plan() -> PlanSource:
    """Describes the plan."""
    return statistics_plan("tumour-statistics", SCHEMA)
