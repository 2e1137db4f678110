"""How good a model's answers are: not accuracy alone, which says nothing of confidence, imbalance or calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contract.card import ClassMetrics, Metrics, ReliabilityBin
from contract.schema import Label

N_BINS = 15


def evaluate(probabilities: np.ndarray, y: np.ndarray, labels: Sequence[Label]) -> Metrics:
    """The metrics of one set of rows.

    `probabilities` is `(n_samples, n_classes)` with rows that sum to 1, `y` int64 class indices `(n_samples,)`, at
    least one row. A class without a row has recall 0 and counts neither in the balanced accuracy nor in macro F1.
    """
    from sklearn import metrics as sk  # noqa: PLC0415 # takes half a second; only training and evaluation pay it

    p = probabilities.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    predicted = p.argmax(axis=1)
    classes = np.arange(len(labels))
    present = np.unique(y)
    precision, recall, f1, support = sk.precision_recall_fscore_support(y, predicted, labels=classes, zero_division=0)
    return Metrics(
        n_samples=len(y),
        accuracy=float(sk.accuracy_score(y, predicted)),
        balanced_accuracy=float(recall[present].mean()),
        macro_f1=float(f1[present].mean()),
        log_loss=float(sk.log_loss(y, p, labels=classes)),
        brier=float(((p - np.eye(len(labels))[y]) ** 2).sum(axis=1).mean()),
        ece=expected_calibration_error(p, y),
        majority_accuracy=float(support.max() / len(y)),
        per_class=tuple(
            ClassMetrics(
                label=label,
                n_samples=int(support[index]),
                precision=float(precision[index]),
                recall=float(recall[index]),
                f1=float(f1[index]),
            )
            for index, label in enumerate(labels)
        ),
        confusion_matrix=tuple(map(tuple, sk.confusion_matrix(y, predicted, labels=classes).tolist())),
        reliability=reliability(p, y),
    )


def expected_calibration_error(probabilities: np.ndarray, y: np.ndarray) -> float:
    """The mean gap between confidence and accuracy over `N_BINS` bins of equal width, weighted by their rows.

    Naeini et al., 2015. It depends on the bins and is biased upwards on few rows: report it, never choose by it.
    """
    bins = reliability(probabilities, y)
    return sum(abs(one.confidence - one.accuracy) * one.n_samples for one in bins) / len(y)


def reliability(probabilities: np.ndarray, y: np.ndarray) -> tuple[ReliabilityBin, ...]:
    """The bins that hold rows, the least sure first."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == y
    bins = np.minimum((confidence * N_BINS).astype(np.int64), N_BINS - 1)
    counts, sure, right = (
        np.bincount(bins, weights=weights, minlength=N_BINS) for weights in (np.ones(len(y)), confidence, correct)
    )
    return tuple(
        ReliabilityBin(
            n_samples=int(counts[b]), confidence=float(sure[b] / counts[b]), accuracy=float(right[b] / counts[b])
        )
        for b in np.flatnonzero(counts)
    )
