"""Files as people have them: what is read as it is, what with a data.yaml, and what a refusal says."""

import bz2
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from fl_node.data.errors import DataError
from fl_node.data.examples import load_examples
from fl_node.data.profile import profile
from fl_node.data.read import read_table
from fl_node.data.schema import Column, Label, Missing, Schema

SCHEMA = Schema(
    columns=(
        Column(name="age", type="integer", minimum="0", maximum="120"),
        Column(name="bmi", minimum="5", maximum="90"),
        Column(name="smoker", type="boolean"),
        Column(name="ward", type="category", values=("1", "2", "3")),
    ),
    label=Label(name="outcome", values=("0", "1")),
)
HEADER = "age,bmi,smoker,ward,outcome"
ROWS = [f"{30 + at},{20 + at / 8},{'true' if at % 3 else 'false'},{1 + at % 3},{at % 2}" for at in range(40)]
PLAIN = "\n".join([HEADER, *ROWS]) + "\n"


def expected() -> list[list[float]]:
    return [
        [30 + at, 20 + at / 8, float(bool(at % 3)), *(float(at % 3 == ward) for ward in range(3)), at % 2]
        for at in range(40)
    ]


def rows(path: Path, schema: Schema = SCHEMA) -> list[list[float]]:
    """Read rows by all three ways, which must agree; return features and label."""
    table = read_table(path, schema)
    assert table.labels is not None
    profiled = profile(path, schema, 20)
    assert sum(part.rows for part in load_examples(path, schema, 20)) == len(table.features) == sum(profiled.labels)
    return np.column_stack([table.features, table.labels]).tolist()


def floats(text: str, column: int) -> str:
    """Write a column's whole numbers as a program does that holds them as floats."""
    header, *lines = text.splitlines()
    cells = [line.split(",") for line in lines]
    for row in cells:
        row[column] = {"true": "1.0", "false": "0.0"}.get(row[column]) or row[column] + ".0"
    return "\n".join([header, *map(",".join, cells)])


BLANKS = PLAIN.replace("\n", "\n\n", 9)
AS_THEY_ARE = {
    "plain": PLAIN,
    "windows": PLAIN.replace("\n", "\r\n"),
    "bom": "\ufeff" + PLAIN,
    "spaces in the header": PLAIN.replace(HEADER, HEADER.replace(",", ", ")),
    "boolean as float": floats(PLAIN, 2),
    "category as float": floats(PLAIN, 3),
    "label as float": floats(PLAIN, 4),
    "integer as float": floats(PLAIN, 0),
    "blank lines": "\n" + BLANKS + "\n\n",
    "a long note in a column that is not read": "\n".join(
        [HEADER + ",note", *(row + ',"' + "x" * 200_000 + '"' for row in ROWS)]
    ),
    "another column with a name in another case": "\n".join([HEADER + ",Age", *(row + ",x" for row in ROWS)]),
}


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_a_csv_is_read_as_it_is(name: str, tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text(AS_THEY_ARE[name], newline="")
    assert rows(file) == expected()


DESCRIBED = {
    "separator": (PLAIN.replace(",", ";"), 'separator: ";"'),
    "tab": (PLAIN.replace(",", "\t"), r'separator: "\t"'),
    "decimal comma": (PLAIN.replace(",", ";").replace(".", ","), 'separator: ";"\ndecimal: ","'),
    "comment": ("# exported\n" + PLAIN.replace("\n3", "\n# again\n3"), 'comment: "#"'),
    "escape": (
        "\n".join([HEADER + ",note", *(row + r',"said \"ok\", left"' for row in ROWS)]),
        r'escape: "\\"',
    ),
    "quote": (PLAIN.replace("true", "'true'"), 'quote: "\'"'),
    "names": (PLAIN.replace("age,bmi", 'Alter,"mass, index"'), "columns:\n  Alter: age\n  mass, index: bmi"),
}


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_csv_is_read_as_its_description_says(name: str, tmp_path: Path):
    text, description = DESCRIBED[name]
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(DataError):
        read_table(tmp_path / "rows.csv", SCHEMA)
    (tmp_path / "data.yaml").write_text(description)
    assert rows(tmp_path / "rows.csv") == expected()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "cp1252", "utf-8"])
