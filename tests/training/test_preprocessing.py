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
        [[1 / np.sqrt(1 + 1 / 9), 0, 0, 0, 1, 0, 1], [0, 0, 1, 0, 0, 1, 0]],
        atol=1e-6,
    )


def scaled(train, rows):
    """The one number of each row, as it enters the network."""
    schema = Schema(target="y", features=SCHEMA.features[:1], labels=("p", "q"))
    read = RowReader(schema).read
    return fit_preprocessing(schema, read([[x] for x in train]), standardize=True).transform(read([[x] for x in rows]))[
        :, 0
    ]


def smooth(x):
    return x / np.sqrt(1 + (x / 3) ** 2)


def test_numbers_are_counted_from_the_median_in_distances_of_the_quartiles():
    np.testing.assert_allclose(scaled(range(9), [4, 8, 0]), [0, smooth(1), smooth(-1)], rtol=1e-6)


def test_where_the_quartiles_are_one_half_the_range_is_the_measure():
    np.testing.assert_allclose(scaled([0] * 9 + [2, 10], [0, 10]), [0, smooth(2)], rtol=1e-6)


def test_two_values_lie_evenly_about_zero():
    np.testing.assert_allclose(scaled([3] * 9 + [7], [3, 7]), [smooth(-1), smooth(1)], rtol=1e-6)


def test_one_outlier_moves_the_scale_of_the_others_little():
    assert abs(scaled([*range(99), 1e30], [98])[0] - scaled(range(100), [98])[0]) < 0.02


def test_an_outlier_is_held_at_three():
    np.testing.assert_allclose(transform([[1e30, 5, "u", "x"], [-1e30, 5, "u", "x"]])[:, 0], [3, -3], rtol=1e-6)


def test_a_constant_feature_stays_finite():
    np.testing.assert_allclose(transform([[1.0, 6, "u", "x"]])[0, 1], smooth(1))


def test_without_standardising_numbers_are_left_alone_and_missing_ones_filled_with_the_median():
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
