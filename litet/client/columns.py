"""Columns as callers have them → the tensors of a model.

Arrays of numbers are taken as they are; what does not plainly fit its feature is read as rows, which names each fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from contract.columns import Column
from contract.errors import InvalidData
from contract.faults import text_types
from contract.plain_cells import plain_cells
from contract.schema import CategoricalFeature, Feature, label_text
from contract.tensors import NUMBER_TYPES, RowReader, Tensors, to_float32


def read_columns(columns: Sequence[Column], reader: RowReader) -> Tensors:
    """The tensors of columns in feature order.

    Raises:
        InvalidData: columns are of several lengths.
        InvalidRows: a cell does not fit its feature.
    """
    n_rows = len(columns[0])
    if lengths := {len(column) for column in columns} - {n_rows}:
        raise InvalidData(f"columns must all have as many rows, got {n_rows} and {min(lengths)}")
    x_num = np.empty((n_rows, len(reader.schema.numeric)), np.float32)
    x_cat = np.empty((n_rows, len(reader.schema.categorical)), object)
    numbers, texts = iter(x_num.T), iter(x_cat.T)
    try:
        for feature, column in zip(reader.schema.features, columns, strict=True):
            if isinstance(feature, CategoricalFeature):
                next(texts)[:] = _texts(feature, column)
            else:
                next(numbers)[:] = to_float32(_numbers(column))
        return Tensors(x_num, x_cat, reader.find_unseen(x_cat))
    except (ValueError, TypeError, OverflowError):
        cells = [_cells(feature, column) for feature, column in zip(reader.schema.features, columns, strict=True)]
        return reader.read(list(zip(*cells, strict=True)))


def _numbers(column: Column) -> np.ndarray:
    """Floats, NaN where missing.

    Raises:
        TypeError, OverflowError: cells are no numbers, or too large.
    """
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "b":
            raise TypeError
        # By way of float64, as numbers in JSON go: straight to float32, long integers would be rounded otherwise.
        return column if column.dtype.kind == "f" and column.itemsize <= 8 else column.astype(np.float64)
    cells = column if set(map(type, column)) <= NUMBER_TYPES else plain_cells(column)
    if not set(map(type, cells)) <= NUMBER_TYPES:
        raise TypeError
    return np.array(cells, np.float64)


def _texts(feature: CategoricalFeature, column: Column) -> list[str]:
    """Texts, empty where missing.

    Raises:
        TypeError: cells are of types that the feature does not take.
    """
    cells = plain_cells(_whole(column) if isinstance(column, np.ndarray) else column)
    if not set(map(type, cells)) <= text_types(feature):
        raise TypeError
    return ["" if cell is None else label_text(cell) for cell in cells]  # type: ignore[arg-type] # not float


def _whole(column: np.ndarray) -> list[Any]:
    """The cells of an array; whole numbers as integers, since pandas makes floats of those beside missing ones."""
    if column.dtype.kind != "f":
        return list(column.tolist())
    return [int(cell) if cell.is_integer() else cell for cell in column.astype(np.float64).tolist()]


def _cells(feature: Feature, column: Column) -> list[Any]:
    if isinstance(column, np.ndarray):
        return plain_cells(_whole(column) if isinstance(feature, CategoricalFeature) else list(column.tolist()))
    return plain_cells(column)
