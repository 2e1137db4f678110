"""Whether a number changes what is likely from one value to the next: codes of occupations, of shops, of postal areas.

Such a number is a name in disguise. A network that is smooth in it answers for a code what holds for those nearby,
where a tree cuts between any two. Half of the rows tell what the classes' shares are, at each value and around it; the
other half judge which of the two foretells them better.
"""

from __future__ import annotations

import numpy as np

NEAR = 1 / 32
"""The share of the rows on either side of a value that are around it."""
WEIGHT = 10
"""In rows, that of what is around a value in what the few rows of its own say."""
CERTAIN = 2.0
"""Standard errors by which values must be better than what is around them."""


def jaggedness(codes: np.ndarray, y: np.ndarray) -> float:
    """How much better a number's values foretell the classes than what is around them does, at least, as a share of the
    classes' entropy: 0 or less for a smooth number.

    codes int64 `(n_samples,)` number the values in their order, y int64 `(n_samples,)`.
    """
    is_told = np.random.default_rng(0).random(len(codes)) < 0.5
    shape = (int(codes.max()) + 1, int(y.max()) + 1)
    own, judged = (count_classes(codes[rows], y[rows], shape) for rows in (is_told, ~is_told))
    if shape[1] == 1 or not own.any() or not judged.any():
        return 0.0  # there is nothing to foretell, or to judge by
    ends = own.sum(axis=1).cumsum()
    starts = np.concatenate([[0.0], ends[:-1]])
    reach = NEAR * ends[-1]
    first, last = np.searchsorted(ends, starts - reach, side="right"), np.searchsorted(starts, ends + reach)
    below = np.concatenate([np.zeros((1, shape[1])), own.cumsum(axis=0)])
    around = below[last] - below[first] - own
    shares = (own.sum(axis=0) + 1) / (own.sum() + shape[1])
    smooth = (around + shares) / (around.sum(axis=1, keepdims=True) + 1)
    gained = np.log((own + WEIGHT * smooth) / (own.sum(axis=1, keepdims=True) + WEIGHT) / smooth)
    n_judged = judged.sum()
    mean = (judged * gained).sum() / n_judged
    error = np.sqrt(max((judged * gained**2).sum() / n_judged - mean**2, 0.0) / n_judged)
    return float((mean - CERTAIN * error) / -(shares * np.log(shares)).sum())


def count_classes(codes: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How many rows have each value and class: float64 of that shape, `(n_values, n_classes)`."""
    return np.bincount(codes * shape[1] + y, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