def test_a_text_is_read_in_the_encoding_that_its_description_names(encoding: str, tmp_path: Path):
    schema = Schema(columns=(Column(name="größe"), Column(name="ort", type="category", values=("Köln", "Ulm"))))
    (tmp_path / "rows.csv").write_bytes("größe,ort\n1.5,Köln\n2.5,Ulm\n".encode(encoding))
    (tmp_path / "data.yaml").write_text(f"encoding: {encoding}")
    assert read_table(tmp_path / "rows.csv", schema).features.tolist() == [[1.5, 1, 0], [2.5, 0, 1]]


def test_a_compressed_csv_is_read_by_its_suffix_or_its_description(tmp_path: Path):
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    (tmp_path / "rows.csv.bz2").write_bytes(bz2.compress(PLAIN.encode()))
    assert rows(tmp_path / "rows.csv.gz") == rows(tmp_path / "rows.csv.bz2") == expected()
    (tmp_path / "export.dat").write_bytes(gzip.compress(PLAIN.encode()))
    (tmp_path / "data.yaml").write_text("format: csv\ncompression: gzip")
    assert rows(tmp_path / "export.dat") == expected()
    (tmp_path / "export.dat").write_bytes(gzip.compress(PLAIN.encode())[:-20])
    with pytest.raises(DataError, match="FL3102: no readable CSV"):
        read_table(tmp_path / "export.dat", SCHEMA)


def test_a_folder_of_parts_is_read_with_its_empty_ones_and_without_what_is_none(tmp_path: Path):
    for at in range(4):
        (tmp_path / f"part-{at}.csv").write_text("\n".join([HEADER, *ROWS[at * 10 : at * 10 + 10]]))
    (tmp_path / "part-4.csv").touch()
    (tmp_path / "_SUCCESS").touch()
    assert rows(tmp_path) == expected()
    (tmp_path / "readme.txt").touch()
    with pytest.raises(DataError, match=r"FL3102.*readme\.txt"):
        read_table(tmp_path, SCHEMA)
    (tmp_path / "data.yaml").write_text('parts: "part-*.csv"')
    assert rows(tmp_path) == expected()


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.int8(), pa.decimal128(22, 2)])
def test_parquet_columns_of_any_number_type_are_read(kind: pa.DataType, tmp_path: Path):
    column = pa.array([np.float16(v) for v in (1, 2)], kind) if kind == pa.float16() else pa.array([1, 2]).cast(kind)
    parquet.write_table(pa.table({"a": column, "c": column}), tmp_path / "rows.parquet")
    schema = Schema(columns=(Column(name="a"), Column(name="c", type="category", values=("1", "2"))))
    assert read_table(tmp_path / "rows.parquet", schema).features.tolist() == [[1, 1, 0], [2, 0, 1]]


def test_a_parquet_column_without_any_value_is_missing_in_every_row(tmp_path: Path):
    parquet.write_table(pa.table({"a": pa.nulls(2), "b": pa.array([1.0, 2.0])}), tmp_path / "rows.parquet")
    schema = Schema(columns=(Column(name="a"), Column(name="b")))
    with pytest.raises(DataError, match=r"FL3105.*row 1, column a"):
        read_table(tmp_path / "rows.parquet", schema)
    filled = Schema(columns=(Column(name="a", fill="7"), Column(name="b")))
    assert read_table(tmp_path / "rows.parquet", filled).features.tolist() == [[7, 1], [7, 2]]


def test_only_the_schemas_columns_are_read(tmp_path: Path):
    (tmp_path / "rows.csv").write_bytes(PLAIN.replace("\n", ",\u00e9\n").replace("é", "note", 1).encode("latin-1"))
    assert rows(tmp_path / "rows.csv") == expected(), "another column's bytes are no UTF-8"


