"""Cells of rows and columns as callers have them → plain Python values, as the contract's readers take them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from contract.tensors import Cell

PLAIN = frozenset({str, int, bool, type(None)})
JSON_TYPES = PLAIN | {float}


def plain(cell: Any) -> Any:
    """A cell as str, int, float, bool, or None where it is missing: None, NaN, or pandas' NA or NaT.

    What is something else stays as it is: whoever knows the feature can say what is wrong with it.
    """
    kind = type(cell)
    if kind in PLAIN:
        return cell
    if isinstance(cell, (float, np.floating)):
        number = float(cell)
        return number if number == number else None  # noqa: PLR0124 # NaN is not itself
    if isinstance(cell, str):
        return str.__str__(cell)
    if isinstance(cell, (int, np.integer)):
        return int(cell)
    if isinstance(cell, np.bool):
        return bool(cell)
    return None if _is_pandas_missing(cell) else cell


def plain_cells(column: list[Any]) -> list[Cell]:
    """The cells of a column as `plain` has them."""
    return column if set(map(type, column)) <= PLAIN else list(map(plain, column))


def _is_pandas_missing(cell: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and (cell is pandas.NA or cell is pandas.NaT)
