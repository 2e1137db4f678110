"""Raw column values → the network's inputs: fitted on the train rows, computed in float32 here and in the graph alike.

In this order, side by side: the numbers (missing ones filled, then scaled: `training.scaling`), a 0/1 indicator for
each numeric feature that had missing cells, one for each threshold that a number is above (`training.thresholds`; a
missing one is above none), and for each categorical feature one 0/1 column a category. A category that was not seen,
and a missing one where none was seen missing, is all zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contract.schema import Schema
from contract.tensors import Tensors
from training.scaling import Scaling, find_scaling
from training.thresholds import NO_THRESHOLDS, Thresholds

UNKNOWN = -1
"""The slot of a text that has none."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Fitted constants. `fill` is float32 `(n_num,)`; `scaling` none where numbers are taken as they are; `indicators`
    int64, column numbers of `x_num`, as is `continuous`, those that take more than two values; `slots` maps for each
    categorical feature a text to its column among that feature's columns.
    """

    fill: np.ndarray
    scaling: Scaling | None
    indicators: np.ndarray
    continuous: np.ndarray
    thresholds: Thresholds
    slots: tuple[dict[str, int], ...]

    @property
    def d_numeric(self) -> int:
        """Columns that come of numbers: themselves, their indicators and their thresholds."""
        return len(self.fill) + len(self.indicators) + len(self.thresholds.values)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where each categorical feature's columns begin, counted from the first of them."""
        sizes = [len(slots) for slots in self.slots]
        return tuple(int(sum(sizes[:index])) for index in range(len(sizes)))

    @property
    def d_categorical(self) -> int:
        """Columns that come of categories."""
        return sum(len(slots) for slots in self.slots)

    @property
    def d_in(self) -> int:
        """Columns in all: the network's input width."""
        return self.d_numeric + self.d_categorical

    def transform(self, tensors: Tensors) -> np.ndarray:
        """The network's inputs, float32 `(n_samples, d_in)`."""
        codes = [
            np.array([slots.get(text, UNKNOWN) for text in column], dtype=np.int64)
            for column, slots in zip(tensors.x_cat.T, self.slots, strict=True)
        ]
        return self.assemble(tensors.x_num, codes)

    def assemble(self, x_num: np.ndarray, codes: Sequence[np.ndarray]) -> np.ndarray:
        """The same of numbers and, for each categorical feature, its texts' slots: int64, `UNKNOWN` for none."""
        missing = np.isnan(x_num)
        numbers = np.where(missing, self.fill, x_num)
        if self.scaling:
            numbers = self.scaling.apply(numbers)
        one_hot = np.zeros((len(x_num), self.d_categorical), np.float32)
        for column, offset in zip(codes, self.offsets, strict=True):
            known = np.flatnonzero(column >= 0)
            one_hot[known, offset + column[known]] = 1
        indicators = missing[:, self.indicators].astype(np.float32)
        above = (x_num[:, self.thresholds.columns] > self.thresholds.values).astype(np.float32)
        return np.concatenate([numbers.astype(np.float32), indicators, above, one_hot], axis=1)


def fit_preprocessing(
    schema: Schema, train: Tensors, *, standardize: bool, thresholds: Thresholds = NO_THRESHOLDS
) -> Preprocessing:
    """The constants of the train rows. Missing numbers are filled with the train median."""
    fill = np.zeros(train.x_num.shape[1], np.float32)
    n_distinct = np.zeros(len(fill), np.int64)
    for j, column in enumerate(train.x_num.T):
        present = column[~np.isnan(column)].astype(np.float64)
        n_distinct[j] = len(np.unique(present))
        if len(present):
            fill[j] = np.median(present)
    return Preprocessing(
        fill=fill,
        scaling=find_scaling(train.x_num) if standardize else None,
        indicators=np.flatnonzero([feature.missing for feature in schema.numeric]).astype(np.int64),
        continuous=np.flatnonzero(n_distinct > 2).astype(np.int64),
        thresholds=thresholds,
        slots=tuple(
            {text: slot for slot, text in enumerate((*feature.categories, *([""] if feature.missing else [])))}
            for feature in schema.categorical
        ),
    )