def test_a_listed_value_that_looks_like_a_missing_one_is_a_value(tmp_path: Path):
    values = ("None", "Mild", "NA")
    schema = Schema(
        columns=(Column(name="x"), Column(name="severity", type="category", values=values)),
        label=Label(name="country", values=("NA", "ZA")),
    )
    lines = [f"{at},{values[at % 3]},{('NA', 'ZA')[at % 2]}" for at in range(30)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,severity,country", *lines]))
    assert [row[-1] for row in rows(tmp_path / "rows.csv", schema)] == [at % 2 for at in range(30)]
    (tmp_path / "rows.csv").write_text("x,severity,country\n1,none,NA\n")
    with pytest.raises(DataError, match=r"FL3105.*row 1, column severity"):
        read_table(tmp_path / "rows.csv", schema)


def test_a_number_that_two_listed_values_may_mean_is_refused(tmp_path: Path):
    schema = Schema(columns=(Column(name="c", type="category", values=("1", "1.0", "02", "3.0")),))
    (tmp_path / "rows.csv").write_text("c\n1\n1.0\n3\n")
    assert read_table(tmp_path / "rows.csv", schema).features.argmax(axis=1).tolist() == [0, 1, 3]
    for wrong in ("1.00", "2"):
        (tmp_path / "rows.csv").write_text(f"c\n{wrong}\n")
        with pytest.raises(DataError, match=f"FL3107: '{wrong}' is none of"):
            read_table(tmp_path / "rows.csv", schema)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLAIN.replace(",", ";"), r'FL3103: .*the header is \'age;bmi;.* say `separator: ";"` in data\.yaml'),
        (PLAIN.replace(",", "\t"), r'say `separator: "\\t"` in data\.yaml'),
        ("# exported\n" + PLAIN, r'the header is \'# exported\'; .* say `comment: "#"` in data\.yaml'),
        (
            HEADER + ",n\n" + ROWS[0] + ",x\n" + ROWS[1] + r',"a \"b\", c"',
            r'FL3102: 7 fields, 6 in .*say `escape: "\\\\"`.*row 2',
        ),
        (PLAIN.replace("20.0", "?"), r"FL3104: '\?' where a float is due .*row 1, column bmi.*missing"),
        ("\n".join([HEADER, *([ROWS[0]] * 60)]), "FL3108: 60 complete rows .* equal rows count as one"),
        (PLAIN.replace("20.0", "1e39"), "FL3106: '1e39' is above 90"),
    ],
)
def test_a_refusal_shows_what_was_found_and_what_to_do(text: str, said: str, tmp_path: Path):
    (tmp_path / "rows.csv").write_text(text)
    for reading in (profile, load_examples):
        with pytest.raises(DataError, match=said):
            reading(tmp_path / "rows.csv", SCHEMA, 20)


def test_a_mend_that_is_followed_works(tmp_path: Path):
    text = ("# exported\n" + PLAIN).replace(",", ";")
    (tmp_path / "rows.csv").write_text(text)
    lines: list[str] = []
    for _ in range(2):
        with pytest.raises(DataError) as refused:
            read_table(tmp_path / "rows.csv", SCHEMA)
        lines.append(refused.value.message.split("`")[1])
        (tmp_path / "data.yaml").write_text("\n".join(lines))
    assert rows(tmp_path / "rows.csv") == expected()


def test_a_number_that_a_model_would_read_as_infinite_is_refused(tmp_path: Path):
    (tmp_path / "rows.csv").write_text("x\n1\n2e38\n")
    assert read_table(tmp_path / "rows.csv", Schema(columns=(Column(name="x"),))).rows == 2
    with pytest.raises(DataError, match=r"FL3106: '2e38' is too large for a model's numbers .*row 2"):
        read_table(tmp_path / "rows.csv", Schema(columns=(Column(name="x", mean="0", deviation="0.1"),)))


GAPS = "x,b,c,y\n1,true,left,0\n?,false,left,1\n-9,,right,1\n4,true,?,0\n5,true,left,?\nNA,true,left,1\n"
GAPPED = (
    Column(name="x"),
    Column(name="b", type="boolean"),
    Column(name="c", type="category", values=("left", "right")),
)


