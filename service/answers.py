"""What a model answers to rows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Answers(NamedTuple):
    """`logits` and `probabilities` float32 `(n_samples, n_classes)`, `class_index` int64 `(n_samples,)`."""

    logits: np.ndarray
    probabilities: np.ndarray
    class_index: np.ndarray

    def are_finite(self) -> bool:
        """Whether every number is."""
        # One product instead of a look at each number: what is not finite makes it so, whatever it is multiplied with.
        # It may overflow though all numbers are finite.
        return math.isfinite(np.vdot(self.logits, self.probabilities)) or bool(self.finite_rows().all())

    def finite_rows(self) -> np.ndarray:
        """Whose numbers are: bool `(n_samples,)`."""
        finite: np.ndarray = np.isfinite(self.logits).all(axis=1) & np.isfinite(self.probabilities).all(axis=1)
        return finite

    def between(self, start: int, end: int) -> Answers:
        """The answers of the rows from `start` on, up to `end`."""
        return Answers(self.logits[start:end], self.probabilities[start:end], self.class_index[start:end])

    def take(self, rows: np.ndarray) -> Answers:
        """The answers of some rows, by number or by mask."""
        return Answers(self.logits[rows], self.probabilities[rows], self.class_index[rows])
