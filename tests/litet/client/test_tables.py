"""What callers have rows in, read for a model."""

import sys
from collections import OrderedDict, UserDict, deque, namedtuple
from datetime import date
from enum import StrEnum
from types import ModuleType

import numpy as np
import pandas as pd
import polars as pl
import pytest

from contract.errors import InvalidData, InvalidRows
from contract.schema import CategoricalFeature, NumericFeature, Schema
from contract.tensors import RowReader
from litet.client.tables import MAX_JSON_ROWS, read_table

NAN = float("nan")


def category(name: str, *texts: str) -> CategoricalFeature:
    return CategoricalFeature(name=name, missing=True, categories=texts)


WING = NumericFeature(name="wing", missing=True, minimum=0.0, maximum=1.0, quantiles=(0.0,) * 7)
READER = RowReader(
    Schema(
        target="bird",
        features=(
            WING,
            category("place", "north", "south"),
            category("ring", "1", "2"),
            category("old", "true", "false"),
        ),
        labels=("owl", "crow"),
    )
)
ROWS = [[1.5, "north", 1, True], [None, None, None, None], [2, "west", 2, False]]
COLUMNS = {name: [row[j] for row in ROWS] for j, name in enumerate(READER.names)}
Row = namedtuple("Row", READER.names)


class Place(StrEnum):
    NORTH = "north"


def read(rows):
    tensors = read_table(rows).read(READER)
    numbers = [None if np.isnan(number) else number for number in tensors.x_num.ravel().tolist()]
    return numbers, tensors.x_cat.tolist(), tensors.unseen


