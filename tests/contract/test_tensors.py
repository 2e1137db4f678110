"""Rows become tensors: whatever their form, the same numbers; whatever is wrong, InvalidRows and nothing else."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import InvalidRows
from contract.model_file import X_CAT, X_NUM
from contract.schema import Schema
from contract.tensors import Row, RowReader, Tensors
from tests.contract.rows import (
    FLOAT32_MAX,
    HALFWAY_TO_INFINITY,
    any_rows,
    as_float32,
    as_text,
    category,
    good_rows,
    number,
    schema_of,
    schemas,
    wrong_places,
)

MIXED = schema_of(number("age"), category("colour", "red", "green"), number("size"), category("rooms", "1", "2"))


def same(one: Tensors, other: Tensors) -> bool:
    return (
        np.array_equal(one.x_num, other.x_num, equal_nan=True)
        and np.array_equal(one.x_cat, other.x_cat)
        and one.unseen == other.unseen
    )


def bits(x: np.ndarray) -> list[list[int]]:
    """Floats by their bits, so that -0.0 is not 0.0, with every NaN alike."""
    return [[-1 if math.isnan(value) else int(np.float32(value).view(np.uint32)) for value in row] for row in x]


@given(data=st.data())
def test_good_rows_become_the_tensors_that_cell_by_cell_reading_gives(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    rows = data.draw(good_rows(schema))
    tensors = RowReader(schema).read(rows)
    numeric = [j for j, feature in enumerate(schema.features) if feature in schema.numeric]
    textual = [j for j, feature in enumerate(schema.features) if feature in schema.categorical]
    x_num = [[math.nan if row[j] is None else as_float32(row[j]) for j in numeric] for row in rows]
    x_cat = [[as_text(row[j]) for j in textual] for row in rows]
    assert tensors.x_num.dtype == np.float32
    assert tensors.x_num.shape == (len(rows), len(numeric))
    assert bits(tensors.x_num) == bits(np.array(x_num, dtype=np.float32).reshape(len(rows), len(numeric)))
    assert tensors.x_cat.dtype == object
    assert tensors.x_cat.shape == (len(rows), len(textual))
    assert tensors.x_cat.tolist() == x_cat
    assert all(type(text) is str for text in tensors.x_cat.flat)
    assert tensors.n_samples == len(rows)
    assert tensors.unseen == {
        index: names
        for index, row in enumerate(x_cat)
        if (
            names := [
                f.name for f, text in zip(schema.categorical, row, strict=True) if text not in ("", *f.categories)
            ]
        )
    }


@given(data=st.data())
def test_rows_as_objects_in_any_key_order_read_like_rows_as_lists(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    rows = data.draw(good_rows(schema))
    names = [feature.name for feature in schema.features]
    objects = []
    for row in rows:
        order = data.draw(st.permutations(range(len(names))))
        objects.append({names[j]: row[j] for j in order})
    reader = RowReader(schema)
    assert same(reader.read(objects), reader.read(rows))


@given(data=st.data())
def test_rows_as_tuples_read_like_rows_as_lists(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    rows = data.draw(good_rows(schema))
    reader = RowReader(schema)
    some_tuples: list[Any] = [tuple(row) if data.draw(st.booleans()) else row for row in rows]
    assert same(reader.read(some_tuples), reader.read(rows))


@settings(max_examples=300)
@given(data=st.data())
def test_any_json_value_is_read_or_every_fault_in_it_is_counted(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    rows = data.draw(any_rows(schema))
    wrong = wrong_places(schema, rows)
    if not wrong:
        assert RowReader(schema).read(rows).n_samples == len(rows)
        return
    with pytest.raises(InvalidRows) as caught:
        RowReader(schema).read(rows)
    assert caught.value.n_faults == len(wrong)
    told = [(fault.row, fault.feature) for fault in caught.value.faults]
    assert told == [(row, feature and feature.encode(errors="backslashreplace").decode()) for row, feature in wrong]


@pytest.mark.parametrize("row", [[None, None, None, None], dict.fromkeys(["age", "colour", "size", "rooms"])])
def test_null_is_nan_in_a_number_and_empty_in_a_text(row: Any) -> None:
    tensors = RowReader(MIXED).read([row])
    assert np.isnan(tensors.x_num).all()
    assert tensors.x_cat.tolist() == [["", ""]]
    assert tensors.unseen == {}


def test_nan_is_a_missing_number() -> None:
    assert np.isnan(RowReader(schema_of(number("age"))).read([[math.nan]]).x_num).all()


def test_the_empty_string_is_a_missing_text_and_not_an_unseen_one() -> None:
    tensors = RowReader(schema_of(category("colour", "red"))).read([[""], [None]])
    assert tensors.x_cat.tolist() == [[""], [""]]
    assert tensors.unseen == {}


@pytest.mark.parametrize("cell", [FLOAT32_MAX, -FLOAT32_MAX, math.nextafter(HALFWAY_TO_INFINITY, 0)])
def test_the_largest_float32_is_a_number(cell: float) -> None:
    (value,) = RowReader(schema_of(number("age"))).read([[cell]]).x_num.flat
    assert abs(value) == np.finfo(np.float32).max


@pytest.mark.parametrize(
    "cell",
    [HALFWAY_TO_INFINITY, 3.5e38, -3.5e38, math.inf, -math.inf, 10**39, 10**400, -(10**400), int(HALFWAY_TO_INFINITY)],
    ids=lambda cell: str(cell)[:9],
)
def test_a_number_that_float32_cannot_hold_is_a_fault(cell: float) -> None:
    with pytest.raises(InvalidRows, match="row 1, feature 'age': expected a finite float32 number or null"):
        RowReader(schema_of(number("age"))).read([[1.0], [cell]])


@pytest.mark.parametrize("cell", [True, False, "1", "", [], [1.0], {}, {"age": 1}])
@pytest.mark.parametrize("others", [(), (number("size"),), (category("colour", "red"),)], ids=["alone", "num", "cat"])
def test_a_cell_that_is_no_number_is_a_fault(cell: Any, others: tuple[Any, ...]) -> None:
    rest: list[Any] = [None] * len(others)
    with pytest.raises(InvalidRows) as caught:
        RowReader(schema_of(number("age"), *others)).read([[1, *rest], [cell, *rest], [2.5, *rest]])
    (fault,) = caught.value.faults
    assert (fault.row, fault.feature) == (1, "age")


@pytest.mark.parametrize("cell", [1, 1.0, math.nan, True, [], ["red"], {}])
def test_a_cell_that_is_no_text_is_a_fault(cell: Any) -> None:
    with pytest.raises(InvalidRows, match="row 1, feature 'colour': expected a string or null"):
        RowReader(MIXED).read([[1, "red", 1, "1"], [1, cell, 1, "1"]])


def test_an_integer_stands_for_its_text_where_all_categories_are_whole_numbers() -> None:
    tensors = RowReader(schema_of(category("rooms", "1", "-20", "0"))).read([[1], [-20], ["1"], [None], [0], [3]])
    assert tensors.x_cat.ravel().tolist() == ["1", "-20", "1", "", "0", "3"]
    assert tensors.unseen == {5: ["rooms"]}


@pytest.mark.parametrize("categories", [("1", "one"), ("007", "42"), ("1.0",), ("-0",), ("٣",), ("+1",), ("-",), ()])
def test_an_integer_stands_for_no_text_where_its_digits_would_not_be_that_text(categories: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRows, match="feature 'rooms': expected a string or null, got 7"):
        RowReader(schema_of(category("rooms", *categories))).read([[7]])


def test_a_boolean_stands_for_its_json_text_where_the_categories_are_those() -> None:
    reader = RowReader(schema_of(category("paid", "true", "false")))
    tensors = reader.read([[True], [False], ["true"], ["True"], [None]])
    assert tensors.x_cat.ravel().tolist() == ["true", "false", "true", "True", ""]
    assert tensors.unseen == {3: ["paid"]}


@pytest.mark.parametrize(
    ("categories", "cell", "expected"),
    [
        (("0", "1"), True, "a string, an integer or null"),
        (("0", "1"), 1.0, "a string, an integer or null"),
        (("true", "false"), 1, "a string, a boolean or null"),
        (("True", "False"), True, "a string or null"),
        (("red",), 1, "a string or null"),
    ],
)
def test_a_fault_says_which_types_a_feature_takes(categories: tuple[str, ...], cell: Any, expected: str) -> None:
    with pytest.raises(InvalidRows) as caught:
        RowReader(schema_of(category("c", *categories))).read([[cell]])
    (fault,) = caught.value.faults
    assert fault.expected == expected


def test_an_integer_too_long_to_write_out_is_a_fault() -> None:
    with pytest.raises(InvalidRows, match="feature 'rooms'"):
        RowReader(schema_of(category("rooms", "1", "2"))).read([[10**5000]])


def test_text_keeps_every_character() -> None:
    texts = ["a\0", "\0", "\0a", "😀", "e\u0301", "\U0010ffff", " ", "\n", "x" * 100_000]
    tensors = RowReader(schema_of(category("c", *texts))).read([[text] for text in texts])
    assert tensors.x_cat.ravel().tolist() == texts
    assert tensors.unseen == {}


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udc80\ud800"])
def test_text_that_is_not_unicode_is_a_fault(text: str) -> None:
    """It would not get into the string tensor of a model."""
    with pytest.raises(InvalidRows, match="row 0, feature 'colour': expected text that is valid Unicode"):
        RowReader(MIXED).read([[1, text, 1, "1"]])


def test_a_category_not_seen_in_training_is_flagged_by_row_and_feature() -> None:
    rows: list[Any] = [[1, "red", 1, "1"], [1, "blue", 1, 3], [1, "Red", 1, ""], [1, "green", 1, "9"]]
    tensors = RowReader(MIXED).read(rows)
    assert tensors.unseen == {1: ["colour", "rooms"], 2: ["colour"], 3: ["rooms"]}
    assert tensors.x_cat[1].tolist() == ["blue", "3"]


@pytest.mark.parametrize(
    ("schema", "n_num", "n_cat", "names"),
    [
        (MIXED, 2, 2, {X_NUM, X_CAT}),
        (schema_of(number("a")), 1, 0, {X_NUM}),
        (schema_of(number("a"), number("b")), 2, 0, {X_NUM}),
        (schema_of(category("a", "x")), 0, 1, {X_CAT}),
        (schema_of(category("a", "x"), category("b", "x")), 0, 2, {X_CAT}),
    ],
)
@pytest.mark.parametrize("n_samples", [0, 1, 3])
def test_a_feed_holds_the_inputs_that_the_model_has(
    schema: Schema, n_num: int, n_cat: int, names: set[str], n_samples: int
) -> None:
    feed = RowReader(schema).read([[None] * len(schema.features)] * n_samples).feed()
    assert set(feed) == names
    for name, dtype, width in ((X_NUM, "float32", n_num), (X_CAT, "object", n_cat)):
        if name in names:
            assert feed[name].dtype.name == dtype
            assert feed[name].shape == (n_samples, width)


def test_zero_rows_are_no_fault() -> None:
    tensors = RowReader(MIXED).read([])
    assert (tensors.n_samples, tensors.x_num.shape, tensors.x_cat.shape) == (0, (0, 2), (0, 2))
    assert tensors.unseen == {}


@pytest.mark.parametrize("row", ["ab", b"ab", range(2), {"a", "b"}, np.array(["a", "b"]), OrderedDict(a="x", b="y")])
def test_what_only_resembles_a_row_is_a_fault(row: Any) -> None:
    """A text of two letters is not a row of two texts."""
    with pytest.raises(InvalidRows, match="row 0: expected an array of values"):
        RowReader(schema_of(category("a", "x"), category("b", "y"))).read([row])


def test_a_mapping_that_invents_its_values_is_a_fault() -> None:
    inventive: Any = defaultdict(float, b=1.0)
    with pytest.raises(InvalidRows, match="row 0"):
        RowReader(schema_of(number("a"))).read([inventive])


def test_a_named_tuple_is_a_fault() -> None:
    class Point(NamedTuple):
        a: float

    with pytest.raises(InvalidRows, match="row 0: expected an array of values"):
        RowReader(schema_of(number("a"))).read([cast("Any", Point(1.0))])


@pytest.mark.parametrize("cell", [np.float64(1.5), np.float32(1.5), np.int64(1), np.bool_(1), np.str_("a")], ids=repr)
def test_a_numpy_scalar_is_a_fault_that_names_its_type(cell: Any) -> None:
    with pytest.raises(InvalidRows) as caught:
        RowReader(schema_of(number("a"))).read([[cell]])
    assert caught.value.faults[0].got == type(cell).__name__


def test_a_reader_does_not_change_its_rows() -> None:
    rows: list[Any] = [{"age": 1, "colour": "red", "size": None, "rooms": 2}]
    RowReader(MIXED).read(rows)
    assert rows == [{"age": 1, "colour": "red", "size": None, "rooms": 2}]


def test_threads_may_share_a_reader() -> None:
    reader = RowReader(MIXED)
    batches: list[list[Row]] = [[[i, "red", j, "1"] for j in range(20)] for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(reader.read, batches))
    assert all(same(tensors, reader.read(rows)) for tensors, rows in zip(answers, batches, strict=True))
