"""What the rows outside the sample add to what the sample says of a column: its range, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import polars as pl

from contract.errors import InvalidData
from contract.faults import show
from contract.schema import Feature, NumericFeature, Schema
from training.cells import numbers
from training.columns import Columns
from training.dataset import shortest


@dataclass(slots=True)
class ColumnFacts:
    """What is known of one column so far.

    `wrong` is the first cell that can be no number, and its row; the range is that of the numbers before.
    """

    missing: bool = False
    minimum: float = np.inf
    maximum: float = -np.inf
    wrong: tuple[str, int] | None = None

    def add(self, column: pl.Series, row_numbers: np.ndarray) -> None:
        """Some more of the column's cells, with the numbers of their rows, int64 `(n_rows,)`."""
        self.missing = self.missing or column.null_count() > 0
        if self.wrong or not (column.dtype.is_numeric() or column.dtype == pl.String):
            return
        x, wrong = numbers(column)
        if wrong.any():
            first = int(wrong.argmax())
            self.wrong = show(column[first]), int(row_numbers[first])
        elif not np.isnan(x).all():
            self.minimum = min(self.minimum, float(np.nanmin(x)))
            self.maximum = max(self.maximum, float(np.nanmax(x)))


def check_numbers(columns: Columns, facts: Mapping[str, ColumnFacts]) -> None:
    """Nothing, where the columns that the sample calls numeric are so outside it.

    Raises:
        InvalidData: one is not; the message says where.
    """
    for name, kind in columns.kinds.items():
        if kind == "numeric" and (wrong := facts[name].wrong):
            cell, row = wrong
            raise InvalidData(
                f"column {name!r} must hold numbers that are finite as float32, got {cell} in row {row}, counted from "
                "0: empty such cells, exclude the column, or take it as categories"
            )


def widen(schema: Schema, facts: Mapping[str, ColumnFacts]) -> Schema:
    """The schema of the sample with the ranges, and the missing cells, of all train rows."""
    return msgspec.structs.replace(
        schema, features=tuple(_widen(feature, facts[feature.name]) for feature in schema.features)
    )


def _widen(feature: Feature, facts: ColumnFacts) -> Feature:
    missing = feature.missing or facts.missing
    if not isinstance(feature, NumericFeature):
        return msgspec.structs.replace(feature, missing=missing)
    return msgspec.structs.replace(
        feature,
        missing=missing,
        minimum=min(feature.minimum, shortest(np.float32(facts.minimum))),
        maximum=max(feature.maximum, shortest(np.float32(facts.maximum))),
    )
