"""Whether a row's answer depends on its neighbours is found out by trying."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contract.tensors import Tensors
from service.answers import Answers
from service.invariance import Least, least_rows


def answers(tensors: Tensors, noise: float) -> Answers:
    logits = tensors.x_num[:, :2] + np.float32(noise)
    return Answers(logits, logits, np.zeros(tensors.n_samples, np.int64))


@pytest.mark.parametrize(
    ("noise_at", "expected"),
    [
        (lambda _n: 0.0, 1),
        (lambda n: 1e-6 * (n == 1), 2),
        (lambda n: 1e-6 * (n == 7), None),
        (lambda n: 1e-6 * (n <= 2), None),
        (lambda n: 1e-6 * (n == 500), None),
    ],
)
def test_the_least_number_of_rows_that_gives_always_the_same_bits(foundry: Any, noise_at: Any, expected: Least) -> None:
    assert least_rows(lambda tensors: answers(tensors, noise_at(tensors.n_samples)), foundry.numeric(), 500) == expected


def test_rows_of_every_kind_of_schema_can_be_made_up(foundry: Any) -> None:
    shapes = []

    def run(tensors: Tensors) -> Answers:
        shapes.append((tensors.x_num.shape, tensors.x_cat.shape))
        assert np.isfinite(tensors.x_num).all()
        assert all(type(text) is str for text in tensors.x_cat.ravel())
        return Answers(np.zeros((tensors.n_samples, 2)), np.zeros((tensors.n_samples, 2)), np.zeros(tensors.n_samples))

    assert least_rows(run, foundry.mixed(), 500) == 1
    assert shapes[0] == ((64, 2), (64, 2))
