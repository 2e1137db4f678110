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
        [[np.sqrt(1.5), 0, 0, 0, 1, 0, 1], [0, 0, 1, 0, 0, 1, 0]],
        atol=1e-6,
    )


def test_standardised_train_numbers_have_mean_zero_and_deviation_one():
    numbers = transform([row for row in TRAIN if row[0] is not None])[:, 0]
    assert abs(numbers.mean()) < 1e-6
    assert abs(numbers.std() - 1) < 1e-6


def test_an_outlier_is_held_at_ten_deviations():
    assert transform([[1e30, 5, "u", "x"], [-1e30, 5, "u", "x"]])[:, 0].tolist() == [10, -10]


def test_a_constant_feature_stays_finite():
    assert transform([[1.0, 6, "u", "x"]])[0, 1] == 1


def test_without_standardising_numbers_are_left_alone_and_missing_ones_filled_with_the_mean():
    np.testing.assert_allclose(
        transform([[7.5, 5, "u", "x"], [None, 5, "u", "x"]], standardize=False)[:, 0], [7.5, 2.0]
    )


def test_answers_are_float32():
    assert transform(TRAIN).dtype == np.float32


def test_a_feature_that_hardly_varies_stays_finite():
    schema = Schema(target="y", features=SCHEMA.features[1:2], labels=("p", "q"))
    reader = RowReader(schema)
    tensors = reader.read([[0.0], [1e-44]])
    assert np.isfinite(fit_preprocessing(schema, tensors, standardize=True).transform(tensors)).all()
