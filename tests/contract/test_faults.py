"""What an error about rows says: each fault by its place, and never more than a reader can use."""

from __future__ import annotations

import copy
import pickle
import time
from typing import Any

import msgspec
import pytest

from contract.errors import Fault, InvalidRows
from contract.faults import MAX_FAULTS, MAX_SHOWN
from contract.schema import Schema
from contract.tensors import RowReader
from tests.contract.rows import category, number, schema_of

FLOWER = schema_of(number("length"), number("width"), category("colour", "red", "blue"))


def faults_of(rows: list[Any], schema: Schema = FLOWER) -> tuple[Fault, ...]:
    with pytest.raises(InvalidRows) as caught:
        RowReader(schema).read(rows)
    return caught.value.faults


def n_faults_of(rows: list[Any], schema: Schema = FLOWER) -> int:
    with pytest.raises(InvalidRows) as caught:
        RowReader(schema).read(rows)
    return caught.value.n_faults


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (
            [[1, 2, "red"], [1, 2]],
            Fault(row=1, expected="3 values (length, width, colour)", got="2"),
        ),
        ([[]], Fault(row=0, expected="3 values (length, width, colour)", got="0")),
        ([1], Fault(row=0, expected="an array of values", got="a number")),
        ([1.5], Fault(row=0, expected="an array of values", got="a number")),
        ([True], Fault(row=0, expected="an array of values", got="a boolean")),
        ([None], Fault(row=0, expected="an array of values", got="null")),
        (["red"], Fault(row=0, expected="an array of values", got="a string")),
        ([[1, 2, "red"], {}], Fault(row=1, expected="an array of values", got="an object")),
        (
            [{"length": 1, "width": 2, "colour": "red"}, [1, 2, "red"]],
            Fault(row=1, expected="an object, as the first row is", got="an array"),
        ),
        (
            [{"length": 1, "width": 2, "colour": "red"}, (1, 2, "red")],
            Fault(row=1, expected="an object, as the first row is", got="an array"),
        ),
        (
            [{"length": 1, "width": 2}],
            Fault(row=0, feature="colour", expected="a value, or null where it is missing", got="nothing"),
        ),
        (
            [{"length": 1, "width": 2, "colour": "red", "weight": 3}],
            Fault(row=0, feature="weight", expected="only features of the model", got="another"),
        ),
        ([["x", 2, "red"]], Fault(row=0, feature="length", expected="a finite float32 number or null", got='"x"')),
        ([[1, True, "red"]], Fault(row=0, feature="width", expected="a finite float32 number or null", got="true")),
        ([[1, 1e39, "red"]], Fault(row=0, feature="width", expected="a finite float32 number or null", got="1e+39")),
        ([[1, 2, 3]], Fault(row=0, feature="colour", expected="a string or null", got="3")),
        ([[1, 2, ["red"]]], Fault(row=0, feature="colour", expected="a string or null", got="an array")),
        ([[1, 2, {}]], Fault(row=0, feature="colour", expected="a string or null", got="an object")),
        ([[1, 2, "\ud800"]], Fault(row=0, feature="colour", expected="text that is valid Unicode", got='"\\ud800"')),
    ],
    ids=str,
)
def test_a_fault_says_where_it_is_and_what_was_expected(rows: list[Any], fault: Fault) -> None:
    assert faults_of(rows) == (fault,)


def test_the_message_names_the_first_fault_and_counts_the_others() -> None:
    with pytest.raises(InvalidRows) as caught:
        RowReader(FLOWER).read([[1, 2, "red"], ["x", "y", 3]])
    assert str(caught.value) == (
        "row 1, feature 'length': expected a finite float32 number or null, got \"x\" (and 2 more)"
    )


def test_the_message_of_a_single_fault_counts_nothing() -> None:
    with pytest.raises(InvalidRows, match=r"^row 0: expected 3 values \(length, width, colour\), got 1$"):
        RowReader(FLOWER).read([[1]])


def test_faults_come_in_row_order_and_within_a_row_in_feature_order() -> None:
    rows = [[1, 2, 3], [1], [True, 2, 3], None, ["x", 2, "red"]]
    assert [(fault.row, fault.feature) for fault in faults_of(rows)] == [
        (0, "colour"),
        (1, None),
        (2, "length"),
        (2, "colour"),
        (3, None),
        (4, "length"),
    ]


