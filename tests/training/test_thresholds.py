"""Thresholds are found where the classes change, and become inputs."""

import numpy as np
import pytest

from contract.schema import NumericFeature, Schema
from contract.tensors import Tensors
from training.preprocessing import fit_preprocessing
from training.thresholds import FEW_VALUES, MIN_ROWS, NO_THRESHOLDS, OF_CODES, Thresholds, find_thresholds


def column(values):
    return np.array(values, np.float32)[:, None]


SPIKED = column([*range(10), *[0] * 12] * 20)
"""The values 0 to 9, of which 0 fills more than half of the rows."""


def labels(where):
    return where[:, 0].astype(np.int64)


def test_a_threshold_stands_between_two_values_where_the_class_changes():
    found = find_thresholds(SPIKED, labels(SPIKED >= 7), 32)
    assert found.columns.tolist() == [0]
    assert found.values.tolist() == [6.5]


def test_a_value_unlike_its_neighbours_gets_a_threshold_on_either_side():
    assert find_thresholds(SPIKED, labels(SPIKED == 4), 32).values.tolist() == [3.5, 4.5]


@pytest.mark.parametrize(("n_values", "has_threshold"), [(FEW_VALUES, True), (FEW_VALUES + 1, False)])
def test_numbers_of_few_values_need_no_spike(n_values, has_threshold):
    x = column(list(range(n_values)) * 20) / 2
    assert find_thresholds(x, labels(x == 0), 32).values.tolist() == [0.25] * has_threshold


def test_there_are_no_more_than_asked_for_and_they_ascend():
    rng = np.random.default_rng(0)
    x = np.maximum(rng.integers(-120, 100, (5_000, 3)), 0).astype(np.float32)
    found = find_thresholds(x, rng.integers(0, 3, 5_000), 8)
    for feature in range(3):
        values = found.values[found.columns == feature]
        assert 0 < len(values) <= 8
        assert (np.diff(values) > 0).all()
    assert found.columns.tolist() == sorted(found.columns.tolist())


@pytest.mark.parametrize(
    "values",
    [[1] * 200, [0, 1] * 100, [np.nan] * 200, np.linspace(0, 1, 200), [0] * 99 + list(range(1, 102))],
    ids=["constant", "two values", "nothing", "continuous", "just no spike"],
)
def test_features_with_neither_spike_nor_few_values_and_those_of_two_values_have_none(values):
    x = column(values)
    assert find_thresholds(x, (np.arange(200) // 100).astype(np.int64), 32) is NO_THRESHOLDS


CODES = np.random.default_rng(0).permutation(np.repeat(np.arange(90), 40))
"""Of 90 names, each 40 times."""
NAMED = np.random.default_rng(1).random(90)[CODES] < 0.5
"""A class of each name's own."""


def test_codes_have_thresholds_between_any_two_values_that_differ():
    found = find_thresholds(column(CODES), NAMED.astype(np.int64), 32)
    differs = [NAMED[code == CODES][0] for code in range(90)]
    assert found.values.tolist() == [code + 0.5 for code in range(89) if differs[code] != differs[code + 1]]
    assert len(found.values) > 32  # most of which other numbers get
    assert len(find_thresholds(column(CODES), NAMED.astype(np.int64), 4).values) == 4 * OF_CODES


@pytest.mark.parametrize(
    ("values", "where"),
    [(CODES / 2, NAMED), (CODES, CODES >= 45), (CODES * 40 + np.arange(3_600) % 40, NAMED)],
    ids=["no whole numbers", "smooth", "few rows of each"],
)
def test_many_numbers_that_are_no_codes_have_none(values, where):
    assert find_thresholds(column(values), where.astype(np.int64), 32) is NO_THRESHOLDS


def test_none_are_looked_for_where_none_are_wanted():
    assert find_thresholds(SPIKED, labels(SPIKED >= 7), 0) is NO_THRESHOLDS


def test_missing_numbers_say_nothing_of_where_a_threshold_is():
    x = np.concatenate([SPIKED, column([np.nan] * 200)])
    assert find_thresholds(x, labels(np.nan_to_num(x, nan=9) >= 5), 32).values.tolist() == [4.5]


@pytest.mark.parametrize(("n_rows", "expected"), [(MIN_ROWS - 1, []), (MIN_ROWS, [0.5])])
def test_a_threshold_must_have_enough_rows_on_each_side(n_rows, expected):
    x = column([0] * 200 + [1, 2] * n_rows)[: 200 + n_rows]
    assert find_thresholds(x, labels(x > 0), 32).values.tolist() == expected


def test_a_number_is_above_the_thresholds_below_it_and_a_missing_one_above_none():
    schema = Schema(
        target="y",
        features=tuple(
            NumericFeature(name=name, missing=False, minimum=0, maximum=9, quantiles=()) for name in ("a", "b")
        ),
        labels=("p", "q"),
    )
    rows = Tensors(np.array([[1, 5], [5, np.nan], [2, 9]], np.float32), np.empty((3, 0), object), {})
    thresholds = Thresholds(np.array([0, 1, 1]), np.array([1.5, 2.0, 5.0], np.float32))
    x = fit_preprocessing(schema, rows, standardize=False, thresholds=thresholds).transform(rows)
    np.testing.assert_array_equal(x[:, 2:], [[0, 1, 0], [1, 0, 0], [1, 1, 1]])
