"""How good answers are, and who is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation import evaluate

LEAST = 1e-15
"""What a probability of 0 counts as: no model is infinitely wrong."""
TIE = 1e-3
"""Accuracies that are closer are the same."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one model on one table's test rows; `auc` is one class against the rest, the mean over the classes."""

    accuracy: float
    balanced_accuracy: float
    log_loss: float
    auc: float
    ece: float
    seconds: float
    n_bytes: float
    us_per_row: float


def score(probabilities: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """What the answers `(n_rows, n_classes)` are worth, whose true classes are `y`."""
    from sklearn.metrics import roc_auc_score  # half a second, once

    p = np.clip(probabilities, LEAST, None)
    p /= p.sum(axis=1, keepdims=True)
    metrics = evaluate(p, y, [str(label) for label in range(p.shape[1])])
    classes = [label for label in np.unique(y) if not (y == label).all()]
    return {name: getattr(metrics, name) for name in ("accuracy", "balanced_accuracy", "log_loss", "ece")} | {
        "auc": float(np.mean([roc_auc_score(y == label, p[:, label]) for label in classes]))
    }


def mean_ranks(by_table: Sequence[Mapping[str, float]], *, least_is_best: bool) -> dict[str, float]:
    """Each model's mean rank over the tables, 1 for the best; those that are level share theirs."""
    names = list(by_table[0])
    ranks = dict.fromkeys(names, 0.0)
    for figures in by_table:
        values = np.array([figures[name] for name in names]) * (1 if least_is_best else -1)
        for name, value in zip(names, values, strict=True):
            ranks[name] += 1 + (values < value).sum() + ((values == value).sum() - 1) / 2
    return {name: float(total) / len(by_table) for name, total in ranks.items()}


def win_rate(wins: Sequence[bool]) -> tuple[float, float, float]:
    """The share of wins, and Wilson's 95 % interval of it (1927)."""
    n, z = len(wins), 1.96
    share = sum(wins) / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, float(middle - half), float(middle + half)
