"""Labels keep their type, and a column that holds none is refused."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from contract.errors import InvalidData
from training.labels import label_indices, read_labels

# Labels


def labels_of(cells, dtype=None):
    labels, y = read_labels(pl.DataFrame({"y": pl.Series(cells, dtype=dtype)}), "y")
    return labels, y.tolist()


def typed(labels):
    return [(type(label), label) for label in labels]


def refusal(cells, dtype=None):
    with pytest.raises(InvalidData) as caught:
        labels_of(cells, dtype)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["b", "a", "Ä"], ["a", "b", "Ä"]),
        (["10", "9", "-1"], [-1, 9, 10]),
        (["1.0", "0.00", "+2"], [0, 1, 2]),
        (["True", "FALSE", "true"], [False, True]),
        (["007", "8", "9"], ["007", "8", "9"]),
        (["1", "2", "x"], ["1", "2", "x"]),
        (["1", "0.5", "x"], ["0.5", "1", "x"]),
        (["true", "maybe"], ["maybe", "true"]),
        (["9" * 18, "9" * 19], ["9" * 18, "9" * 19]),
        (["0", "1e3"], ["0", "1e3"]),
        ([10, 9, -1], [-1, 9, 10]),
        ([2.0, -1.0], [-1, 2]),
        ([True, False], [False, True]),
    ],
)
def test_labels_keep_their_type_and_are_sorted(cells, labels):
    assert typed(labels_of(cells * 3)[0]) == typed(labels)


def test_a_label_has_one_index_however_it_is_written():
    assert labels_of(["1", "1.0", "+1", "0", "00"[:1], "-0"]) == ((0, 1), [1, 1, 1, 0, 0, 0])
    assert labels_of(["True", "true", "TRUE", "false", "False", "FALSE"]) == ((False, True), [1, 1, 1, 0, 0, 0])


def test_missing_labels_have_the_index_minus_one():
    _, y = read_labels(pl.DataFrame({"y": ["b", None, "a", "", "a", "b", "a", "b"]}), "y")
    assert y.dtype == np.int64
    assert y.tolist() == [1, -1, 0, -1, 0, 1, 0, 1]
    assert labels_of([1.0, math.nan, None, 2.0, 1.0, 2.0, 1.0, 2.0])[1] == [0, -1, -1, 1, 0, 1, 0, 1]


def test_categories_of_polars_are_labels():
    assert labels_of(["b", "a"] * 3, pl.Categorical)[0] == ("a", "b")


@pytest.mark.parametrize("cells", [["0.5", "1"], ["1.5", "2.25"], [0.5, 1.0]])
def test_fractions_are_no_labels(cells):
    assert "must hold text, integers or booleans, got" in refusal(cells * 3)
    assert "looks like a quantity" in refusal(cells * 3)


@pytest.mark.parametrize(
    "cells", [range(21), [f"u{index}" for index in range(30)] * 2, list(range(1_001)) * 5, [k * 0.5 for k in range(50)]]
)
def test_too_many_classes_look_like_a_quantity_or_an_id(cells):
    assert "must hold classes, got" in refusal(cells)
    assert "it looks like a quantity or an id" in refusal(cells)


def test_many_classes_with_enough_rows_are_classes():
    assert len(labels_of(list(range(1_000)) * 3)[0]) == 1_000


@pytest.mark.parametrize(("cells", "got"), [(["a"] * 5, '"a"'), ([None] * 5, "none"), ([True] * 5, "true")])
def test_fewer_than_two_classes_are_an_error(cells, got):
    assert refusal(cells).endswith(f"must hold at least two classes, got {got}")


def test_a_class_of_fewer_than_three_rows_is_an_error_that_names_it():
    assert refusal(["a", "b", "c"] * 2 + ["a", "a"]).endswith(
        'must have at least 3 rows, one each to train, validate and test on; got "b" with 2, "c" with 2'
    )


@pytest.mark.parametrize("cell", [dt.date(2024, 1, 31), [1], {"f": 1}])
def test_dates_and_nested_types_are_no_labels(cell):
    assert "must hold text, integers or booleans, got" in refusal([cell] * 5)


def test_labels_need_their_column():
    with pytest.raises(InvalidData, match=r"the target must be a column of the table, got 'Y' \(did you mean 'y'\?\)"):
        read_labels(pl.DataFrame({"y": ["a"]}), "Y")


@pytest.mark.parametrize(
    "cells",
    [["b", None, "a"], ["10", "9", None], ["1.0", "0", ""], ["True", "false"], ["007", "7"], [1, 2], [True, False]],
)
def test_known_labels_are_found_where_read_labels_found_them(cells):
    frame = pl.DataFrame({"y": cells * 3})
    labels, y = read_labels(frame, "y")
    known = label_indices(labels, frame, "y")
    assert known.dtype == np.int64
    assert known.tolist() == y.tolist()


def test_known_labels_are_found_in_rows_that_lack_some():
    labels = (False, True)
    assert label_indices(labels, pl.DataFrame({"y": ["TRUE", None, "true"]}), "y").tolist() == [1, -1, 1]
    assert label_indices((1, 2, 3), pl.DataFrame({"y": [3.0, math.nan]}), "y").tolist() == [2, -1]
    assert label_indices(("a", "b"), pl.DataFrame({"y": ["b"]}), "y").tolist() == [1]
    assert label_indices(("1", "x"), pl.DataFrame({"y": ["1"]}), "y").tolist() == [0]
    assert label_indices(("a", "b"), pl.DataFrame({"y": [None, None]}, schema={"y": pl.String}), "y").tolist() == [
        -1,
        -1,
    ]


@pytest.mark.parametrize(
    ("labels", "cells", "got"),
    [
        (("a", "b"), ["b", "c", "c"], '("a", "b"), got "c" in row 1'),
        ((1, 2), ["1", "2", "one"], '(1, 2), got "one" in row 2'),
        ((0, 1), ["true"], '(0, 1), got "true" in row 0'),
        ((False, True), ["1"], '(false, true), got "1" in row 0'),
    ],
)
def test_a_label_that_the_model_does_not_know_is_an_error_that_names_its_row(labels, cells, got):
    with pytest.raises(InvalidData) as caught:
        label_indices(labels, pl.DataFrame({"y": cells}), "y")
    assert got in str(caught.value)


@pytest.mark.parametrize("name", ["count", "text", "rows"])
def test_a_target_may_have_any_name(name):
    assert read_labels(pl.DataFrame({name: ["a", "b"] * 3}), name)[0] == ("a", "b")
