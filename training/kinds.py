"""What one column holds: numbers, categories, or something that a model cannot learn from."""

from __future__ import annotations

from typing import Literal

import polars as pl

from contract.errors import InvalidData
from contract.faults import show
from training.cells import numbers, texts

Kind = Literal["numeric", "categorical"]

MIN_ROWS_OF_ID = 20
"""Below this many cells, all different says nothing."""
ID_SHARE = 0.9
DATE_SHARE = 0.95
NUMBER_SHARE = 0.5

CONSTANT = "the same value in every row"
EMPTY = "nothing in any row"
DATES = "dates; turn them into numbers, such as an age in days"
IDS = "a value of its own in nearly every row, as an id has"
ROW_NUMBERS = "consecutive numbers, each once, as an id has"

_MONTH, _DAY = "(0?[1-9]|1[0-2])", "(0?[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-6][0-9]([.,][0-9]+)?)?"
_NAMED = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DAYS = (
    rf"([0-9]{{4}}[-/]{_MONTH}[-/]{_DAY}|({_MONTH}[-/]{_DAY}|{_DAY}[-/]{_MONTH})[-/][0-9]{{4}}"
    rf"|{_DAY}\.{_MONTH}\.[0-9]{{4}}|{_DAY}[- ]{_NAMED}[- ,]+[0-9]{{4}}|{_NAMED} {_DAY},? [0-9]{{4}})"
)
DATE = rf"^{_DAYS}([T ]{_TIME} ?(Z|UTC|[+-][0-9]{{2}}:?[0-9]{{2}})?)?$"
"""2024-01-31 and 2024/01/31, with or without a time and its zone; 31/01/2024, 01-31-2024, 31.01.2024; 31 Jan 2024."""
CODE = r"^[+-]?0[0-9]+$"
"""A whole number that starts with a zero: a code, such as a postal one, whose spelling matters."""


def kind_of(column: pl.Series) -> Kind | None:
    """What kind of feature the column can be; None where it can be none.

    Numeric are numbers, and texts that all read as numbers unless one of them starts with a zero, as codes do.
    """
    dtype = column.dtype
    if dtype.is_numeric():
        return "numeric"
    if dtype in (pl.Boolean, pl.Null) or isinstance(dtype, pl.Categorical | pl.Enum):
        return "categorical"
    if dtype != pl.String:
        return None
    cells = column.drop_nulls()
    if _are_numbers(cells).all() and not cells.str.contains(CODE).any():
        return "numeric"
    return None if _holds_dates(cells) else "categorical"


def can_be_categories(column: pl.Series) -> bool:
    """Whether a column may be taken as categories where the user asks for it: any but dates and nested types."""
    return column.dtype == pl.String or kind_of(column) is not None


def unfit(column: pl.Series) -> str:
    """Why a column whose kind is None can be no feature."""
    dates = column.dtype.is_temporal() and column.dtype != pl.Duration
    return DATES if dates or column.dtype == pl.String else f"neither numbers nor text but {column.dtype}"


def idle(column: pl.Series, kind: Kind) -> str | None:
    """Why a column has nothing to teach: it is constant, or tells rows apart and no more. None where it has."""
    cells = column.drop_nulls()
    n_cells, n_unique = len(cells), cells.n_unique()
    if not n_cells:
        return EMPTY
    if n_unique == 1 and n_cells == len(column):
        return CONSTANT
    if n_cells < MIN_ROWS_OF_ID:
        return None
    if kind == "numeric":
        return ROW_NUMBERS if n_unique == len(column) and _are_consecutive(cells) else None
    return IDS if n_unique > ID_SHARE * n_cells else None


def stray(column: pl.Series) -> str | None:
    """Why texts that are nearly all numbers are taken as categories; None where nobody would wonder."""
    if column.dtype != pl.String:
        return None
    cells = column.drop_nulls()
    codes = cells.filter(cells.str.contains(CODE))
    is_stray = column.is_not_null() & ~_are_numbers(column)
    n_stray = int(is_stray.sum())
    if n_stray == 0:
        return f"some numbers start with a zero, such as {codes[0]}" if len(codes) else None
    if n_stray > (1 - NUMBER_SHARE) * len(cells):
        return None
    row = is_stray.arg_max() or 0
    example = f"such as {show(column[row])} in row {row}, counted from 0"
    return f"{n_stray} of its {len(cells)} cells cannot be numbers, {example}"


def n_categories(column: pl.Series) -> int:
    """How many different texts the column holds."""
    return texts(column).drop_nulls().n_unique()


def check_finite(column: pl.Series) -> None:
    """Nothing, where every number of a numeric column can be a float32.

    Raises:
        InvalidData: one cannot; the message says which.
    """
    _, wrong = numbers(column)
    if wrong.any():
        row = int(wrong.argmax())
        raise InvalidData(
            f"column {column.name!r} must hold numbers that are finite as float32, got {column[row]} in row {row}, "
            "counted from 0: empty such cells, or exclude the column"
        )


def _are_numbers(column: pl.Series) -> pl.Series:
    """Which texts read as numbers, infinite ones and those too large for float64 included: pl.Boolean."""
    return column.cast(pl.Float64, strict=False).is_not_null()


def _holds_dates(cells: pl.Series) -> bool:
    return int(cells.str.contains(DATE).sum()) >= DATE_SHARE * len(cells)


def _are_consecutive(cells: pl.Series) -> bool:
    """Whether numbers that are all different are k, k+1, … k+n-1 in some order."""
    values = cells.cast(pl.Float64)
    span = values.max() - values.min()  # type: ignore[operator] # numbers, and at least one
    return bool((values == values.floor()).all()) and span == len(cells) - 1