def gapped(missing: Missing, **fills: str) -> Schema:
    columns = tuple(column.model_copy(update={"fill": fills.get(column.name)}) for column in GAPPED)
    return Schema(columns=columns, label=Label(name="y", values=("0", "1")), missing=missing)


def test_rows_with_gaps_are_dropped_or_filled_as_the_schema_says(tmp_path: Path):
    file = tmp_path / "rows.csv"
    file.write_text(GAPS)
    words = ("?", "-9", "na")
    dropped = read_table(file, gapped(Missing(words=words, rows="drop")))
    assert dropped.features.tolist() == [[1, 1, 1, 0]]
    assert (dropped.rows, dropped.missing) == (6, 6)
    filled = read_table(file, gapped(Missing(words=words, rows="drop"), x="2.5", b="false", c="right"))
    assert filled.features.tolist() == [[1, 1, 1, 0], [2.5, 0, 1, 0], [2.5, 0, 0, 1], [4, 1, 0, 1], [2.5, 1, 1, 0]]
    assert (filled.rows, filled.missing) == (6, 6)
    with pytest.raises(DataError, match=r"FL3105: a value is missing .*row 5, column y"):
        read_table(file, gapped(Missing(words=words), x="2.5", b="false", c="right"))
    with pytest.raises(DataError, match=r"FL3104: 'NA' where a float is due .*row 6"):
        read_table(file, gapped(Missing(words=("?", "-9"), rows="drop")))


@pytest.mark.parametrize(
    ("column", "fill"),
    [
        ({"name": "x", "minimum": "0"}, "-1"),
        ({"name": "x"}, "much"),
        ({"name": "x"}, "nan"),
        ({"name": "x", "type": "integer"}, "0.5"),
        ({"name": "x", "type": "boolean"}, "1"),
        ({"name": "x", "type": "category", "values": ("a",)}, "b"),
    ],
)
def test_a_fill_that_is_no_value_of_its_column_is_refused(column: dict[str, str], fill: str):
    Column.model_validate(column)
    with pytest.raises(ValueError, match="which fills gaps, is no value of it"):
        Column.model_validate(column | {"fill": fill})


def test_a_schema_without_the_later_fields_is_written_and_named_as_before():
    schema = Schema(
        columns=(Column(name="mean radius", mean="14.1", deviation="3.5"), Column(name="mean texture")),
        label=Label(name="diagnosis", values=("malignant", "benign")),
    )
    assert set(schema.model_dump(mode="json")) == {"columns", "label"}
    assert "fill" not in schema.model_dump(mode="json")["columns"][0]
    assert schema.digest() == "034ffe36755645282df5123fe0736bdeafe7499a6072b00a5fadf15626598ba5"
    assert schema.model_copy(update={"missing": Missing(rows="drop")}).digest() != schema.digest()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("separator: ab", r"FL3109: separator: .*data\.yaml:1"),
        ('decimal: ","\nquote: ","', "FL3109: separator, quote and escape are three different characters"),
        ("comment: '#'\nencoding: klingon", r"FL3109: encoding: 'klingon' is no encoding.*data\.yaml:2"),
        ("encoding: hex", "FL3109: encoding: 'hex' is no encoding of texts"),
        ("seperator: ';'", "FL3109: seperator: Extra inputs"),
        ("columns: {a: b, c: b}", "FL3109: two columns of the file become one"),
        ("separator: ';'\nseparator: ','", r"FL3109: separator is given twice.*data\.yaml:2"),
        ("a: [", "FL3109: not YAML"),
        ("- 1", "FL3109"),
        ("columns: {Alter: age, gone: bmi}", r"FL3103: column 'bmi', called 'gone' in data\.yaml, is not there"),
    ],
)
def test_a_description_that_is_none_is_refused_with_its_line(text: str, said: str, tmp_path: Path):
    (tmp_path / "rows.csv").write_text(PLAIN.replace("age", "Alter"))
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=said):
        read_table(tmp_path / "rows.csv", SCHEMA)
