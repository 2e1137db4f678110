"""The rows that everyone trains on, and the recipe of the plain networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from bench.rivals.tables import TARGET, Split

BIG = (200_000, 54, 7)
VALID_SHARE = 0.2
"""Of a table's train rows; the test rows are for `bench.quality` alone."""


@dataclass(frozen=True, slots=True)
class Rows:
    """x float32 `(n_rows, n_features)`, y int64 class indices `(n_rows,)`."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray

    @property
    def n_classes(self) -> int:
        """As many as the train rows have."""
        return int(self.y_train.max()) + 1

    def standardized(self) -> Rows:
        """Mean 0 and deviation 1 among the train rows: what a user of a plain network does first."""
        scaler = StandardScaler().fit(self.x_train.astype(np.float64))
        x_train, x_valid = (scaler.transform(x).astype(np.float32) for x in (self.x_train, self.x_valid))
        return Rows(x_train, self.y_train, x_valid, self.y_valid)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One hidden layer of ReLU, Adam. `batch_size` None: all rows at once."""

    hidden: int
    batch_size: int | None
    epochs: int
    lr: float
    seed: int = 0


def iris() -> Rows:
    """All of it to train on; a fifth of it again as valid rows, since what is measured is time."""
    x, y = load_iris(return_X_y=True)
    return _again(x.astype(np.float32), y)


def big() -> Rows:
    """Random numbers and the class of the largest of some sums of them, with noise; valid rows as with iris."""
    rng = np.random.default_rng(0)
    n_rows, n_features, n_classes = BIG
    x = rng.normal(size=(n_rows, n_features)).astype(np.float32)
    scores = x @ rng.normal(size=(n_features, n_classes)) + rng.normal(size=(n_rows, n_classes))
    return _again(x, scores.argmax(axis=1))


def of_table(split: Split) -> Rows:
    """The train rows of a table of numbers, the last of them to judge by, and none of its test rows."""
    frame = split.frame.head(split.n_train)
    x = frame.drop(TARGET).to_numpy().astype(np.float32)
    y = np.array([split.labels.index(label) for label in frame[TARGET].cast(str)])
    n_train = round(len(y) * (1 - VALID_SHARE))
    return Rows(x[:n_train], y[:n_train], x[n_train:], y[n_train:])


def _again(x: np.ndarray, y: np.ndarray) -> Rows:
    return Rows(x, y, np.ascontiguousarray(x[::5]), y[::5])
