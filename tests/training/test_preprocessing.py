"""Raw values become network inputs the same way for every row."""

import numpy as np

from contract.schema import CategoricalFeature, NumericFeature, Schema
from contract.tensors import RowReader
from training.preprocessing import fit_preprocessing

SCHEMA = Schema(
    target="y",
    features=(
        NumericFeature(name="a", missing=True, minimum=0, maximum=1, quantiles=()),
        NumericFeature(name="constant", missing=False, minimum=5, maximum=5, quantiles=()),
        CategoricalFeature(name="c", missing=True, categories=("u", "v")),
        CategoricalFeature(name="d", missing=False, categories=("x",)),
    ),
    labels=("p", "q"),
)
TRAIN = [[1.0, 5, "u", "x"], [3.0, 5, "v", "x"], [None, 5, None, "x"], [2.0, 5, "u", "x"]]


def transform(rows, *, standardize=True):
    reader = RowReader(SCHEMA)
    return fit_preprocessing(SCHEMA, reader.read(TRAIN), standardize=standardize).transform(reader.read(rows))


def test_columns_are_numbers_then_indicators_then_categories():
    np.testing.assert_allclose(
        transform([[3.0, 5, "v", "x"], [None, 5, None, "never"]]),
        [[1, 0, 0, 0, 1, 0, 1], [0, 0, 1, 0, 0, 1, 0]],
        atol=1e-6,
    )


def test_without_standardising_numbers_are_left_alone_and_missing_ones_filled_with_the_median():
    np.testing.assert_allclose(
        transform([[7.5, 5, "u", "x"], [None, 5, "u", "x"]], standardize=False)[:, 0], [7.5, 2.0]
    )


def test_answers_are_float32():
    assert transform(TRAIN).dtype == np.float32