def test_faults_in_many_columns_are_told_row_by_row() -> None:
    schema = schema_of(*(number(f"n{j}") for j in range(20)))
    told = [(fault.row, fault.feature) for fault in faults_of([["x"] * 20] * 1_000, schema)]
    assert told == [(i // 20, f"n{i % 20}") for i in range(MAX_FAULTS)]


def test_missing_features_come_before_unknown_ones() -> None:
    row = {"z": 1, "b": 2, "width": 3}
    assert [fault.feature for fault in faults_of([row])] == ["length", "colour", "b", "z"]


def test_the_cells_of_a_row_of_the_wrong_shape_are_not_faults_as_well() -> None:
    assert n_faults_of([["x", "y"]]) == 1
    assert n_faults_of([{"length": "x", "width": "y"}]) == 1


@pytest.mark.parametrize(
    ("rows", "n_faults"),
    [
        ([["x", "y", 1]] * 1_000, 3_000),
        ([[]] * 1_000, 1_000),
        ([{}] * 1_000, 3_000),
        ([{f"other_{i}": 1 for i in range(1_000)}], 1_003),
        ([["x", 2, "red"], []] * 500, 1_000),
    ],
    ids=["cells", "lengths", "missing", "unknown", "both"],
)
def test_all_faults_are_counted_and_the_first_are_spelt_out(rows: list[Any], n_faults: int) -> None:
    with pytest.raises(InvalidRows) as caught:
        RowReader(FLOWER).read(rows)
    assert caught.value.n_faults == n_faults
    assert len(caught.value.faults) == MAX_FAULTS
    assert [fault.row for fault in caught.value.faults] == sorted(fault.row for fault in caught.value.faults)


def test_the_first_faults_are_the_first_of_both_kinds() -> None:
    rows = [*([[]] * 10), *([["x", 2, "red"]] * 100), *([[]] * 100)]
    assert [fault.row for fault in faults_of(rows)] == list(range(MAX_FAULTS))


@pytest.mark.parametrize(
    "row",
    [
        ["x" * 1_000_000, 2, "red"],
        ["\0" * 1_000_000, 2, "red"],
        ["å" * 1_000_000, 2, "red"],
        [10**400, 2, "red"],
        [10**5000, 2, "red"],
        [[1] * 1_000_000, 2, "red"],
        [1, 2, "\ud800" * 1_000_000],
        {"x" * 1_000_000: 1, "width": 2, "colour": "red"},
        {"length": 1, "width": 2, "colour": {"x" * 1_000_000: 1}},
    ],
    ids=["ascii", "controls", "latin", "400 digits", "5000 digits", "array", "surrogates", "key", "object"],
)
def test_a_fault_stays_short_however_long_its_value(row: Any) -> None:
    for fault in faults_of([row]):
        assert len(fault.got) <= MAX_SHOWN + 1
        assert len(fault.feature or "") <= MAX_SHOWN + 1


def test_a_model_with_long_feature_names_has_short_faults() -> None:
    schema = schema_of(*(number(f"{i}" + "x" * 100) for i in range(1_000)))
    (fault,) = faults_of([[1]], schema)
    assert len(fault.expected) < 2 * MAX_SHOWN


@pytest.mark.parametrize("depth", [10, 1_000, 100_000])
def test_a_value_nested_however_deep_is_a_fault_and_no_recursion(depth: int) -> None:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    (fault,) = faults_of([[nested, 2, "red"]])
    assert (fault.feature, fault.got) == ("length", "an array")


def test_a_value_that_holds_itself_is_a_fault() -> None:
    loop: list[Any] = []
    loop.append(loop)
    (fault,) = faults_of([[loop, 2, "red"]])
    assert fault.got == "an array"


@pytest.mark.parametrize("key", [1, None, b"length", ("length",)])
def test_keys_that_are_not_text_are_unknown_features(key: Any) -> None:
    assert n_faults_of([{key: 1, "width": 2, "colour": "red"}]) == 2
    assert n_faults_of([{key: 1, "other": 2, "colour": "red"}]) == 4


@pytest.mark.parametrize("row", [{"\ud800": 1, "width": 2, "colour": "red"}, [1, 2, "\ud800"], ["\ud800", 2, "red"]])
def test_faults_can_be_written_as_json_whatever_was_sent(row: Any) -> None:
    assert msgspec.json.encode(faults_of([row]))


def test_a_fault_of_a_whole_row_has_no_feature_in_json() -> None:
    assert msgspec.json.encode(Fault(row=3, expected="an array of values", got="null")) == (
        b'{"row":3,"expected":"an array of values","got":"null"}'
    )


@pytest.mark.parametrize("back_again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_the_error_crosses_processes(back_again: Any) -> None:
    error = InvalidRows([Fault(row=0, expected="an array of values", got="null")], 7)
    again = back_again(error)
    assert (again.faults, again.n_faults, str(again)) == (error.faults, 7, str(error))


def test_a_large_wrong_body_costs_little_more_than_a_large_right_one() -> None:
    """Finding faults is linear: 200,000 wrong cells take some 30 ms, and were it quadratic, minutes."""
    schema = schema_of(*(number(f"n{i}") for i in range(20)))
    started = time.perf_counter()
    assert n_faults_of([["x"] * 20] * 10_000, schema) == 200_000
    assert time.perf_counter() - started < 2
