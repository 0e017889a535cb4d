"""The examples of docs/data.md do what the page says."""

import re
from pathlib import Path

from fl_node.data.read import read_table
from fl_node.data.schema import Column, Label, Missing, Schema, Window
from fl_node.data.synthetic import synthetic_examples

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
NAMES = {"Schema": Schema, "Column": Column, "Label": Label, "Missing": Missing, "Window": Window}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def schemas() -> list[Schema]:
    return [eval(text, NAMES) for text in blocks("python")]


def test_the_described_file_of_the_page_is_read_as_it_says(tmp_path: Path):
    (description,), (rows,) = blocks("yaml"), blocks("text")
    (tmp_path / "data.yaml").write_text(description, encoding="utf-8")
    (tmp_path / "rows.csv").write_bytes(rows.encode("latin-1"))
    table = read_table(tmp_path / "rows.csv", schemas()[-1])
    assert table.labels is not None
    assert table.features.tolist() == [[171.5, 22.9, 3711], [180, 26.5, 7364]]
    assert table.labels.tolist() == [1, 0]
    assert "171.5, 22.9 and 3711 days with outcome 1; 180, 26.5 and 7364 days with outcome 0" in PAGE


def test_the_schemas_of_the_page_are_schemas_and_name_every_kind():
    kinds, weekly, missing = schemas()
    assert synthetic_examples(kinds, 2).features.shape == (2, 1 + 200 + 64 * 64)
    assert (weekly.width, weekly.label_shape) == (16, (4,))
    assert missing.missing.rows == "drop"
    for kind in ("float", "integer", "boolean", "category", "date", "text", "array", "ordinal", "count"):
        assert f"`{kind}`" in PAGE
    assert all(suffix in PAGE.lower() for suffix in (".csv", ".tsv"))
