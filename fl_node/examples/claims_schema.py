"""What the rows of an insurer look like, for both examples with counts of visits: the network and the regression."""

from fl_node.data.schema import Column, Label, Schema

SCHEMA = Schema(
    columns=(
        Column(name="coins", minimum="0", maximum="100", mean="26", deviation="36"),
        Column(name="idp", type="boolean"),
        Column(name="lpi", minimum="0", maximum="20", mean="4.7", deviation="2.7"),
        Column(name="fmde", minimum="0", maximum="20", mean="4", deviation="3.5"),
        Column(name="xage", minimum="0", maximum="120", mean="26", deviation="17"),
        Column(name="female", type="boolean"),
        Column(name="black", minimum="0", maximum="1"),
        Column(name="linc", minimum="0", maximum="20", mean="8.7", deviation="1.2"),
        Column(name="lfam", minimum="0", maximum="5", mean="1.2", deviation="0.54"),
        Column(name="educdec", minimum="0", maximum="40", mean="12", deviation="2.8"),
        Column(name="physlm", minimum="0", maximum="1"),
        Column(name="disea", minimum="0", maximum="100", mean="11", deviation="6.7"),
        Column(name="hlthg", type="boolean"),
        Column(name="hlthf", type="boolean"),
        Column(name="hlthp", type="boolean"),
    ),
    label=Label(name="mdvis", type="count", exposure="time"),
)
