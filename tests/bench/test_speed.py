"""The clock of the training benchmark, and when a target counts as reached."""

import math

import numpy as np
import pytest

from bench.speed.clock import Clock, Enough
from bench.speed.race import reached

Y_VALID = np.array([0, 1, 1])


class Time:
    """Passes only when a test says so."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds

    def pass_by(self, seconds):
        self.seconds += seconds


@pytest.fixture
def now():
    return Time()


def answers(p, let_pass=lambda _seconds: None):
    """Probabilities of which the true class has p; computing them takes a second."""

    def probabilities():
        let_pass(1.0)
        return np.where(np.eye(2)[Y_VALID] == 1, p, 1 - p)

    return probabilities


def test_the_clock_stands_still_while_a_network_is_judged(now):
    clock = Clock(now, Y_VALID)
    clock.start()
    now.pass_by(2.0)
    clock.epoch(answers(0.5, now.pass_by))
    now.pass_by(3.0)
    clock.epoch(answers(0.8, now.pass_by))
    now.pass_by(0.5)
    assert clock.curve == [(2.0, pytest.approx(math.log(2))), (5.0, pytest.approx(-math.log(0.8)))]
    assert clock.stop() == 5.5


def test_a_fit_is_left_when_its_loss_is_down_at_the_target(now):
    clock = Clock(now, Y_VALID, target=0.3)
    clock.start()
    clock.epoch(answers(0.7))
    with pytest.raises(Enough):
        clock.epoch(answers(0.75))


def test_a_fit_is_left_when_its_time_is_up(now):
    clock = Clock(now, Y_VALID, limit_s=10)
    clock.start()
    now.pass_by(9.0)
    clock.epoch(answers(0.5))
    now.pass_by(2.0)
    with pytest.raises(Enough):
        clock.epoch(answers(0.5))


def test_a_network_that_is_sure_and_wrong_has_a_finite_loss(now):
    clock = Clock(now, Y_VALID)
    clock.start()
    clock.epoch(answers(0.0))
    assert math.isfinite(clock.curve[0][1])


def test_a_clock_without_valid_rows_watches_nothing(now):
    assert not Clock(now).is_watching
    assert Clock(now, Y_VALID).is_watching


def test_a_target_is_reached_at_the_first_loss_that_is_down_at_it():
    curve = [(1.0, 0.9), (2.0, 0.5), (3.0, 0.6), (4.0, 0.4)]
    assert [reached(curve, target) for target in (0.95, 0.5, 0.45, 0.3)] == [1.0, 2.0, 4.0, None]
