"""What a retailer's rows look like: one brand of orange juice in one store in one week."""

from fl_node.data.schema import Column, Label, Schema, Window

HISTORY = 8
MEAN, DEVIATION = 8.4, 1.1
"""Of the logarithm of the ounces sold in a week."""

SCHEMA = Schema(
    columns=(
        Column(name="logmove", minimum="0", maximum="20", mean=f"{MEAN}", deviation=f"{DEVIATION}"),
        Column(name="price", minimum="0", maximum="20", mean="3.7", deviation="0.9"),
        Column(name="deal", type="boolean"),
        Column(name="feat", minimum="0", maximum="1"),
    ),
    label=Label(name="logmove", type="float"),
    window=Window(time="week", unit="integer", series="series", history=HISTORY, horizon=1, step="1"),
)
