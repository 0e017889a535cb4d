"""From rows to examples: the split, standardising, the profile, the schema's rules, the examples' shares."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fl_node.canonical import canonical_json, decode_strict
from fl_node.data.errors import DataError
from fl_node.data.examples import load_examples
from fl_node.data.profile import profile
from fl_node.data.read import read_table
from fl_node.data.schema import Column, Label, Missing, Schema
from fl_node.data.synthetic import synthetic_examples
from fl_node.examples.debian import debian_file
from fl_node.examples.shares import Rows, deal, deal_rows, load_example, write_shares
from fl_node.plan.errors import PlanError
from tests.unit.plan.rows import GOOD, SCHEMA, write


def many(rows: int) -> list[str]:
    draw = np.random.default_rng(5)
    sizes = draw.uniform(0, 9, rows)
    return [f"{40 + at % 40},{size},1,left,{'benign' if at % 2 else 'malignant'}," for at, size in enumerate(sizes)]


def rows_of(examples: Any) -> set[tuple[float, ...]]:
    return {tuple(row) for row in examples.features.tolist()}


def test_the_split_does_not_depend_on_order_or_on_other_rows(tmp_path: Path):
    rows = many(200)
    train, holdout = load_examples(write(tmp_path, *rows), SCHEMA, 20)
    reversed_train, reversed_holdout = load_examples(write(tmp_path, *reversed(rows)), SCHEMA, 20)
    fewer_train, fewer_holdout = load_examples(write(tmp_path, *rows[:150]), SCHEMA, 20)
    assert train.features.tolist() == reversed_train.features.tolist()
    assert holdout.features.tolist() == reversed_holdout.features.tolist()
    assert rows_of(fewer_train) < rows_of(train)
    assert rows_of(fewer_holdout) < rows_of(holdout)
    assert train.rows + holdout.rows == 200
    assert 25 <= holdout.rows <= 55


def test_equal_rows_land_in_the_same_part(tmp_path: Path):
    train, holdout = load_examples(write(tmp_path, *many(50), *many(50)), SCHEMA, 30)
    assert rows_of(train) & rows_of(holdout) == set()


def test_features_are_standardised_with_the_schemas_constants(tmp_path: Path):
    train, _ = load_examples(write(tmp_path, GOOD[0]), SCHEMA, 0)
    assert train.features.tolist() == [[63, -1, 1, 1, 0]]
    assert train.labels is not None
    assert (train.features.dtype, train.labels.dtype) == (np.float32, np.int32)


def test_too_few_rows_for_a_holdout_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="FL3108"):
        load_examples(write(tmp_path, GOOD[0]), SCHEMA, 20)


def test_the_profile_counts_missing_values_and_labels(tmp_path: Path):
    dropping = SCHEMA.model_copy(update={"missing": Missing(rows="drop")})
    found = profile(write(tmp_path, *GOOD, "1,,0,left,benign,", "1,1,0,left,,"), dropping)
    assert found.as_json() == {"rows": 4, "missing_ppm": 100_000, "labels": [1, 1], "schema": dropping.digest()}


def test_constants_do_not_change_what_data_fits_a_schema():
    plain = SCHEMA.model_copy(
        update={"columns": tuple(c.model_copy(update={"mean": None, "deviation": None}) for c in SCHEMA.columns)}
    )
    assert plain.digest() == SCHEMA.digest()
    assert plain.model_copy(update={"label": None}).digest() != SCHEMA.digest()


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x", "type": "category"},
        {"name": "x", "type": "float", "values": ("a",)},
        {"name": "x", "type": "category", "values": ("a", "a")},
        {"name": "x", "minimum": "2", "maximum": "1"},
        {"name": "x", "minimum": "nan"},
        {"name": "x", "mean": "1"},
        {"name": "x", "mean": "1", "deviation": "0"},
        {"name": "x", "type": "boolean", "minimum": "0"},
        {"name": "x", "unit": "cm"},
    ],
)
def test_an_inconsistent_column_is_refused(fields: dict[str, Any]):
    with pytest.raises(ValidationError):
        Column.model_validate(fields)


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=8)
numbers = st.tuples(st.integers(-999, 0), st.integers(1, 999)).map(
    lambda pair: {"minimum": str(pair[0]), "maximum": str(pair[1])}
)
columns = st.one_of(
    st.tuples(words, st.sampled_from(["float", "integer"]), numbers).map(
        lambda c: Column(name=c[0], type=c[1], **c[2])
    ),
    st.tuples(words, st.lists(words, min_size=1, max_size=3, unique=True)).map(
        lambda c: Column(name=c[0], type="category", values=tuple(c[1]))
    ),
)
schemas = st.lists(columns, min_size=1, max_size=4, unique_by=lambda column: column.name).map(
    lambda made: Schema(columns=tuple(made))
)


@given(schemas)
def test_any_schema_survives_canonical_json_with_its_digest(schema: Schema):
    found = Schema.model_validate(decode_strict(canonical_json(schema.model_dump(mode="json"))))
    assert found == schema
    assert found.digest() == schema.digest()
    assert synthetic_examples(found, 3).features.shape == (3, schema.width)


@given(schemas, schemas)
def test_different_schemas_have_different_digests(one: Schema, other: Schema):
    assert (one == other) == (one.digest() == other.digest())


def test_made_up_rows_fit_the_schema_and_are_the_same_each_time():
    first, second = synthetic_examples(SCHEMA, 20), synthetic_examples(SCHEMA, 20)
    assert first.features.tolist() == second.features.tolist()
    assert first.features.shape == (20, SCHEMA.width)
    assert first.labels is not None
    assert set(first.labels.tolist()) == {0, 1}


@pytest.mark.parametrize("split", range(5))
def test_shares_deal_every_row_once_and_unequally(split: int):
    shares, test = deal("tumour", 4, split)
    dealt = [tuple(row) for part in (*shares, test) for row in part.features.tolist()]
    assert sorted(dealt) == sorted(tuple(row) for row in load_example("tumour").features.tolist())
    sizes = [len(share.labels) for share in shares]
    balances = [share.labels.count("benign") / len(share.labels) for share in shares]
    assert max(sizes) > 1.5 * min(sizes)
    assert max(balances) - min(balances) > 0.2


def test_a_series_is_dealt_to_one_participant_whole():
    draw = np.random.default_rng(3)
    stores = draw.integers(0, 40, 2_000)
    sales = draw.normal(stores, 1)
    rows = Rows(("store", "sales"), stores[:, np.newaxis].astype(float), tuple(f"{sale:.4f}" for sale in sales))
    shares, test = deal_rows(rows, 4, 1, "store")
    having = [set(part.features[:, 0]) for part in (*shares, test)]
    assert sum(map(len, having)) == len(set.union(*having)) == 40
    assert sum(len(part.labels) for part in (*shares, test)) == 2_000
    assert len(having[-1]) == 10
    means = [np.mean([float(sale) for sale in part.labels]) for part in shares]
    assert max(means) - min(means) > 5


def test_a_packages_file_is_the_kept_one_and_without_debian_the_error_says_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kept = tmp_path / "kept" / "file.rda"
    kept.parent.mkdir()
    kept.write_bytes(b"rows")
    assert debian_file("no-such-package", "usr/no/such/file", kept) == kept
    kept.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlanError, match="FL3048: there is no apt-get") as caught:
        debian_file("no-such-package", "usr/no/such/file", kept)
    assert str(kept) in caught.value.hint
    assert list(kept.parent.iterdir()) == []


def test_written_shares_are_csv_and_parquet_with_the_same_rows(tmp_path: Path):
    names = ["a", "b"]
    schema = Schema(
        columns=tuple(Column(name=name) for name in load_example("digits").columns[:-1]),
        label=Label(name="digit", values=tuple(map(str, range(10)))),
    )
    expected, _ = deal("digits", 2, 3)
    paths = write_shares("digits", tmp_path, names, split=3)
    assert (paths["a"].suffix, paths["b"].is_dir()) == (".csv", True)
    for name, share in zip(names, expected, strict=True):
        table = read_table(paths[name], schema)
        assert table.features.tolist() == share.features.tolist()
        assert table.labels is not None
        assert [str(int(label)) for label in table.labels] == list(share.labels)
