"""One look tells whether all numbers of an answer are finite."""

from __future__ import annotations

import numpy as np
import pytest

from service.answers import Answers

LARGEST = float(np.finfo(np.float32).max)


def answers(logits: list[list[float]], probabilities: list[list[float]]) -> Answers:
    return Answers(np.array(logits, np.float32), np.array(probabilities, np.float32), np.zeros(len(logits), np.int64))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("other", [0.0, 1.0, -1.0, LARGEST, float("inf"), float("-inf")])
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_one_number_that_is_not_finite_is_seen_beside_any_other(
    value: float, other: float, place: tuple[int, int]
) -> None:
    broken, beside = np.full((2, 2), 0.5), np.full((2, 2), 0.5)
    broken[place], beside[place] = value, other
    assert not answers(broken.tolist(), beside.tolist()).are_finite()
    assert not answers(beside.tolist(), broken.tolist()).are_finite()


@pytest.mark.parametrize("logits", [[[0.0, 0.0]], [[LARGEST, -LARGEST]], [[LARGEST, LARGEST]], [[1e-45, -1.0]]])
def test_finite_numbers_are_finite_however_large(logits: list[list[float]]) -> None:
    assert answers(logits, [[1.0, 1.0]]).are_finite()
    assert answers(logits * 3, [[LARGEST, LARGEST]] * 3).are_finite()


def test_no_rows_are_finite() -> None:
    none = np.empty((0, 3), np.float32)
    assert Answers(none, none, np.empty(0, np.int64)).are_finite()
