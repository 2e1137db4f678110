"""Thresholds that matter: for numbers with a spike or few values and for codes, whether each is above some, as inputs.

Gains, losses, days since something that seldom happens: one value fills most rows, and what lies beyond it is squeezed
into a corner of the scale, where a smooth network cannot tell amounts apart that trees do at once. And days of the
month, counts, grades: what changes from one value to the next need not be smooth at all. So it is with codes, whole
numbers that stand for names, of which there may be hundreds (`training.jagged`). The thresholds are those of a decision
tree for each feature by itself, as Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning,
2022, §3.2.2, place theirs. Other numbers have none: there, they cost more than they bring (docs/experiments.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from training.jagged import count_classes, jaggedness

SPIKE = 0.5
"""The share of a feature's rows that one value must fill."""
FEW_VALUES = 40
"""Or so many different ones at most."""
JAGGED = 0.03
"""Or, for whole numbers, so much jaggedness."""
OF_CODES = 4
"""Times as many thresholds for codes as for other numbers: there may be one between any two."""
MIN_ROWS = 20
"""On each side of a threshold, and between two; of each value, in the mean, where jaggedness is looked for."""


class Thresholds(NamedTuple):
    """`values` float32 `(n_thresholds,)`, and for each its column of `x_num`, int64 `(n_thresholds,)`."""

    columns: np.ndarray
    values: np.ndarray


NO_THRESHOLDS = Thresholds(np.empty(0, np.int64), np.empty(0, np.float32))


def find_thresholds(x_num: np.ndarray, y: np.ndarray, most: int) -> Thresholds:
    """At most so many for each feature, `OF_CODES` times for codes: x_num float32 `(n_samples, n_num)`, y int64
    `(n_samples,)`.
    """
    found = [_of_feature(column, y, most) for column in x_num.T] if most else []
    columns = np.repeat(np.arange(len(found)), [len(values) for values in found])
    return Thresholds(columns.astype(np.int64), np.concatenate(found)) if len(columns) else NO_THRESHOLDS


def _of_feature(column: np.ndarray, y: np.ndarray, most: int) -> np.ndarray:
    """Those of one feature, ascending; none where it has no spike, many values and no codes, or two values at most."""
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415 # takes half a second; only training pays it

    present = ~np.isnan(column)
    y = y[present]
    values, codes, n_rows = np.unique(column[present], return_inverse=True, return_counts=True)
    if len(values) <= 2 or len(codes) < 2 * MIN_ROWS:
        return NO_THRESHOLDS.values
    if n_rows.max() < SPIKE * len(codes) and len(values) > FEW_VALUES:
        if not _are_codes(values, codes, y):
            return NO_THRESHOLDS.values
        most *= OF_CODES
    # A row for each value and class, weighted by how many there are: the same tree, sooner.
    counts = count_classes(codes, y, (len(values), int(y.max()) + 1))
    with_value, with_class = np.nonzero(counts)
    tree = DecisionTreeClassifier(
        max_leaf_nodes=most + 1, min_weight_fraction_leaf=MIN_ROWS / len(codes), random_state=0
    )
    tree.fit(values[with_value, None], with_class, sample_weight=counts[with_value, with_class])
    return np.unique(tree.tree_.threshold[tree.tree_.feature >= 0].astype(np.float32))


def _are_codes(values: np.ndarray, codes: np.ndarray, y: np.ndarray) -> bool:
    """Whether a feature's values, of which row i has the one numbered `codes[i]`, stand for names."""
    is_whole = bool((values == np.round(values)).all())
    return is_whole and len(values) * MIN_ROWS <= len(codes) and jaggedness(codes, y) > JAGGED
