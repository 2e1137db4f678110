"""One temperature makes the confidence honest, and leaves the ranking alone."""

import numpy as np
import pytest

from training.calibration import fit_temperature, softmax


def overconfident(n: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits `factor` times too large for labels drawn from them."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (n, 4))
    y = np.array([rng.choice(4, p=p) for p in softmax(logits)])
    return (logits * factor).astype(np.float32), y


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_over_and_underconfidence(factor):
    logits, y = overconfident(4000, factor)
    assert fit_temperature(logits, y) == pytest.approx(factor, rel=0.1)


def test_the_temperature_minimises_the_log_loss():
    logits, y = overconfident(4000, 3.0)

    def loss(temperature: float) -> float:
        return float(-np.log(softmax(logits / temperature)[np.arange(len(y)), y]).mean())

    best = fit_temperature(logits, y)
    assert loss(best) < min(loss(best * 1.1), loss(best / 1.1))


def test_rows_without_an_error_give_no_boundless_confidence():
    y = np.arange(30) % 3
    temperature = fit_temperature(5 * np.eye(3, dtype=np.float32)[y], y)
    confidence = softmax(5 * np.eye(3)[y] / temperature).max(axis=1)
    assert confidence == pytest.approx((30 + 1 / 3) / 31, abs=1e-3)


def test_softmax_survives_large_logits():
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0]])), [[1, 0]])


@pytest.mark.parametrize("factor", [0.05, 20.0])
def test_even_far_off_logits_find_their_temperature(factor):
    logits, y = overconfident(4000, factor)
    assert fit_temperature(logits, y) == pytest.approx(factor, rel=0.1)
