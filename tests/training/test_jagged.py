"""Codes are told from numbers by how well a value foretells the class beside those around it."""

import numpy as np
import pytest

from training.jagged import jaggedness
from training.thresholds import JAGGED

RNG = np.random.default_rng(0)
CODES = RNG.integers(0, 200, 8_000)
NOISE = RNG.random(8_000)


def test_classes_of_each_values_own_are_explained_by_it_alone():
    assert jaggedness(CODES, (RNG.random(200)[CODES] < 0.5).astype(np.int64)) > 0.7


@pytest.mark.parametrize(
    "likely",
    [np.full(8_000, 0.3), CODES / 200, (CODES > 100).astype(float), 0.5 + 0.4 * np.sin(CODES / 20)],
    ids=["noise", "a slope", "a step", "waves"],
)
def test_what_is_around_a_value_foretells_as_much_of_a_smooth_number(likely):
    assert jaggedness(CODES, (likely > NOISE).astype(np.int64)) < JAGGED


def test_a_few_rows_that_seem_to_say_much_are_not_believed():
    codes = np.arange(60) % 20
    assert jaggedness(codes, RNG.permutation(codes) % 2) <= 0


def test_without_rows_or_classes_to_tell_apart_a_number_is_smooth():
    assert jaggedness(np.zeros(1, np.int64), np.ones(1, np.int64)) == 0
    assert jaggedness(CODES, np.zeros(8_000, np.int64)) == 0
