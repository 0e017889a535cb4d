"""A schema with every kind of column, and files that fit it."""

from pathlib import Path

from fl_node.data.schema import Column, Label, Schema

SCHEMA = Schema(
    columns=(
        Column(name="age", type="integer", minimum="0", maximum="120"),
        Column(name="size", type="float", mean="2", deviation="0.5"),
        Column(name="smoker", type="boolean"),
        Column(name="side", type="category", values=("left", "right")),
    ),
    label=Label(name="kind", values=("benign", "malignant")),
)
HEADER = "age,size,smoker,side,kind,note"
GOOD = ["63,1.5,true,left,benign,x", "40,2e0,0,right,malignant,y"]


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "rows.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path
