"""Columns as callers of Python code have them: lists, arrays, series of pandas or polars."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from contract.errors import InvalidData
from contract.faults import shorten

NUMBER_KINDS = "iuf"

Column: TypeAlias = np.ndarray | list[Any]
"""An array of numbers or booleans, or cells."""


def read_column(name: str, column: Any) -> Column:
    """What a caller has a column in: a list, an array, or a series of pandas or polars.

    Raises:
        InvalidData: it is something else.
    """
    if isinstance(column, (list, tuple)):
        return list(column)
    if isinstance(column, np.ndarray) and column.ndim == 1:
        if column.dtype.kind in NUMBER_KINDS + "b":
            return column
        if column.dtype.kind in "OUT":
            return list(column.tolist())
    if hasattr(type(column), "to_list") and hasattr(column, "dtype"):
        return np.asarray(column.to_numpy()) if _is_series_of_numbers(column) else list(column.to_list())
    got = f"an array of {column.dtype}" if isinstance(column, np.ndarray) else f"a {type(column).__name__}"
    raise InvalidData(f"column {shorten(name)!r} must hold numbers, booleans or texts, got {got}")


def _is_series_of_numbers(series: Any) -> bool:
    """Whether a series is an array of numbers, NaN where missing, without a loss."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):  # pandas
        return dtype.kind in NUMBER_KINDS + "b"
    if hasattr(dtype, "is_float"):  # polars
        return bool(dtype.is_float() or (dtype.is_integer() and not series.null_count()))
    return False
