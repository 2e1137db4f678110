"""One temperature: logits ÷ T, fitted on rows that the weights were not fitted on.

Guo et al., On Calibration of Modern Neural Networks, 2017, with smoothed targets in the manner of Platt, 1999 §2.2: to
the n rows comes one more, spread evenly over the classes. So a valid set without a single error gives no infinite
confidence: at most about 1 - 1/n.
"""

from __future__ import annotations

import numpy as np

MAX_LOG = 4.0
"""1/T is sought between e^-4 and e^4."""
N_BISECTIONS = 40


def fit_temperature(logits: np.ndarray, y: np.ndarray) -> float:
    """The temperature with the lowest smoothed log loss: logits `(n_samples, n_classes)`, y int64 `(n_samples,)`.

    The loss is convex in 1/T, so its derivative changes sign once: bisection on log(1/T) finds it.
    """
    scaled = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    n_samples, n_classes = scaled.shape
    targets = np.full_like(scaled, 1 / n_classes / (n_samples + 1))
    targets[np.arange(n_samples), y] += n_samples / (n_samples + 1)
    expected = (targets * scaled).sum()
    low, high = -MAX_LOG, MAX_LOG
    for _ in range(N_BISECTIONS):
        middle = (low + high) / 2
        slope = (softmax(scaled * np.exp(middle)) * scaled).sum() - expected
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows of probabilities, float64 `(n_samples, n_classes)`."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def log_loss(logits: np.ndarray, y: np.ndarray) -> float:
    """Mean of minus log p of the true class: logits `(n_samples, n_classes)`, y int64 `(n_samples,)`."""
    scaled = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(y)), y]).mean())
