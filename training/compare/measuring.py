"""The figures of one model on the test rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from contract.schema import Label
from training.compare.result import Contender
from training.evaluation import evaluate

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model answered to the test rows, `(n_rows, n_classes)`; its size and speed."""

    name: str
    probabilities: np.ndarray
    fit_seconds: float
    size_bytes: int
    us_per_row: float

    def contender(self, y: np.ndarray, labels: Sequence[Label]) -> Contender:
        """Its figures, where `y` are the true classes, int64 `(n_rows,)`."""
        metrics = evaluate(self.probabilities, y, labels)
        return Contender(
            name=self.name,
            accuracy=metrics.accuracy,
            balanced_accuracy=metrics.balanced_accuracy,
            log_loss=metrics.log_loss,
            ece=metrics.ece,
            fit_seconds=round(self.fit_seconds, 3),
            size_bytes=self.size_bytes,
            us_per_row=round(self.us_per_row, 1),
        )

    def losses(self, y: np.ndarray) -> np.ndarray:
        """Minus log p of the true class, float64 `(n_rows,)`: its mean is the log loss of `contender`."""
        p = self.probabilities.astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        least = np.finfo(np.float64).eps
        return np.asarray(-np.log(np.clip(p[np.arange(len(y)), y], least, 1 - least)))


def median_us(answer: Callable[[Row], object], rows: Sequence[Row]) -> float:
    """How long one row takes, in microseconds, the median over them; the first is answered twice, to warm up."""
    answer(rows[0])
    took = []
    for row in rows:
        started = time.perf_counter()
        answer(row)
        took.append(time.perf_counter() - started)
    return float(np.median(took) * 1e6)
