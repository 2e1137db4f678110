"""Step size, weight decay and length follow what is still unexplained, and the clock."""

import pytest
import torch

from contract.config import make_config
from training.schedule import (
    DECAY_POWER,
    FEWEST_STEPS,
    LATER,
    LATER_ROWS,
    MANY_ROWS,
    MOST_DECAY,
    MOST_LATER,
    Schedule,
    entropy_of,
    rows_per_batch,
)


class Steps:
    """Notes what an optimizer is told."""

    def __init__(self):
        self.lr, self.weight_decay = [], []

    def adjust(self, *, lr, weight_decay):
        self.lr.append(lr)
        self.weight_decay.append(weight_decay)


def run(schedule, steps, steps_per_epoch=100, losses=()):
    for epoch in range(1000):
        for _ in range(steps_per_epoch):
            schedule.before_step(steps, steps_per_epoch)
            if schedule.is_over:
                return
        schedule.after_epoch(losses[min(epoch, len(losses) - 1)] if losses else 1.0)


def test_the_step_size_warms_up_and_falls_to_zero():
    steps = Steps()
    run(Schedule(make_config(lr=0.5), entropy=1.0, n_rows=MANY_ROWS), steps)
    top = steps.lr.index(max(steps.lr))
    assert 0 < top < 50
    assert steps.lr[:top] == sorted(steps.lr[:top])
    assert steps.lr[top:] == sorted(steps.lr[top:], reverse=True)
    assert max(steps.lr) == pytest.approx(0.5, rel=0.01)
    assert steps.lr[-1] < 1e-4


@pytest.mark.parametrize(
    ("name", "n_rows", "tolerance"),
    [
        ("adaptive", 100, 0.7 * LATER),
        ("adaptive", LATER_ROWS * 3, 0.7 * LATER * 3),
        ("adaptive", 10**7, 0.7 * LATER * MOST_LATER),
        ("constant", LATER_ROWS * 3, 0),
    ],
)
def test_a_later_epoch_is_the_better_one_where_the_step_size_falls_the_more_so_the_more_rows(name, n_rows, tolerance):
    assert Schedule(make_config(schedule=name), entropy=0.7, n_rows=n_rows).tolerance == pytest.approx(tolerance)


def test_what_nothing_explains_ends_sooner_and_is_held_back_more():
    noisy, clear = Steps(), Steps()
    run(
        Schedule(make_config(weight_decay=0.8), entropy=1.0, n_rows=MANY_ROWS), noisy, losses=[1.0], steps_per_epoch=200
    )
    run(
        Schedule(make_config(weight_decay=0.8), entropy=1.0, n_rows=MANY_ROWS), clear, losses=[0.1], steps_per_epoch=200
    )
    assert len(noisy.lr) == 2000
    assert len(clear.lr) > 2.5 * len(noisy.lr)
    assert noisy.weight_decay[-1] == 0.8
    assert clear.weight_decay[-1] == pytest.approx(0.8 * 0.1**DECAY_POWER)


@pytest.mark.parametrize(
    ("n_rows", "factor"),
    [(MANY_ROWS * 10, 1), (MANY_ROWS // 2, 2), (MANY_ROWS // 100, MOST_DECAY)],
)
def test_with_few_rows_weights_are_held_back_more_up_to_a_limit(n_rows, factor):
    steps = Steps()
    run(Schedule(make_config(weight_decay=0.8), entropy=1.0, n_rows=n_rows), steps)
    assert steps.weight_decay == pytest.approx([0.8 * factor] * len(steps.weight_decay))


def test_small_tables_get_more_epochs():
    steps = Steps()
    run(Schedule(make_config(), entropy=1.0, n_rows=MANY_ROWS), steps, steps_per_epoch=5)
    assert len(steps.lr) == FEWEST_STEPS


def test_the_step_size_has_fallen_when_the_last_epoch_is_over():
    steps = Steps()
    run(Schedule(make_config(max_epochs=3), entropy=1.0, n_rows=MANY_ROWS), steps)
    assert len(steps.lr) == 300


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_explains_nothing(loss):
    schedule = Schedule(make_config(), entropy=1.0, n_rows=MANY_ROWS)
    schedule.after_epoch(loss)
    assert schedule.unexplained == 1.0


def test_a_constant_schedule_leaves_the_optimizer_alone_and_never_ends():
    steps = Steps()
    schedule = Schedule(make_config(schedule="constant"), entropy=1.0, n_rows=MANY_ROWS)
    for _ in range(5_000):
        schedule.before_step(steps, 1)
    assert not steps.lr
    assert not schedule.is_over


@pytest.mark.parametrize("name", ["adaptive", "constant"])
def test_a_time_budget_ends_both_schedules(name):
    now = 0.0
    schedule = Schedule(make_config(schedule=name, time_budget_s=10), entropy=1.0, n_rows=MANY_ROWS, clock=lambda: now)
    steps = Steps()
    while not schedule.is_over:
        schedule.before_step(steps, 100)
        now += 1
    assert now == 11


@pytest.mark.parametrize(("n_rows", "expected"), [(10, 32), (1_500, 32), (5_000, 128), (9_000, 256), (10**6, 256)])
def test_automatic_batches_are_smaller_where_rows_are_few(n_rows, expected):
    assert rows_per_batch(make_config(), n_rows) == expected


@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_batch_size_that_was_asked_for_is_kept(batch_size):
    assert rows_per_batch(make_config(batch_size=batch_size), 10**6) == batch_size


def test_entropy_is_the_loss_of_answering_the_shares():
    assert entropy_of(torch.tensor([0.5, 0.5, 0.0])) == pytest.approx(0.6931, abs=1e-4)
