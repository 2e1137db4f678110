"""The cells of one column as numbers or as texts, as the service reads the same cells from JSON."""

from __future__ import annotations

import numpy as np
import polars as pl

from contract.errors import InvalidData
from contract.faults import is_boolean, is_integer_coded


def numbers(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The cells as float32 `(n_rows,)`, NaN where missing; and which of them are wrong, bool `(n_rows,)`.

    Numbers go through float64, as those in JSON do. Null, NaN and the empty text are missing. Wrong is any other cell
    that is no number, or is not finite as float32; that goes for booleans too.
    """
    if column.dtype.is_float():  # the usual case, and the quickest: null becomes NaN
        x = _to_float32(column.to_numpy())
        return x, np.isinf(x)
    if column.dtype == pl.String:
        column = column.set(column == "", None)
    is_readable = column.dtype == pl.String or column.dtype.is_numeric()
    values = column.cast(pl.Float64, strict=False).to_numpy() if is_readable else np.full(len(column), np.nan)
    x = _to_float32(values)
    return x, column.is_not_null().to_numpy() & ~np.isfinite(x)


def texts(column: pl.Series) -> pl.Series:
    """The cells as pl.String, null where missing: booleans as true and false, whole numbers without a fraction.

    Raises:
        InvalidData: the column holds neither text nor numbers nor booleans.
    """
    dtype = column.dtype
    if dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        is_whole = (whole.cast(dtype) == column).fill_null(value=False)
        return column.fill_nan(None).cast(pl.String).zip_with(~is_whole, whole.cast(pl.String))
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        column = column.cast(pl.String)
        return column.set(column == "", None)
    if dtype.is_integer() or dtype in (pl.Boolean, pl.Null):
        return column.cast(pl.String)
    raise InvalidData(f"column {column.name!r} must hold text, numbers or booleans, got {dtype}")


def plain_booleans(column: pl.Series) -> pl.Series:
    """Texts with true and false in lower case, however they were written; the others as they are."""
    lower = column.str.to_lowercase()
    return column.zip_with(~lower.is_in(["true", "false"]).fill_null(value=False), lower)


def plain_integers(column: pl.Series) -> pl.Series:
    """Texts with 1 for 1.0, which is what whole numbers become where a program writes them beside missing cells."""
    return column.str.replace(r"^(0|-?[1-9][0-9]*)\.0+$", "$1")


def spell(column: pl.Series) -> pl.Series:
    """Texts in one spelling, where all of them are booleans or all whole numbers; otherwise as they are."""
    for plain, holds in ((plain_booleans, is_boolean), (plain_integers, is_integer_coded)):
        spelled = plain(column)
        if holds(spelled.drop_nulls().unique().to_list()):
            return spelled
    return column


def spell_like(column: pl.Series, categories: tuple[str, ...]) -> pl.Series:
    """Texts in the spelling that `spell` gave those that became `categories`."""
    if is_boolean(categories):
        return plain_booleans(column)
    return plain_integers(column) if is_integer_coded(categories) else column


def _to_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
