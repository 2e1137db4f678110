"""Numbers written 1,5: which columns hold them is decided on all rows of a table."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import polars as pl

from contract.faults import shorten

DECIMAL_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$"
DECIMAL_POINT = r"^[+-]?\d*\.\d+([eE][+-]?\d+)?$"
WHOLE = r"^[+-]?\d+$"


def find_decimal_commas(frames: Iterable[pl.DataFrame]) -> tuple[tuple[str, ...], str | None]:
    """The columns whose decimal commas mean points, and what to tell where they are left as they are instead.

    A column counts if some cells are decimal numbers with commas, and more than half of all that are not missing are
    numbers. Where another column's decimal numbers have points, none does.
    """
    counts: np.ndarray | None = None
    columns: list[str] = []
    for frame in frames:
        columns = frame.columns
        of_frame = np.stack([_count(frame, pattern) for pattern in (DECIMAL_COMMA, DECIMAL_POINT, WHOLE, "")])
        counts = of_frame if counts is None else counts + of_frame
    if counts is None:
        return (), None
    commas, points, wholes, present = counts
    with_commas = _named(columns, commas, wholes, present)
    with_points = _named(columns, points, wholes, present)
    if not with_commas or not with_points:
        return with_commas, None
    told = (
        f"decimal commas in {shorten(', '.join(with_commas))} but decimal points in {shorten(', '.join(with_points))}"
    )
    return (), f"{told}: the commas were left as they are"


def with_points(frame: pl.DataFrame, columns: Collection[str]) -> pl.DataFrame:
    """The frame with 1.5 for 1,5 in those of its columns that are among `columns`."""
    return frame.with_columns(_with_points(column) for column in frame if column.name in columns)


def _count(frame: pl.DataFrame, pattern: str) -> np.ndarray:
    """How many texts of each column match; int64 `(n_columns,)`."""
    matches = frame.select(pl.all().str.contains(pattern).sum().cast(pl.Int64))
    return np.array(matches.row(0), dtype=np.int64)


def _named(columns: list[str], decimals: np.ndarray, wholes: np.ndarray, present: np.ndarray) -> tuple[str, ...]:
    is_decimal = (decimals > 0) & (2 * (decimals + wholes) > present)
    return tuple(name for name, yes in zip(columns, is_decimal, strict=True) if yes)


def _with_points(column: pl.Series) -> pl.Series:
    is_decimal = column.str.contains(DECIMAL_COMMA).fill_null(value=False)
    return column.str.replace(",", ".", literal=True).zip_with(is_decimal, column)
