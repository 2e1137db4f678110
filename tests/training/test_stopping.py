"""The stop rule judges epoch after epoch."""

import math

import pytest

from contract.card import EpochRecord
from training.stopping import StopRule, is_finite


def record(epoch: int, *, train: float = 0.5, valid: float = 0.5, gradient: float = 1.0) -> EpochRecord:
    return EpochRecord(epoch=epoch, train_loss=train, valid_loss=valid, gradient_norm=gradient, update_ratio=0.001)


def judge(rule: StopRule, *records: EpochRecord) -> list[str | None]:
    return [rule.judge(one) for one in records]


def test_the_best_epoch_is_the_first_with_the_lowest_valid_loss():
    rule = StopRule(patience=None, initial_loss=1.0, guess_loss=0.95)
    judge(rule, record(1, valid=0.5), record(2, valid=0.3), record(3, valid=0.3), record(4, valid=0.4))
    assert (rule.best_epoch, rule.best_loss) == (2, 0.3)


def test_within_a_tolerance_of_the_lowest_loss_the_latest_epoch_is_the_best():
    rule = StopRule(patience=None, initial_loss=1.0, guess_loss=0.95, tolerance=0.05)
    best = []
    for epoch, loss in enumerate([0.5, 0.4, 0.44, 0.46, 0.43, 0.38, 0.44], 1):
        rule.judge(record(epoch, valid=loss))
        best.append(rule.best_epoch)
    assert best == [1, 2, 3, 3, 5, 6, 6]
    assert rule.best_loss == 0.38


def test_patience_is_not_renewed_by_an_epoch_that_is_only_within_the_tolerance():
    rule = StopRule(patience=2, initial_loss=1.0, guess_loss=0.95, tolerance=0.05)
    reasons = judge(rule, *(record(epoch, valid=loss) for epoch, loss in enumerate([0.4, 0.41, 0.41], 1)))
    assert reasons == [None, None, "plateau"]
    assert rule.best_epoch == 3


def test_patience_counts_epochs_without_a_better_valid_loss():
    rule = StopRule(patience=2, initial_loss=1.0, guess_loss=0.95)
    losses = [0.5, 0.4, 0.45, 0.39, 0.39, 0.39]
    reasons = judge(rule, *(record(epoch, valid=loss) for epoch, loss in enumerate(losses, 1)))
    assert reasons == [None, None, None, None, None, "plateau"]


def test_a_loss_three_times_ten_times_the_first_is_divergence_and_a_spike_is_not():
    rule = StopRule(patience=None, initial_loss=1.0, guess_loss=0.95)
    losses = [11, 11, 5, 11, 11, 11]
    reasons = judge(rule, *(record(epoch, train=loss) for epoch, loss in enumerate(losses, 1)))
    assert reasons == [None, None, None, None, None, "diverged"]
    rule = StopRule(patience=None, initial_loss=1.0, guess_loss=0.95)
    assert judge(rule, *(record(epoch, train=9) for epoch in range(1, 9))) == [None] * 8


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_divergence_at_once(loss):
    assert StopRule(patience=None, initial_loss=1.0, guess_loss=0.95).judge(record(1, train=loss)) == "diverged"
    assert StopRule(patience=None, initial_loss=1.0, guess_loss=0.95).judge(record(1, valid=loss)) == "diverged"


def test_only_a_vanishing_gradient_is_convergence():
    rule = StopRule(patience=None, initial_loss=1.0, guess_loss=0.95)
    assert judge(rule, record(1, gradient=1e-4), record(2, gradient=1e-6)) == [None, "converged"]


def test_what_was_never_better_than_no_training_has_not_learnt():
    rule = StopRule(patience=5, initial_loss=1.0, guess_loss=0.95)
    judge(rule, record(1, valid=1.5))
    assert not rule.has_learnt
    judge(rule, record(2, valid=0.9))
    assert rule.has_learnt


def test_a_best_epoch_far_worse_than_no_training_has_diverged():
    rule = StopRule(patience=None, initial_loss=1.0, guess_loss=0.95)
    judge(rule, record(1, valid=30), record(2, valid=17))
    assert rule.has_diverged
    judge(rule, record(3, valid=2))
    assert not rule.has_diverged


def test_the_vanishing_gradient_of_a_last_batch_is_not_convergence():
    rule = StopRule(patience=None, initial_loss=1.0, guess_loss=0.95, full_batch=False)
    assert rule.judge(record(1, gradient=0.0)) is None


def test_a_gradient_or_a_step_that_is_no_number_is_divergence_at_once():
    rule = StopRule(patience=None, initial_loss=1.0, guess_loss=0.95)
    assert rule.judge(record(1, gradient=math.inf)) == "diverged"
    assert not is_finite(record(1, gradient=math.inf))
    assert is_finite(record(1))
