"""Which rows of one table are those of another: by what a model could tell them apart by, at speed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from contract.errors import InvalidData
from training.cells import plain_booleans, texts


def match_rows(frame: pl.DataFrame, wanted: pl.DataFrame, features: Iterable[str]) -> np.ndarray:
    """The numbers of the rows of `frame` that are like one of `wanted`: int64, ascending.

    Rows are alike where their `features` are, of those that both frames have. Labels do not count, since they may have
    been corrected, or poisoned. Frames without a feature in common have no row in common.
    """
    shared = _shared(frame, wanted, features)
    if not shared:
        return np.empty(0, np.int64)
    return _keys(frame, shared).is_in(_keys(wanted, shared).implode()).arg_true().to_numpy().astype(np.int64)


def match_as_many(frame: pl.DataFrame, wanted: pl.DataFrame, features: Iterable[str], target: str) -> np.ndarray:
    """As `match_rows`, but of rows that are like k wanted ones at most k: those with the same label first."""
    shared = _shared(frame, wanted, features)
    if not shared:
        return np.empty(0, np.int64)
    wanted_rows, rows = (
        pl.DataFrame({"key": _keys(one, shared), "label": _code(one[target])}) for one in (wanted, frame)
    )
    per_key = wanted_rows.group_by("key").agg(pl.len().alias("n_wanted"))
    per_label = wanted_rows.group_by("key", "label").agg(pl.len().alias("n_labelled"))
    found = rows.with_row_index("row").join(per_key, on="key").join(per_label, on=["key", "label"], how="left")
    nth_of_label = pl.int_range(pl.len()).over("key", "label", order_by="row")
    found = found.with_columns((nth_of_label >= pl.col("n_labelled").fill_null(0)).alias("is_relabelled"))
    nth = pl.int_range(pl.len()).over("key")
    taken = found.sort("is_relabelled", "row").filter(nth < pl.col("n_wanted"))
    return np.sort(taken["row"].to_numpy().astype(np.int64))


def holds_text(column: pl.Series) -> bool:
    """Whether the cells can be told as text: not dates, binaries or nested types."""
    try:
        texts(column.head(0))
    except InvalidData:
        return False
    return True


def _shared(frame: pl.DataFrame, wanted: pl.DataFrame, features: Iterable[str]) -> list[str]:
    return [
        name
        for name in features
        if name in frame.columns and name in wanted.columns and holds_text(frame[name]) and holds_text(wanted[name])
    ]


def _keys(frame: pl.DataFrame, features: Iterable[str]) -> pl.Series:
    """For each row a hash of its features, UInt64."""
    return pl.DataFrame([_code(frame[name]).alias(name) for name in features]).hash_rows(seed=0)


def _code(column: pl.Series) -> pl.Series:
    """A hash of each cell, UInt64: equal where a text file and a typed one would hold the same cell.

    Whatever reads as a number counts as the float32 that a model is given, so that 5, 5.0 and 5.00 are the same;
    booleans count in any case. Missing cells are the same as each other.
    """
    if column.dtype.is_numeric():
        spelled, numbers = pl.Series([None], dtype=pl.String), column.cast(pl.Float32).fill_nan(None)
    else:
        spelled = plain_booleans(texts(column))
        numbers = spelled.cast(pl.Float64, strict=False).cast(pl.Float32).fill_nan(None)
        spelled = spelled.set(numbers.is_not_null(), None)
    return numbers.hash(seed=1) ^ spelled.hash(seed=2)
