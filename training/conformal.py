"""Prediction sets in training: calibrated on rows used for nothing else, measured on the test rows."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from contract.card import PredictionSets, SetMetrics
from contract.conformal import Conformal
from contract.model_file import PROBABILITIES
from training.parity import run_session
from training.parts import Part

LEVELS = (0.8, 0.9, 0.95, 0.99)
"""What the card reports."""


def calibrate_sets(session: ort.InferenceSession, part: Part) -> Conformal | None:
    """By what the exported model answers to the conformal rows; None where there are none."""
    if not len(part.y):
        return None
    return Conformal.calibrate(run_session(session, part.tensors)[PROBABILITIES], part.y)


def evaluate_sets(conformal: Conformal, probabilities: np.ndarray, y: np.ndarray) -> PredictionSets:
    """How sets do on rows that they were not calibrated on.

    `probabilities` is float32 `(n_samples, n_classes)`, `y` int64 class indices `(n_samples,)`, at least one row.
    """
    marginal, per_class = (
        tuple(_measure(conformal.sets(probabilities, level, per_class=by_class), y, level) for level in LEVELS)
        for by_class in (False, True)
    )
    return PredictionSets(n_samples=conformal.n_samples, marginal=marginal, per_class=per_class)


def _measure(sets: np.ndarray, y: np.ndarray, level: float) -> SetMetrics:
    covered = sets[np.arange(len(y)), y]
    of_class = [covered[y == label].mean() for label in np.unique(y)]
    return SetMetrics(
        level=level,
        coverage=float(covered.mean()),
        lowest_class_coverage=float(min(of_class)),
        mean_size=float(sets.sum(axis=1).mean()),
    )
