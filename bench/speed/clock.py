"""A clock that stands still while a network is judged. Needs numpy only, for the processes of other environments."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

LEAST = 1e-15
"""What a probability of 0 counts as."""
Now = Callable[[], float]
"""Seconds of whichever clock."""
Answers = Callable[[], np.ndarray]
"""The probabilities of the valid rows, float `(n_rows, n_classes)`, as the network answers now."""


class Enough(Exception):  # no error: how a fit is left that has reached what it was to reach
    """The target is reached, or the time is up."""


class Clock:
    """Seconds of a fit by `now`; with valid rows also its curve, the loss on them after each epoch.

    `curve` holds pairs of seconds and mean log loss. Computing these is not part of the seconds.
    """

    def __init__(
        self, now: Now, y_valid: np.ndarray | None = None, *, target: float = -math.inf, limit_s: float = math.inf
    ) -> None:
        self._now, self._y_valid, self._target, self._limit_s = now, y_valid, target, limit_s
        self._passed = 0.0
        self.curve: list[tuple[float, float]] = []

    @property
    def is_watching(self) -> bool:
        """Whether epochs are to be told."""
        return self._y_valid is not None

    def start(self) -> None:
        """Fitting begins, or goes on."""
        self._started = self._now()

    def stop(self) -> float:
        """Seconds of fitting so far; the clock stands still."""
        self._passed += self._now() - self._started
        return self._passed

    def epoch(self, answers: Answers) -> None:
        """An epoch is over.

        Raises:
            Enough: the loss is down at the target, or the seconds are over the limit.
        """
        seconds = self.stop()
        probabilities = np.asarray(answers(), dtype=np.float64)
        truth = probabilities[np.arange(len(probabilities)), self._y_valid]
        loss = float(-np.log(np.maximum(truth, LEAST)).mean())
        self.curve.append((seconds, loss))
        if loss <= self._target or seconds > self._limit_s:
            raise Enough
        self.start()
