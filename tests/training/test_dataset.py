"""Labels, parts, schema and tensors of a table; and a row from a file is the same row in JSON."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.config import ColumnChoice
from contract.errors import InvalidData, InvalidRows
from contract.faults import MAX_FAULTS
from contract.schema import QUANTILE_LEVELS, CategoricalFeature, NumericFeature, Schema
from contract.tensors import RowReader
from contract.text_cells import MISSING
from training.columns import choose_columns
from training.dataset import frame_tensors, make_schema, split_rows
from training.labels import read_labels
from training.table import read_table

# Parts


def counts(y, rows, n_classes):
    return np.bincount(y[rows], minlength=n_classes)


@given(
    st.lists(st.integers(3, 60), min_size=2, max_size=30),
    st.floats(0.01, 0.45),
    st.floats(0.01, 0.45),
    st.floats(0, 0.45),
    st.integers(0, 2**32 - 1),
    st.integers(0, 20),
)
def test_a_split_deals_every_labelled_row_to_one_part_and_every_class_to_each(
    sizes, valid, test, conformal, seed, n_missing
):
    y = np.repeat(np.arange(-1, len(sizes)), [n_missing, *sizes])
    split = split_rows(y, valid_fraction=valid, test_fraction=test, conformal_fraction=conformal, seed=seed)
    parts = (split.train, split.valid, split.test)
    assert np.sort(np.concatenate([*parts, split.conformal])).tolist() == np.flatnonzero(y >= 0).tolist()
    for part in (*parts, split.conformal):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
    for part in parts:
        assert (counts(y, part, len(sizes)) >= 1).all()


@pytest.mark.parametrize("conformal", [0.05, 0.3])
def test_conformal_rows_take_none_of_the_valid_and_test_rows(conformal):
    y = np.arange(300) % 3
    without, split = (
        split_rows(y, valid_fraction=0.2, test_fraction=0.2, conformal_fraction=share, seed=0)
        for share in (0, conformal)
    )
    assert (split.valid.tolist(), split.test.tolist()) == (without.valid.tolist(), without.test.tolist())
    assert counts(y, split.conformal, 3).tolist() == [conformal * 100] * 3


def test_conformal_rows_are_a_thousand_at_most_in_the_proportions_of_the_classes():
    y = np.repeat(np.arange(3), [90_000, 9_000, 900])
    split = split_rows(y, valid_fraction=0.1, test_fraction=0.1, conformal_fraction=0.2, seed=0)
    assert counts(y, split.conformal, 3).tolist() == [901, 90, 9]


def test_a_class_of_three_rows_has_no_conformal_row():
    y = np.repeat(np.arange(2), [3, 100])
    split = split_rows(y, valid_fraction=0.1, test_fraction=0.1, conformal_fraction=0.4, seed=0)
    assert counts(y, split.conformal, 2)[0] == 0


@pytest.mark.parametrize(("valid", "test"), [(0.2, 0.2), (0.15, 0.15), (0.1, 0.3)])
@pytest.mark.parametrize("sizes", [[50, 50, 50], [11] * 100, [1000, 10, 10], [13, 29, 31, 37] * 5])
def test_parts_have_nearly_the_sizes_and_proportions_asked_for(sizes, valid, test):
    y = np.repeat(np.arange(len(sizes)), sizes)
    split = split_rows(y, valid_fraction=valid, test_fraction=test, seed=0)
    for part, fraction in ((split.valid, valid), (split.test, test)):
        assert abs(len(part) - fraction * len(y)) <= 1
        assert (abs(counts(y, part, len(sizes)) - fraction * np.array(sizes)) < 1).all()


def test_a_split_is_the_same_for_a_seed_and_another_for_another():
    y = np.arange(300) % 3
    first, again, other = (split_rows(y, valid_fraction=0.2, test_fraction=0.2, seed=seed) for seed in (1, 1, 2))
    assert (first.train.tolist(), first.valid.tolist()) == (again.train.tolist(), again.valid.tolist())
    assert first.valid.tolist() != other.valid.tolist()


def test_parts_are_drawn_from_all_over_a_sorted_table():
    y = np.repeat(np.arange(2), 1_000)
    split = split_rows(y, valid_fraction=0.2, test_fraction=0.2, seed=0)
    for part in (split.train, split.valid, split.test):
        for label in range(2):
            of_class = part[y[part] == label] - 1_000 * label
            assert abs(of_class.mean() - 500) < 60


# Schema


def schema_of(columns, max_categories=64, **choice):
    n_rows = len(next(iter(columns.values())))
    frame = pl.DataFrame({**columns, "y": [f"l{row % 2}" for row in range(n_rows)]})
    chosen = choose_columns(frame, "y", ColumnChoice(**choice), max_categories)
    return make_schema(frame, "y", chosen, ("l0", "l1"), max_categories=max_categories)


def feature_of(cells, **options):
    (feature,) = schema_of({"a": cells}, include=("a",), **options).features
    return feature


def test_features_are_in_table_order():
    schema = schema_of({"b": ["u", "v"], "a": ["1", "2"], "c": [True, False]})
    assert [(type(feature), feature.name) for feature in schema.features] == [
        (CategoricalFeature, "b"),
        (NumericFeature, "a"),
        (CategoricalFeature, "c"),
    ]
    assert (schema.target, schema.labels) == ("y", ("l0", "l1"))


def test_ranges_and_quantiles_are_float32_values_in_the_fewest_digits():
    feature = feature_of([str(value / 10) for value in range(101)])
    assert (feature.minimum, feature.maximum, feature.missing) == (0.0, 10.0, False)
    np.testing.assert_allclose(feature.quantiles, [10 * level for level in QUANTILE_LEVELS], rtol=1e-6)
    feature = feature_of(["0.1", "0.2", "0.7", "0.1"])
    assert (feature.minimum, feature.maximum) == (0.1, 0.7)
    assert [str(np.float32(value)) for value in feature.quantiles] == [str(value) for value in feature.quantiles]


def test_ranges_of_the_largest_numbers_stay_finite():
    feature = feature_of([3.4028234663852886e38, -3.4028234663852886e38])
    assert all(map(math.isfinite, (feature.minimum, feature.maximum, *feature.quantiles)))


def test_missing_cells_are_noted_and_not_counted():
    assert feature_of(["1", None, "3"]).quantiles[3] == 2
    assert feature_of(["1", None, "3"]).missing
    assert feature_of(["u", None, "v"]) == CategoricalFeature(name="a", missing=True, categories=("u", "v"))
    assert not feature_of(["u", "v"]).missing


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Int64])
def test_a_number_that_no_train_row_has_is_all_zeros(dtype):
    frame = pl.DataFrame({"a": pl.Series([1, 2, None, None], dtype=dtype), "y": ["p", "q", "p", "q"]})
    columns = choose_columns(frame, "y", ColumnChoice(), 64)
    (feature,) = make_schema(frame[2:], "y", columns, ("p", "q"), max_categories=64).features
    assert feature == NumericFeature(name="a", missing=True, minimum=0, maximum=0, quantiles=(0.0,) * 7)


def test_a_category_that_no_train_row_has_is_none():
    frame = pl.DataFrame({"a": ["u", "v", None, None], "y": ["p", "q", "p", "q"]})
    columns = choose_columns(frame, "y", ColumnChoice(), 64)
    (feature,) = make_schema(frame[2:], "y", columns, ("p", "q"), max_categories=64).features
    assert feature == CategoricalFeature(name="a", missing=True, categories=())


@pytest.mark.parametrize(
    ("cells", "categories"),
    [
        (["b", "a", "Ä", "B"], ("B", "a", "b", "Ä")),
        (["True", "FALSE", "true"], ("false", "true")),
        (["True", "maybe"], ("True", "maybe")),
        ([True, False], ("false", "true")),
        (["02139", "10115"], ("02139", "10115")),
    ],
)
def test_categories_are_sorted_texts(cells, categories):
    assert feature_of(cells).categories == categories


@pytest.mark.parametrize(
    ("cells", "categories"),
    [
        ([10, 9, 9], ("10", "9")),
        ([10.0, 9.0, math.nan], ("10", "9")),
        ([1.5, 2.0, -0.0], ("0", "1.5", "2")),
        (["10.0", "9.0", "9"], ("10", "9")),
        (["10.0", "9.5"], ("10.0", "9.5")),
        (["1", "0"], ("0", "1")),
    ],
)
def test_numbers_taken_as_categories_are_whole_where_they_can_be(cells, categories):
    assert feature_of(cells, categorical=("a",)).categories == categories


def test_only_the_commonest_categories_are_kept_and_ties_go_by_text():
    cells = ["d"] * 3 + ["c"] * 2 + ["b"] * 2 + ["a"]
    assert feature_of(cells, max_categories=2).categories == ("b", "d")
    assert feature_of(cells, max_categories=3).categories == ("b", "c", "d")


def test_a_schema_needs_numbers_in_numeric_columns():
    frame = pl.DataFrame({"a": ["1", "2"], "y": ["p", "q"]})
    columns = choose_columns(frame, "y", ColumnChoice(), 64)
    with pytest.raises(InvalidRows, match=r"row 1, feature 'a': expected a finite float32 number or null, got \"x\""):
        make_schema(pl.DataFrame({"a": ["1", "x"]}), "y", columns, ("p", "q"), max_categories=64)


# Tensors

SCHEMA = Schema(
    target="y",
    features=(
        NumericFeature(name="n", missing=True, minimum=0, maximum=1, quantiles=()),
        CategoricalFeature(name="c", missing=True, categories=("u", "v")),
        NumericFeature(name="m", missing=True, minimum=0, maximum=1, quantiles=()),
        CategoricalFeature(name="b", missing=True, categories=("false", "true")),
        CategoricalFeature(name="i", missing=True, categories=("-1", "0", "10")),
    ),
    labels=("p", "q"),
)
FRAME = pl.DataFrame(
    {
        "i": [10, None, 7],
        "extra": [[1], [2], [3]],
        "b": [True, None, False],
        "m": ["0.1", None, ""],
        "c": ["u", None, "w"],
        "n": [1.5, math.nan, None],
    }
)


def test_columns_are_found_by_name_in_any_order():
    tensors = frame_tensors(SCHEMA, FRAME)
    assert tensors.n_samples == 3
    assert tensors.x_num.dtype == np.float32
    np.testing.assert_array_equal(tensors.x_num, np.float32([[1.5, 0.1], [math.nan, math.nan], [math.nan, math.nan]]))
    assert tensors.x_cat.tolist() == [["u", "true", "10"], ["", "", ""], ["w", "false", "7"]]
    assert tensors.unseen == {2: ["c", "i"]}


def test_a_table_without_rows_gives_tensors_without_rows():
    tensors = frame_tensors(SCHEMA, FRAME[:0])
    assert (tensors.x_num.shape, tensors.x_cat.shape, tensors.unseen) == ((0, 2), (0, 3), {})


def test_slices_give_the_rows_of_the_whole():
    whole = frame_tensors(SCHEMA, FRAME)
    parts = [frame_tensors(SCHEMA, FRAME[row : row + 1], first_row=row) for row in range(3)]
    np.testing.assert_array_equal(np.concatenate([part.x_num for part in parts]), whole.x_num)
    assert np.concatenate([part.x_cat for part in parts]).tolist() == whole.x_cat.tolist()
    assert parts[2].unseen == {0: ["c", "i"]}


@pytest.mark.parametrize(
    ("name", "cells", "read"),
    [
        ("b", ["True", "FALSE", "yes"], ["true", "false", "yes"]),
        ("i", ["10.0", "0", "-1.00"], ["10", "0", "-1"]),
        ("i", [10.0, 0.5, -1.0], ["10", "0.5", "-1"]),
        ("c", [1, 2, None], ["1", "2", ""]),
        ("c", ["1.0", "True", "007"], ["1.0", "True", "007"]),
        ("c", [None, None, None], ["", "", ""]),
    ],
)
def test_texts_are_spelled_as_the_categories_are(name, cells, read):
    tensors = frame_tensors(SCHEMA, FRAME.with_columns(pl.Series(name, cells)))
    position = [feature.name for feature in SCHEMA.categorical].index(name)
    assert tensors.x_cat[:, position].tolist() == read


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["u", "w"])])
def test_categories_of_polars_are_texts(dtype):
    tensors = frame_tensors(SCHEMA, FRAME.with_columns(pl.col("c").cast(dtype)))
    assert tensors.x_cat[:, 0].tolist() == ["u", "", "w"]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Int128, pl.Float32, pl.Decimal(10, 2), pl.Null])
def test_numbers_of_any_type_are_numbers(dtype):
    cells = pl.Series("n", [None] * 3 if dtype == pl.Null else [1, None, 3]).cast(dtype)
    tensors = frame_tensors(SCHEMA, FRAME.with_columns(cells))
    np.testing.assert_array_equal(tensors.x_num[:, 0], np.float32([math.nan if c is None else c for c in cells]))


@pytest.mark.parametrize(
    ("cells", "got"),
    [
        (["1", "abc", "x"], '"abc"'),
        (["1", "1e39", "inf"], '"1e39"'),
        (["1", "1,5", "nan"], '"1,5"'),
        ([1.0, math.inf, -1e300], "Infinity"),
        ([None, True, False], "true"),
        ([None, dt.date(2024, 1, 31), dt.date(2024, 1, 31)], '"2024-01-31"'),
    ],
)
def test_cells_that_are_no_float32_numbers_are_faults(cells, got):
    with pytest.raises(InvalidRows) as caught:
        frame_tensors(SCHEMA, FRAME.with_columns(pl.Series("m", cells)), first_row=100)
    assert caught.value.n_faults == 2
    first = caught.value.faults[0]
    assert (first.row, first.feature, first.got) == (101, "m", got)
    assert first.expected == "a finite float32 number or null"


def test_faults_are_in_row_order_counted_in_full_and_shown_in_part():
    n_rows = 1_000
    cells = {feature.name: ["x"] * n_rows for feature in SCHEMA.features}
    with pytest.raises(InvalidRows) as caught:
        frame_tensors(SCHEMA, pl.DataFrame(cells))
    assert caught.value.n_faults == 2 * n_rows
    assert len(caught.value.faults) == MAX_FAULTS
    assert [(fault.row, fault.feature) for fault in caught.value.faults[:4]] == [(0, "n"), (0, "m"), (1, "n"), (1, "m")]


def test_faults_are_those_that_a_reader_of_rows_finds():
    cells = {"n": ["1", "x", "2"], "c": ["u", "v", "w"], "m": [None, "y", "z"], "b": [None] * 3, "i": ["0"] * 3}
    frame = pl.DataFrame(cells)
    rows = [["x" if cell == "x" else cell for cell in row] for row in frame.rows()]
    rows[0][0], rows[2][0] = 1, 2
    with pytest.raises(InvalidRows) as of_frame:
        frame_tensors(SCHEMA, frame)
    with pytest.raises(InvalidRows) as of_rows:
        RowReader(SCHEMA).read(rows)
    assert (of_frame.value.faults, of_frame.value.n_faults) == (of_rows.value.faults, of_rows.value.n_faults)


def test_a_missing_column_is_an_error_with_a_suggestion():
    with pytest.raises(InvalidData, match=r"each feature of the model must be a column of the table, got 'm'"):
        frame_tensors(SCHEMA, FRAME.drop("m"))
    with pytest.raises(InvalidData, match=r"got 'm' \(did you mean 'M'\?\)"):
        frame_tensors(SCHEMA, FRAME.rename({"m": "M"}))


@pytest.mark.parametrize("cell", [[1], dt.date(2024, 1, 31), b"u"])
def test_a_categorical_column_of_another_type_is_an_error(cell):
    with pytest.raises(InvalidData, match="column 'c' must hold text, numbers or booleans, got"):
        frame_tensors(SCHEMA, FRAME.with_columns(pl.Series("c", [cell] * 3)))


# A row in a file and the same row in JSON

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
NUMBER = st.one_of(
    st.none(), FLOAT32, st.floats(-1e38, 1e38), st.integers(-(10**30), 10**30), st.sampled_from([5e-324, 0.1, -0.0])
)
LETTERS = st.characters(exclude_categories=["Cs", "Cc", "Z"]) | st.sampled_from(" \n\r'\",;|")
TEXT = st.text(LETTERS, min_size=1, max_size=6).filter(lambda text: text == text.strip() and text not in MISSING)
WORDS = ["red", "light green", 'a "b", c', "007", "1.50", "Ünïcode", "two\nlines", "-", "None"]


@st.composite
def feature_and_cell(draw, name):
    """A feature, and a strategy for its cells as JSON has them."""
    form = draw(st.sampled_from(["number", "words", "integers", "booleans"]))
    if form == "number":
        return NumericFeature(name=name, missing=True, minimum=0, maximum=0, quantiles=()), NUMBER
    if form == "words":
        words = draw(st.lists(st.sampled_from(WORDS), min_size=1, unique=True))
        cell = st.sampled_from(words) | TEXT
    elif form == "integers":
        words = [str(number) for number in draw(st.lists(st.integers(), min_size=1, max_size=4, unique=True))]
        cell = st.integers() | st.sampled_from(words)
    else:
        words = ["false", "true"]
        cell = st.booleans() | st.sampled_from(words)
    return CategoricalFeature(name=name, missing=True, categories=tuple(sorted(words))), st.none() | cell


@st.composite
def schema_and_rows(draw):
    drawn = [draw(feature_and_cell(f"f{position}")) for position in range(draw(st.integers(1, 5)))]
    schema = Schema(target="y", features=tuple(feature for feature, _ in drawn), labels=("p", "q"))
    return schema, draw(st.lists(st.tuples(*(cell for _, cell in drawn)), min_size=1, max_size=8))


def cell_text(cell):
    return "" if cell is None else cell if isinstance(cell, str) else str(cell)


def as_csv(schema, rows, order):
    """The rows as a program would write them: columns in another order, and one more."""
    names = [*(feature.name for feature in schema.features), "extra"]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([names[position] for position in order])
    for row in rows:
        cells = [*map(cell_text, row), "something else"]
        writer.writerow([cells[position] for position in order])
    return text.getvalue()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(schema_and_rows(), st.randoms(use_true_random=False))
def test_a_row_in_a_file_gives_the_tensors_of_the_same_row_in_json(tmp_path_factory, drawn, shuffler: random.Random):
    schema, rows = drawn
    order = list(range(len(schema.features) + 1))
    shuffler.shuffle(order)
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_text(as_csv(schema, rows, order), encoding="utf-8", newline="")
    of_file = frame_tensors(schema, read_table(str(path)).frame)
    of_json = RowReader(schema).read([list(row) for row in rows])
    assert of_file.x_num.tobytes() == of_json.x_num.tobytes()
    assert of_file.x_cat.tolist() == of_json.x_cat.tolist()
    assert of_file.unseen == of_json.unseen
    path.unlink()


@given(st.lists(st.floats(-3.4e38, 3.4e38), min_size=1))
def test_numbers_in_a_typed_column_are_those_in_json(numbers):
    schema = Schema(target="y", features=SCHEMA.features[:1], labels=("p", "q"))
    of_json = RowReader(schema).read([[number] for number in numbers])
    assert frame_tensors(schema, pl.DataFrame({"n": numbers})).x_num.tobytes() == of_json.x_num.tobytes()


# The whole way


def test_a_file_goes_all_the_way_to_tensors(write):
    rows = [
        f"{row};{row % 13},5;{'red' if row % 3 else ''};{row % 2};2024-01-{row % 28 + 1};{('no', 'yes')[row % 2]}\r\n"
        for row in range(60)
    ]
    table = read_table(write("t.csv", "\ufeffid;size;colour;flag;day;target\r\n" + "".join(rows)))
    columns = choose_columns(table.frame, "target", ColumnChoice(categorical=("flag",)), 64)
    labels, y = read_labels(table.frame, "target")
    split = split_rows(y, valid_fraction=0.2, test_fraction=0.2, seed=0)
    schema = make_schema(table.frame[split.train], "target", columns, labels, max_categories=64)
    tensors = frame_tensors(schema, table.frame)
    assert labels == ("no", "yes")
    assert [feature.name for feature in schema.features] == ["size", "colour", "flag"]
    assert set(columns.excluded) == {"id", "day"}
    assert tensors.x_num[:, 0].tolist() == [row % 13 + 0.5 for row in range(60)]
    assert tensors.x_cat[:4].tolist() == [["", "0"], ["red", "1"], ["red", "0"], ["", "1"]]
    assert not tensors.unseen
