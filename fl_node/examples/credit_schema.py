"""What the rows of a bank look like, for both examples of who does not pay: the network and the trees."""

from fl_node.data.schema import Column, Label, Schema

SCHEMA = Schema(
    columns=(
        Column(name="student", type="boolean"),
        Column(name="balance", minimum="0", maximum="5000", mean="840", deviation="480"),
        Column(name="income", minimum="0", maximum="200000", mean="34000", deviation="13000"),
    ),
    label=Label(name="default", values=("No", "Yes")),
)
