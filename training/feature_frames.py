"""Features as users of scikit-learn have them, a matrix or a data frame → a frame that training and scoring read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from contract.columns import read_column
from contract.config import ColumnChoice
from contract.errors import InvalidData
from contract.plain_cells import plain_cells
from contract.schema import Label, Schema, label_text
from training.columns import choose_columns
from training.dataset import make_schema

NUMBERS = frozenset({int, float, type(None)})
BOOLEANS = frozenset({bool, type(None)})


def is_frame(features: object) -> bool:
    """Whether they are a data frame, of pandas or polars, rather than a matrix or rows."""
    return hasattr(type(features), "columns") and hasattr(type(features), "__len__")


def feature_frame(features: Any, names: Sequence[str]) -> pl.DataFrame:
    """The columns of a data frame or of a matrix `(n_samples, n_features)` under these names, null where missing.

    Missing are None, NaN, pandas' NA and NaT. Categories of pandas and of polars stay categories, whatever they are.
    Cells that are not all numbers or all booleans are texts: whole numbers without a fraction, booleans as true and
    false, any other object as `str` has it.

    Raises:
        InvalidData: a column is of something else, such as complex numbers.
    """
    columns = [features[label] for label in features.columns] if is_frame(features) else list(features.T)
    return pl.DataFrame([_series(name, column) for name, column in zip(names, columns, strict=True)])


def whole_schema(frame: pl.DataFrame, target: str, labels: Sequence[Label], max_categories: int) -> Schema:
    """The schema of features of which none is left out, even if it is constant or looks like an id.

    `target` gets underscores where a feature has its name.

    Raises:
        InvalidData: a column can be no feature, such as one of dates, or a number is not finite as float32.
    """
    names = tuple(frame.columns)
    while target in names:
        target += "_"
    rows = frame.with_columns(pl.lit(None).alias(target))
    columns = choose_columns(rows, target, ColumnChoice(include=names), max_categories)
    return make_schema(frame, target, columns, labels, max_categories=max_categories)


def _series(name: str, column: Any) -> pl.Series:
    if isinstance(column, pl.Series):
        return column.rename(name)
    if getattr(column.dtype, "kind", "") == "c":
        raise InvalidData(f"column {name!r} must hold numbers, booleans or texts, got complex numbers")
    read = read_column(name, column)
    if isinstance(read, np.ndarray):
        return pl.Series(name, read if read.dtype.kind == "b" else read.astype(np.float64, copy=False))
    cells = plain_cells(read)
    if getattr(column.dtype, "name", "") == "category":
        return pl.Series(name, [_text(cell) for cell in cells], dtype=pl.String).cast(pl.Categorical)
    kinds = frozenset(map(type, cells))
    if kinds <= BOOLEANS and cells:
        return pl.Series(name, cells, dtype=pl.Boolean)
    if kinds <= NUMBERS:
        return pl.Series(name, [None if cell is None else float(cell) for cell in cells], dtype=pl.Float64)
    return pl.Series(name, [_text(cell) for cell in cells], dtype=pl.String)


def _text(cell: Any) -> str | None:
    if cell is None or isinstance(cell, bool):
        return None if cell is None else label_text(cell)
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
