"""Worse, and not by chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, log_loss

from training.retrain.comparing import MAX_BLOCKS, MIN_PROBABILITY, compare_balanced_accuracy, compare_log_loss
from training.retrain.scoring import Scores


def scores(p_true, correct=None) -> Scores:
    p = np.asarray(p_true, np.float64)
    return Scores(p, p > 0.5 if correct is None else np.asarray(correct))


def drawn(n: int, mean: float, seed: int = 0) -> Scores:
    return scores(np.clip(np.random.default_rng(seed).normal(mean, 0.1, n), 0.01, 0.99))


def test_the_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    p = 0.97 * rng.dirichlet([1, 1, 1], 50) + MIN_PROBABILITY
    y = np.concatenate([[0, 1, 2], rng.integers(0, 3, 47)])
    one = Scores(p[np.arange(50), y], p.argmax(axis=1) == y)
    assert compare_log_loss(one, one, 0).champion == pytest.approx(log_loss(y, p))
    assert compare_balanced_accuracy(one, one, y, 0).challenger == pytest.approx(
        balanced_accuracy_score(y, p.argmax(axis=1))
    )


def test_a_model_is_not_worse_than_itself():
    one = drawn(80, 0.6)
    for comparison in (compare_log_loss(one, one, 0), compare_balanced_accuracy(one, one, np.arange(80) % 2, 0)):
        assert (comparison.worse_by, comparison.low, comparison.high, comparison.passed) == (0, 0, 0, True)


def test_clearly_worse_does_not_pass_and_clearly_better_does():
    good, bad = drawn(300, 0.8), drawn(300, 0.4)
    classes = np.arange(300) % 3
    worse = compare_log_loss(good, bad, 0.02), compare_balanced_accuracy(good, bad, classes, 0.01)
    better = compare_log_loss(bad, good, 0.02), compare_balanced_accuracy(bad, good, classes, 0.01)
    assert [(one.passed, one.worse_by > 0, one.low > 0) for one in worse] == [(False, True, True)] * 2
    assert [(one.passed, one.worse_by < 0, one.high < 0) for one in better] == [(True, True, True)] * 2


def test_worse_by_less_than_is_tolerated_passes():
    good, bad = scores([0.8] * 20_000), scores([0.79] * 20_000)
    comparison = compare_log_loss(good, bad, 0.02)
    assert comparison.low > 0
    assert comparison.passed
    assert not compare_log_loss(good, bad, 0.001).passed


def test_more_is_tolerated_on_few_rows():
    tolerances = [compare_log_loss(scores([0.8] * n), scores([0.8] * n), 0.02).tolerance for n in (49, 4_900)]
    assert tolerances == pytest.approx([0.07, 0.025])


def test_worse_by_chance_passes():
    good, bad = scores([0.9] * 20), scores([0.9] * 19 + [0.1])
    comparison = compare_log_loss(good, bad, 0.02)
    assert comparison.worse_by > 0.02
    assert comparison.low <= 0
    assert comparison.passed


def test_a_single_row_cannot_decide_alone():
    good, bad = scores([0.9] * 100), scores([0.9] * 99 + [0.0])
    comparison = compare_log_loss(good, bad, 0.02)
    assert comparison.worse_by == pytest.approx(np.log(0.9 / MIN_PROBABILITY) / 100)
    assert comparison.passed


def test_a_rare_class_weighs_as_much_as_a_common_one():
    classes = np.array([0] * 95 + [1] * 5)
    good, bad = scores([0.9] * 100), scores([0.9] * 95 + [0.1] * 5)
    comparison = compare_balanced_accuracy(good, bad, classes, 0.01)
    assert (comparison.champion, comparison.challenger, comparison.worse_by) == (1, 0.5, 0.5)
    assert 0 < comparison.low < 0.5 <= comparison.high
    assert not comparison.passed


@pytest.mark.parametrize("sizes", [(1, 1, 1), (50, 50, 1), (50, 50, 2), (50, 50, 3)])
def test_a_few_wrong_answers_in_a_tiny_class_may_be_chance(sizes):
    classes = np.repeat(np.arange(3), sizes)
    good, bad = scores([0.9] * len(classes)), scores(np.where(classes == 2, 0.1, 0.9))
    comparison = compare_balanced_accuracy(good, bad, classes, 0.01)
    assert comparison.worse_by == pytest.approx(1 / 3)
    assert comparison.low <= 0 < comparison.high
    assert comparison.passed


def test_many_tiny_classes_tell_together():
    classes = np.arange(100)
    good, bad = scores([0.9] * 100), scores([0.1] * 20 + [0.9] * 80)
    comparison = compare_balanced_accuracy(good, bad, classes, 0.01)
    assert 0 < comparison.low < 0.2 < comparison.high
    assert not comparison.passed


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 3), (50, 50, 1), (200, 100, 3, 2), (1,) * 30, (2,) * 10])
def test_answers_that_differ_at_random_are_seldom_worse(sizes):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(0)
    n_held = 0
    for _ in range(60):
        right = rng.random((2, len(classes))) < 0.85
        good, bad = (scores(np.full(len(classes), 0.5), one) for one in right)
        n_held += not compare_balanced_accuracy(good, bad, classes, 0.01).passed
    assert n_held <= 5


@pytest.mark.parametrize("n_rows", [400, MAX_BLOCKS * 10 + 3])
def test_the_interval_is_that_of_the_normal_approximation(n_rows):
    good, bad = drawn(n_rows, 0.6, seed=1), drawn(n_rows, 0.55, seed=2)
    change = np.log(good.p_true) - np.log(bad.p_true)
    comparison = compare_log_loss(good, bad, 0)
    error = change.std() / np.sqrt(n_rows)
    assert comparison.low == pytest.approx(change.mean() - 2.576 * error, abs=0.25 * error)
    assert comparison.high == pytest.approx(change.mean() + 2.576 * error, abs=0.25 * error)


def test_the_interval_of_balanced_accuracy_is_that_of_the_normal_approximation():
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1], [900, 100])
    good, bad = (scores(np.full(1000, 0.5), rng.random(1000) < share) for share in (0.9, 0.8))
    lost = good.correct.astype(int) - bad.correct
    error = np.sqrt(sum(lost[classes == one].var() / (classes == one).sum() for one in (0, 1))) / 2
    comparison = compare_balanced_accuracy(good, bad, classes, 0)
    assert comparison.high - comparison.low == pytest.approx(2 * 2.576 * error, rel=0.1)


def test_the_same_scores_give_the_same_interval():
    assert compare_log_loss(drawn(90, 0.6), drawn(90, 0.5, seed=1), 0) == compare_log_loss(
        drawn(90, 0.6), drawn(90, 0.5, seed=1), 0
    )
