"""Champion and challenger by the same rows: how much worse one is, and whether that could be chance.

The paired bootstrap of Efron and Tibshirani, 1993: rows are drawn again with replacement, and with each row the answers
of both models, so that what makes a row hard for both cancels out.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from contract.decision import Comparison
from training.retrain.scoring import Scores

Metric = Literal["log_loss", "balanced_accuracy"]

N_RESAMPLES = 2_000
SEED = 0
"""Fixed: the same models and rows give the same decision."""
MIN_PROBABILITY = 0.01
"""Below it a loss grows no further, so a row costs 4.6 at most. Else a few rows that are hopelessly wrong, perhaps
mislabelled, decide alone: over 8 seeds on digits the largest difference falls from 0.079 to 0.035, and those that wrong
labels make, from 0.15 up, stay what they are."""
MAX_BLOCKS = 2_000
"""More rows are first put at random into so many blocks, which are then drawn: sums of random rows vary as the rows
do, and the cost no longer grows with them."""
INTERVAL = (0.005, 0.995)
"""99 %: of 20 clean retrains, each compared twice, hardly one is to be held back by chance."""
FEW_ROWS_TOLERANCE = 0.35
"""Over the square root of the number of rows, added to what is tolerated of log loss. The bootstrap knows the chance in
the rows, not that in the training: with another seed alone the loss on 52 rows moves by 0.04 (penguins), on 1,000 by
0.005 (telco). Measured over 8 seeds on seven tables, this is from 1.2 times the largest difference seen up."""

PSEUDO_ROWS = 2
"""Of the outcomes of all rows, added to those of each class before its rows are drawn: what a few rows of a class have
in common may be chance, which their own resamples never show (Efron and Tibshirani's bootstrap, smoothed). Where two
models that are equally good differ in 3 rows of 10, and each class has one row, this takes the share of those held back
from 0.46 to 0.04."""


def compare_log_loss(champion: Scores, challenger: Scores, tolerance: float) -> Comparison:
    """By the mean of minus log p of the true class; on few rows more than `tolerance` is tolerated."""
    before, after = log_losses(champion), log_losses(challenger)
    return _comparison(
        "log_loss",
        champion=float(before.mean()),
        challenger=float(after.mean()),
        worse_by=float(after.mean() - before.mean()),
        resampled=resampled_means(after - before),
        tolerance=tolerance + FEW_ROWS_TOLERANCE / len(after) ** 0.5,
    )


def compare_balanced_accuracy(
    champion: Scores, challenger: Scores, classes: np.ndarray, tolerance: float
) -> Comparison:
    """By the mean over the classes of the share of rows answered right.

    `classes` are class indices int64 `(n_rows,)`, from 0 up without a gap. Rows are drawn class by class, so that none
    is ever without a row.
    """
    before, after = (_mean_over_classes(scores.correct, classes) for scores in (champion, challenger))
    lost = champion.correct.astype(np.int64) - challenger.correct
    return _comparison(
        "balanced_accuracy",
        champion=before,
        challenger=after,
        worse_by=before - after,
        resampled=_resampled_class_means(lost, classes),
        tolerance=tolerance,
    )


def log_losses(scores: Scores) -> np.ndarray:
    """Minus log p of the true class, float64 `(n_rows,)`."""
    return np.asarray(-np.log(np.clip(scores.p_true, MIN_PROBABILITY, 1)))


def _comparison(
    metric: Metric, *, champion: float, challenger: float, worse_by: float, resampled: np.ndarray, tolerance: float
) -> Comparison:
    low, high = np.quantile(resampled, INTERVAL).tolist()
    return Comparison(
        metric=metric,
        champion=champion,
        challenger=challenger,
        worse_by=worse_by,
        low=low,
        high=high,
        tolerance=tolerance,
        passed=not (worse_by > tolerance and low > 0),
    )


def _mean_over_classes(correct: np.ndarray, classes: np.ndarray) -> float:
    return float((np.bincount(classes, weights=correct) / np.bincount(classes)).mean())


def resampled_means(values: np.ndarray) -> np.ndarray:
    """The means of `N_RESAMPLES` resamples of `values`, float64."""
    rng = np.random.default_rng(SEED)
    n_blocks = min(len(values), MAX_BLOCKS)
    block = np.arange(len(values)) % n_blocks
    sums = np.bincount(block, weights=rng.permutation(values))
    sizes = np.bincount(block)
    drawn = rng.integers(n_blocks, size=(N_RESAMPLES, n_blocks))
    return np.asarray(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))


def _resampled_class_means(lost: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The means over the classes of each class's mean of `lost`, in `N_RESAMPLES` resamples: float64.

    `lost` is -1, 0 or 1 in each row, so to draw a class's rows is to draw how many of each of the three there are.
    """
    rng = np.random.default_rng(SEED)
    counts = np.bincount(classes * 3 + lost + 1, minlength=3 * (classes.max() + 1)).reshape(-1, 3)
    sizes = counts.sum(axis=1)
    smoothed = counts + PSEUDO_ROWS * counts.sum(axis=0) / sizes.sum()
    drawn = rng.multinomial(sizes, smoothed / (sizes + PSEUDO_ROWS)[:, np.newaxis], size=(N_RESAMPLES, len(sizes)))
    return np.asarray(((drawn[:, :, 2] - drawn[:, :, 0]) / sizes).mean(axis=1))
