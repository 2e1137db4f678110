"""Accuracy says nothing of confidence, imbalance and calibration; the other metrics do."""

import numpy as np
import pytest

from training.evaluation import evaluate, expected_calibration_error

RNG = np.random.default_rng(0)


def one_hot(y: np.ndarray, confidence: float, n_classes: int = 2) -> np.ndarray:
    rest = (1 - confidence) / (n_classes - 1)
    return np.where(np.eye(n_classes)[y] == 1, confidence, rest)


def test_accuracy_is_the_share_of_argmax_hits():
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]])
    metrics = evaluate(probabilities, np.array([0, 1, 1, 0]), ["a", "b"])
    assert metrics.accuracy == 0.75
    assert metrics.confusion_matrix == ((2, 0), (1, 1))


def test_a_two_percent_positive_set_shows_why_accuracy_is_not_enough():
    y = np.zeros(1000, np.int64)
    y[:20] = 1
    metrics = evaluate(one_hot(np.zeros(1000, np.int64), 0.98), y, ["no", "yes"])
    assert metrics.accuracy == metrics.majority_accuracy == 0.98
    assert metrics.balanced_accuracy == 0.5
    assert metrics.macro_f1 < 0.5
    assert (metrics.per_class[1].precision, metrics.per_class[1].recall) == (0, 0)


def test_two_models_of_one_accuracy_differ_in_confidence():
    y = np.zeros(100, np.int64)
    guess = np.where(np.arange(100) < 80, 0, 1)
    modest, boastful = (evaluate(one_hot(guess, c), y, ["a", "b"]) for c in (0.8, 0.999))
    assert modest.accuracy == boastful.accuracy == 0.8
    assert modest.log_loss < boastful.log_loss
    assert modest.brier < boastful.brier
    assert modest.ece == pytest.approx(0, abs=1e-9)
    assert boastful.ece == pytest.approx(0.199, abs=1e-9)


def test_the_metrics_agree_with_their_definitions():
    p = RNG.dirichlet(np.ones(3), 500)
    y = RNG.integers(0, 3, 500)
    metrics = evaluate(p.astype(np.float32), y, ["a", "b", "c"])
    rows = np.arange(500)
    assert metrics.log_loss == pytest.approx(-np.log(p[rows, y]).mean(), rel=1e-5)
    assert metrics.brier == pytest.approx(((p - np.eye(3)[y]) ** 2).sum(axis=1).mean(), rel=1e-5)
    recalls = [(p[y == k].argmax(axis=1) == k).mean() for k in range(3)]
    assert metrics.balanced_accuracy == pytest.approx(np.mean(recalls))
    assert [one.recall for one in metrics.per_class] == pytest.approx(recalls)


def test_a_calibrated_model_has_an_ece_near_zero():
    p = RNG.dirichlet(np.ones(3) * 2, 50_000)
    y = np.array([RNG.choice(3, p=row) for row in p])
    assert expected_calibration_error(p, y) < 0.01


def test_a_certain_and_wrong_answer_has_a_finite_log_loss():
    assert np.isfinite(evaluate(np.array([[1.0, 0.0]]), np.array([1]), ["a", "b"]).log_loss)


def test_a_class_without_rows_does_not_count():
    metrics = evaluate(one_hot(np.array([0, 1]), 0.9, 3), np.array([0, 1]), ["a", "b", "c"])
    assert metrics.balanced_accuracy == metrics.macro_f1 == 1.0
    assert metrics.per_class[2].n_samples == 0


def test_the_ece_has_fifteen_bins_of_equal_width():
    p = RNG.dirichlet(np.ones(2), 400)
    y = RNG.integers(0, 2, 400)
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == y
    by_hand = 0.0
    for k in range(15):
        inside = (confidence >= k / 15) & (confidence < (k + 1) / 15)
        if inside.any():
            by_hand += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    assert expected_calibration_error(p, y) == pytest.approx(by_hand)


def test_each_reliability_bin_tells_how_sure_and_how_right_its_rows_were():
    p = np.array([[0.9, 0.1], [0.92, 0.08], [0.55, 0.45], [0.45, 0.55]])
    unsure, sure = evaluate(p, np.array([0, 1, 0, 1]), ["a", "b"]).reliability
    assert (unsure.n_samples, unsure.confidence, unsure.accuracy) == (2, pytest.approx(0.55), 1.0)
    assert (sure.n_samples, sure.confidence, sure.accuracy) == (2, pytest.approx(0.91), 0.5)
