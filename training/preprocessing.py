"""Raw column values → the network's inputs: fitted on the train rows, computed in float32 here and in the graph alike.

In this order, side by side: the numbers (missing ones filled, then scaled), a 0/1 indicator for each numeric feature
that had missing cells, one for each threshold that a number is above (`training.thresholds`; a missing one is above
none), and for each categorical feature one 0/1 column a category. A category that was not seen, and a missing one where
none was seen missing, is all zeros.

Numbers are scaled as RealMLP does (Holzmüller et al., Better by Default, 2024): by median and quartiles, which a few
wild values do not move, and then smoothly held within ±3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contract.schema import Schema
from contract.tensors import Tensors
from training.thresholds import NO_THRESHOLDS, Thresholds

SMOOTH_LIMIT = np.float32(3)
"""x becomes x ÷ √(1 + (x ÷ 3)²): almost itself near 0, never beyond ±3."""
CLIP = np.float32(1e4)
"""Before that, where squares still fit float32: ±1e4 and everything beyond it end at ±3."""
UNKNOWN = -1
"""The slot of a text that has none."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Fitted constants. `fill`, `shift`, `inverse_scale` are float32 `(n_num,)`; `indicators` int64, column numbers of
    `x_num`, as is `continuous`, those that take more than two values; `slots` maps for each categorical feature a text
    to its column among that feature's columns.
    """

    fill: np.ndarray
    shift: np.ndarray
    inverse_scale: np.ndarray
    standardize: bool
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
        if self.standardize:
            with np.errstate(over="ignore"):
                numbers = np.clip((numbers - self.shift) * self.inverse_scale, -CLIP, CLIP)
            numbers /= np.sqrt(np.float32(1) + np.square(numbers / SMOOTH_LIMIT))
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
    n_num = train.x_num.shape[1]
    shift, inverse_scale = np.zeros(n_num), np.ones(n_num)
    fill, n_distinct = np.zeros(n_num), np.zeros(n_num, np.int64)
    for j, column in enumerate(train.x_num.T):
        present = column[~np.isnan(column)].astype(np.float64)
        values = np.unique(present)
        n_distinct[j] = len(values)
        if len(values):
            fill[j] = np.median(present)
            shift[j], inverse_scale[j] = _scaling(present, values)
    return Preprocessing(
        fill=fill.astype(np.float32),
        shift=shift.astype(np.float32),
        inverse_scale=inverse_scale.astype(np.float32),
        standardize=standardize,
        indicators=np.flatnonzero([feature.missing for feature in schema.numeric]).astype(np.int64),
        continuous=np.flatnonzero(n_distinct > 2).astype(np.int64),
        thresholds=thresholds,
        slots=tuple(
            {text: slot for slot, text in enumerate((*feature.categories, *([""] if feature.missing else [])))}
            for feature in schema.categorical
        ),
    )


def _scaling(present: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """What to subtract and what to multiply by: float64 numbers, and those that are distinct, at least one.

    The median and the distance of the quartiles; where these are one, half the range; for two values, ±1. A feature
    that is constant, or hardly varies, is scaled by 1.
    """
    half_range = (values[-1] - values[0]) / 2
    if len(values) == 2:
        shift, scale = values[0] + half_range, half_range
    else:
        low, shift, high = np.quantile(present, [0.25, 0.5, 0.75])
        scale = high - low or half_range
    varies = scale > 1 / np.finfo(np.float32).max
    return float(shift), float(1 / scale) if varies else 1.0
