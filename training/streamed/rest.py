"""The rows of an open table that are not in its sample, as the network's inputs, some at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch

from contract.schema import Schema
from training.batches import Wanted
from training.binary_rows import LazyRows, rows_per_slice
from training.dataset import feature_texts, frame_numbers
from training.labels import label_indices
from training.preprocessing import UNKNOWN, Preprocessing


@dataclass(frozen=True, slots=True)
class Rest:
    """Rows that are all trained on.

    `sample_rows`, int64 and ascending, are the numbers of those that do not belong to it; `class_counts`, int64
    `(n_classes,)`, says how many rows with a label do. What is read ahead may take `buffer_bytes`.
    """

    rows: LazyRows
    schema: Schema
    sample_rows: np.ndarray
    class_counts: np.ndarray
    buffer_bytes: int

    @property
    def n_rows(self) -> int:
        """How many rows there are with a label."""
        return int(self.class_counts.sum())

    def starts(self, n_rows: int) -> np.ndarray:
        """Where slices of at most so many rows begin, int64 `(n_slices,)`: together they hold all rows."""
        return np.arange(0, self.rows.n_rows, self.slice_rows(n_rows))

    def slice_rows(self, n_rows: int) -> int:
        """So many rows, or as many as are decoded at a time where these are fewer."""
        return min(n_rows, rows_per_slice(len(self.schema.features) + 1))

    def read(self, start: int, n_rows: int, preprocessing: Preprocessing) -> tuple[torch.Tensor, torch.Tensor]:
        """What there is of a slice of the table: x float32 `(n, d_in)` and y int64 `(n,)`, in the table's order.

        Raises:
            InvalidData: the file is damaged.
        """
        names = {self.schema.target, *(feature.name for feature in self.schema.features)}
        wanted = Wanted(tuple(column for column in self.rows.columns if column in names))
        frame = self.rows.slice(wanted, start, n_rows)
        first, end = np.searchsorted(self.sample_rows, (start, start + n_rows))
        is_own = frame[self.schema.target].is_not_null().to_numpy(writable=True)
        is_own[self.sample_rows[first:end] - start] = False
        own = frame.filter(is_own)
        y = label_indices(self.schema.labels, own, self.schema.target)
        return torch.from_numpy(_inputs(self.schema, own, preprocessing)), torch.from_numpy(y)


def _inputs(schema: Schema, frame: pl.DataFrame, preprocessing: Preprocessing) -> np.ndarray:
    """`Preprocessing.transform` of a frame's rows, without a Python object for each text."""
    codes = [
        feature_texts(feature, frame).replace_strict(slots, default=UNKNOWN, return_dtype=pl.Int64).to_numpy()
        if slots
        else np.full(frame.height, UNKNOWN)
        for feature, slots in zip(schema.categorical, preprocessing.slots, strict=True)
    ]
    return preprocessing.assemble(frame_numbers(schema, frame), codes)