EXPECTED = (
    [1.5, None, 2.0],
    [["north", "1", "true"], ["", "", ""], ["west", "2", "false"]],
    {2: ["place"]},
)
FORMS = {
    "lists": ROWS,
    "tuples": tuple(map(tuple, ROWS)),
    "named tuples": [Row(*row) for row in ROWS],
    "arrays": [np.array(row, object) for row in ROWS],
    "another sequence": deque(ROWS),
    "dicts": [dict(zip(READER.names, row, strict=True)) for row in ROWS],
    "other mappings": [OrderedDict(COLUMNS) | dict(zip(READER.names, row, strict=True)) for row in ROWS],
    "user's mappings": [UserDict(zip(reversed(READER.names), reversed(row), strict=True)) for row in ROWS],
    "columns": COLUMNS,
    "columns, and others": {"id": [date(2026, 1, 1)] * 3, **COLUMNS, 7: None},
    "tuples as columns": {name: tuple(column) for name, column in COLUMNS.items()},
    "arrays as columns": {name: np.array(column, object) for name, column in COLUMNS.items()},
    "arrays of their own types": {
        "wing": np.array([1.5, NAN, 2]), "place": np.array(["north", "", "west"]), "ring": np.array([1, NAN, 2]),
        "old": np.array([True, None, False], object),
    },
    "polars series": {name: pl.Series(column, strict=False) for name, column in COLUMNS.items()},
    "polars frame": pl.DataFrame(COLUMNS, strict=False),
    "polars frame, other types and columns": pl.DataFrame(COLUMNS, strict=False)
    .cast({"wing": pl.Float32, "place": pl.Categorical, "ring": pl.UInt8})
    .with_columns(day=date(2026, 1, 1)),
    "matrix": np.array(ROWS, object),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_same_rows_are_read_alike_from_every_form(form):
    assert read(FORMS[form]) == EXPECTED


def test_cells_are_known_by_what_they_are():
    cells = [[np.float32(1.5), np.str_("north"), np.int8(1), np.bool(True)], [NAN, NAN, np.float64(NAN), None],
             [np.uint64(2), "west", 2, False]]  # fmt: skip
    assert read(cells) == EXPECTED
    assert read({name: [row[j] for row in cells] for j, name in enumerate(READER.names)}) == EXPECTED
    assert read([[1, Place.NORTH, 1, True]])[1] == [["north", "1", "true"]]


def test_pandas_words_for_missing_are_understood_where_it_is_there(monkeypatch):
    pandas = ModuleType("pandas")
    pandas.NA, pandas.NaT = object(), object()
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert read([[pandas.NA, pandas.NaT, pandas.NA, pandas.NA]]) == ([None], [["", "", ""]], {})


def test_a_frame_of_pandas_is_read_as_any_other():
    frame = pd.DataFrame(COLUMNS)
    assert frame["ring"].dtype == "float64"
    assert read(frame) == EXPECTED
    assert read(dict(frame)) == EXPECTED
    typed = frame.astype({"wing": "Float64", "ring": "Int64", "old": "boolean", "place": "category"})
    assert read(typed) == EXPECTED
    assert read(typed.to_dict("records")) == EXPECTED
    assert read(frame.assign(day=pd.Timestamp(0))) == EXPECTED


def test_integers_are_rounded_as_numbers_in_json_are():
    # Half-way between two float32, by less than float64 can say.
    number = 2**60 + 2**36 + 1
    columns = COLUMNS | {"wing": np.array([number] * 3)}
    assert read(columns)[0] == read([[number, *row[1:]] for row in ROWS])[0] == [float(np.float32(float(number)))] * 3


def test_whole_floats_of_an_array_are_integers_where_categories_are():
    assert read(COLUMNS | {"ring": np.array([1, NAN, 2], np.float32)}) == EXPECTED
    for floats in (np.array([1.5, 1, 1]), [1.0, 1.0, 1.0]):
        with pytest.raises(InvalidRows, match="feature 'ring': expected a string, an integer or null"):
            read(COLUMNS | {"ring": floats})


@pytest.mark.parametrize(
    ("name", "column", "fault"),
    [
        ("wing", np.array([True, False, True]), "a finite float32 number or null, got true (and 2 more)"),
        ("wing", np.array([1.5, np.inf, 1]), "a finite float32 number or null, got Infinity"),
        ("wing", [1, 1e39, 1], "a finite float32 number or null, got 1e+39"),
        ("wing", [1, 10**400, 1], "a finite float32 number or null, got 1000000"),
        ("wing", ["1", 1, 1], "a finite float32 number or null, got \"1\""),
        ("wing", [date(2026, 1, 1)] * 3, "a finite float32 number or null, got date (and 2 more)"),
        ("place", np.array([1, 2, 3]), "a string or null, got 1 (and 2 more)"),
        ("place", ["north", "\ud800", ""], r'text that is valid Unicode, got "\ud800"'),
        ("place", [["north"], None, None], "a string or null, got an array"),
        ("old", np.array([1, 0, 1]), "a string, a boolean or null, got 1 (and 2 more)"),
        ("place", pl.Series([date(2026, 1, 1), None, None]), "a string or null, got date"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(name, column, fault):
    with pytest.raises(InvalidRows) as invalid:
        read(COLUMNS | {name: column})
    assert f"feature {name!r}: expected {fault}" in str(invalid.value)


@pytest.mark.parametrize("rows", [[1, 2], ["ab"], [None], [[1.5]], [{}], [ROWS[0], {}]])
def test_what_is_no_row_is_named(rows):
    with pytest.raises(InvalidRows, match=r"^row \d"):
        read(rows)


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ("north", "rows must be a list of rows, .* got str"),
        (b"north", "got bytes"),
        (5, "got int"),
        (None, "got NoneType"),
        (pl.Series([1]), "got Series"),
        (pl.LazyFrame(COLUMNS, strict=False), "got LazyFrame"),
        (np.zeros(4), r"a matrix must have two dimensions, .* got the shape \(4,\) and the dtype float64"),
        (np.zeros((1, 4), complex), "got the shape .* complex128"),
        (np.zeros((1, 4), "M8[s]"), "got the shape .* datetime64"),
        (np.zeros((1, 3)), r"a matrix must have 4 columns \(wing, place, ring, old\), got 3"),
        ({}, "a table must have a column for each feature, lacks wing, place, ring, old"),
        ({**COLUMNS, "wing": 1.5}, "column 'wing' must hold numbers, booleans or texts, got a float"),
        ({**COLUMNS, "wing": np.zeros((3, 1))}, "got an array of float64"),
        ({**COLUMNS, "wing": np.zeros(3, "M8[s]")}, "got an array of datetime64"),
        ({**COLUMNS, "wing": [1.5]}, "columns must all have as many rows, got 1 and 3"),
    ],
)
def test_what_is_no_table_is_refused(rows, rule):
    with pytest.raises(InvalidData, match=rule):
        read(rows)


def test_few_rows_are_said_in_json():
    body = read_table([{"wing": NAN, "place": np.str_("nö"), "ring": np.int8(1), "old": float("inf")}]).to_json()
    assert body == '{"instances":[{"wing":null,"place":"nö","ring":1,"old":Infinity}]}'.encode()
    assert read_table([[1]] * MAX_JSON_ROWS).to_json() is not None
    assert read_table([[1]] * (MAX_JSON_ROWS + 1)).to_json() is None


@pytest.mark.parametrize("row", [[date(2026, 1, 1)], {1: 2}, 5, [[1]], {"wing": {}}, [10**5000], ["\ud800"]])
def test_rows_that_json_cannot_say_are_not_said(row):
    assert read_table([row]).to_json() is None
