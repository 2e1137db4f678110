"""Numbers, however skewed, lie evenly on the scale on which the network meets them."""

import numpy as np
import pytest

from training.scaling import LIMIT, find_scaling
from training.thresholds import FEW_VALUES

NORMAL = np.random.default_rng(0).normal(size=2000)
AMOUNTS = np.exp(1.5 * NORMAL)
"""Log-normal: a twentieth is below a twelfth of the median, as many above twelve times of it."""
MIXED = [1, 3, 4, 10, 1e6]


def column(values):
    return np.asarray(values, np.float32)[:, None]


def scaled(train, values=None):
    return find_scaling(column(train)).apply(column(train if values is None else values))[:, 0]


@pytest.mark.parametrize("train", [NORMAL, AMOUNTS, -AMOUNTS, range(9)], ids=["even", "skewed", "below", "nine"])
def test_the_median_is_0_and_the_quartiles_are_1_apart(train):
    low, median, high = np.quantile(scaled(train), [0.25, 0.5, 0.75])
    assert median == pytest.approx(0, abs=1e-3)
    assert high - low == pytest.approx(1, rel=1e-3)


def test_where_the_quartiles_are_one_half_the_range_is_the_measure():
    assert scaled([0] * 9 + [2, 10], [0, 10]).tolist() == pytest.approx([0, 2], rel=1e-6)


def test_two_values_lie_evenly_about_zero():
    assert scaled([3] * 9 + [7], [3, 7]).tolist() == pytest.approx([-1, 1], rel=1e-6)


def test_one_outlier_moves_the_scale_of_the_others_little():
    assert abs(scaled([*range(99), 1e30], [98])[0] - scaled(range(100), [98])[0]) < 0.02


def test_what_never_varied_is_counted_from_its_value():
    assert scaled([5] * 9, [5, 6]).tolist() == pytest.approx([0, np.arcsinh(1)])


def test_amounts_become_their_logarithms():
    assert np.corrcoef(scaled(AMOUNTS), NORMAL)[0, 1] > 0.999
    lower, upper = np.quantile(scaled(AMOUNTS), [0.05, 0.95])
    assert upper == pytest.approx(-lower, rel=0.01)


def test_a_long_tail_below_is_the_mirror_of_one_above():
    np.testing.assert_allclose(scaled(-AMOUNTS), -scaled(AMOUNTS), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("train", [NORMAL, AMOUNTS], ids=["even", "skewed"])
def test_neither_unit_nor_zero_matters(train):
    np.testing.assert_allclose(scaled(250 * train + 32), scaled(train), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("train", [NORMAL, np.exp(NORMAL / 7)], ids=["even", "hardly skewed"])
def test_even_numbers_stay_nearly_as_they_are_within_the_quartiles(train):
    middle = np.sort(train)[500:1500]
    low, high = middle[0], middle[-1]
    np.testing.assert_allclose(scaled(train, middle), (middle - np.median(train)) / (high - low), atol=0.01)


@pytest.mark.parametrize("train", [NORMAL, AMOUNTS], ids=["even", "skewed"])
def test_how_far_out_a_number_is_still_shows(train):
    far = np.quantile(train, 0.99) * np.array([1, 3, 9])
    steps = np.diff(scaled(train, far))
    assert steps.min() > 0.5
    assert scaled(train, far)[-1] < LIMIT


@pytest.mark.parametrize("train", [NORMAL, AMOUNTS, [5.0], []], ids=["even", "skewed", "constant", "none"])
@pytest.mark.parametrize("extreme", [-3.4e38, 3.4e38])
def test_the_most_extreme_number_is_held_at_the_limit(train, extreme):
    assert scaled(train, [extreme]).tolist() == [np.sign(extreme) * LIMIT]


def test_order_is_kept_on_both_sides_of_the_origin():
    values = np.concatenate([-np.geomspace(100, 1e-3, 50), np.geomspace(1e-3, 1e4, 50)])
    assert (np.diff(scaled(AMOUNTS, values)) > 0).all()


@pytest.mark.parametrize(("n_values", "is_bent"), [(FEW_VALUES, False), (FEW_VALUES + 1, True)])
def test_few_values_are_never_taken_for_skewed(n_values, is_bent):
    values = np.exp(np.arange(n_values) / 10)
    assert (find_scaling(column(values)).origin[0] < values[0]) == is_bent


def test_half_a_column_of_one_value_does_not_hide_the_rest_as_skewed():
    spiked = np.where(np.arange(2000) % 5 < 2, AMOUNTS, 0)
    assert find_scaling(column(spiked)).origin[0] == 0


def test_a_median_next_to_the_percentile_does_not_bend_without_end():
    nearly_half_the_same = np.where(np.arange(2000) % 100 < 49, 0, AMOUNTS)
    assert 1 / find_scaling(column(nearly_half_the_same)).inverse_width[0] > 1e-3


def test_missing_numbers_have_no_say():
    holes = np.where(np.arange(len(AMOUNTS)) % 2, AMOUNTS, np.nan)
    np.testing.assert_array_equal(find_scaling(column(holes)), find_scaling(column(AMOUNTS[1::2])))


@pytest.mark.parametrize("train", [NORMAL, AMOUNTS, MIXED, [1, 0]], ids=["even", "skewed", "few", "two"])
@pytest.mark.parametrize("unit", [1e-45, 1e-38, 1e34, 3e38])
def test_units_at_the_ends_of_float32_give_finite_numbers(train, unit):
    train = np.asarray(train) * unit
    assert np.isfinite(scaled(train[np.abs(train) < 3.4e38])).all()


def test_each_number_is_scaled_by_itself():
    x_num = np.stack([NORMAL, AMOUNTS], axis=1).astype(np.float32)
    np.testing.assert_array_equal(find_scaling(x_num).apply(x_num), np.stack([scaled(NORMAL), scaled(AMOUNTS)], axis=1))
