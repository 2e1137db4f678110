"""Raw column values → the network's inputs: fitted on the train rows, computed in float32 here and in the graph alike.

In this order, side by side: the numbers (missing ones filled, then scaled), a 0/1 indicator for each numeric feature
that had missing cells, one for each threshold that a number is above (`training.steps`; a missing one is above none),
and for each categorical feature one 0/1 column a category. A category that was not seen, and a
missing one where none was seen missing, is all zeros.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contract.schema import Schema
from contract.tensors import Tensors
from training.steps import NO_STEPS, Steps

CLIP = np.float32(10)
"""Standardised numbers are held within ±10 deviations: an outlier cannot swamp the rest or overflow float32."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Fitted constants. `fill`, `shift`, `inverse_scale` are float32 `(n_num,)`; `indicators` int64, column numbers of
    `x_num`; `slots` maps for each categorical feature a text to its column among that feature's columns.
    """

    fill: np.ndarray
    shift: np.ndarray
    inverse_scale: np.ndarray
    standardize: bool
    indicators: np.ndarray
    steps: Steps
    slots: tuple[dict[str, int], ...]

    @property
    def d_numeric(self) -> int:
        """Columns that come of numbers: themselves, their indicators and their steps."""
        return len(self.fill) + len(self.indicators) + len(self.steps.thresholds)

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
        missing = np.isnan(tensors.x_num)
        numbers = np.where(missing, self.fill, tensors.x_num)
        if self.standardize:
            with np.errstate(over="ignore"):
                numbers = np.clip((numbers - self.shift) * self.inverse_scale, -CLIP, CLIP)
        one_hot = np.zeros((tensors.n_samples, self.d_categorical), np.float32)
        for column, slots, offset in zip(tensors.x_cat.T, self.slots, self.offsets, strict=True):
            codes = np.array([slots.get(text, -1) for text in column], dtype=np.int64)
            known = np.flatnonzero(codes >= 0)
            one_hot[known, offset + codes[known]] = 1
        indicators = missing[:, self.indicators].astype(np.float32)
        above = (tensors.x_num[:, self.steps.columns] > self.steps.thresholds).astype(np.float32)
        return np.concatenate([numbers.astype(np.float32), indicators, above, one_hot], axis=1)


def fit_preprocessing(schema: Schema, train: Tensors, *, standardize: bool, steps: Steps = NO_STEPS) -> Preprocessing:
    """The constants of the train rows. Missing numbers are filled with the train mean.

    A feature that is constant, hardly varies, or has no value at all, is scaled by 1.
    """
    counts = np.maximum((~np.isnan(train.x_num)).sum(axis=0), 1)
    mean = np.nansum(train.x_num, axis=0, dtype=np.float64) / counts
    deviation = np.sqrt(np.nansum((train.x_num - mean) ** 2, axis=0) / counts)
    varies = deviation > 1 / np.finfo(np.float32).max
    inverse_scale = np.divide(1.0, deviation, out=np.ones_like(deviation), where=varies)
    return Preprocessing(
        fill=mean.astype(np.float32),
        shift=mean.astype(np.float32),
        inverse_scale=inverse_scale.astype(np.float32),
        standardize=standardize,
        indicators=np.flatnonzero([feature.missing for feature in schema.numeric]).astype(np.int64),
        steps=steps,
        slots=tuple(
            {text: slot for slot, text in enumerate((*feature.categories, *([""] if feature.missing else [])))}
            for feature in schema.categorical
        ),
    )
